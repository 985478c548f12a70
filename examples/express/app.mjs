// The specification's Express example: cookie, session, CSRF, rate limit, guard, log-in, log-out.
//
//   export HOLDFAST_PROFILE=development
//   export HOLDFAST_SERVICE_KEYS=…      what `holdfast service-key shop` prints for the service
//   holdfast serve &
//   export SERVICE_KEY=…                what it prints for the application
//   npm install express @holdfast/express && node app.mjs
//
// The user is ada@example.org with the password `correct horse battery staple`.
import { scryptSync, timingSafeEqual } from "node:crypto";

import { holdfast } from "@holdfast/express";
import express from "express";

const { SERVICE_URL = "http://127.0.0.1:8080", SERVICE_KEY, PORT = "3000" } = process.env;
const sessions = holdfast({ url: SERVICE_URL, serviceKey: SERVICE_KEY });
const app = express();
app.use(express.json());
app.use(sessions);

const salt = "of an example";
const ada = {
  id: "ada",
  email: "ada@example.org",
  role: "author",
  hash: scryptSync("correct horse battery staple", salt, 32),
};

function checkPassword(email, password) {
  const given = scryptSync(String(password), salt, 32);
  return timingSafeEqual(given, ada.hash) && email === ada.email ? ada : null;
}

app.get("/csrf-token", (req, res, next) => {
  req.csrfToken().then((csrfToken) => res.json({ csrfToken }), next);
});

app.post("/api/login", (req, res) => {
  const user = checkPassword(req.body?.email, req.body?.password);
  if (user === null) return res.status(401).json({ error: "Invalid credentials" });
  req.session.user = { id: user.id, email: user.email, role: user.role };
  req.session.regenerate((err) => {
    if (err) return res.status(500).json({ error: "Server error" });
    res.json({ success: true });
  });
});

app.post("/api/logout", sessions.requireAuth, (req, res) => {
  req.session.destroy((err) => {
    if (err) return res.status(500).json({ error: "Logout failed" });
    res.json({ success: true });
  });
});

app.get("/api/me", sessions.requireAuth, (req, res) => res.json(req.user));

// Clients with tokens: `Authorization: Bearer …`.
app.post("/login", (req, res, next) => {
  const user = checkPassword(req.body?.email, req.body?.password);
  if (user === null) return res.status(401).json({ error: "Invalid credentials" });
  sessions.sessionManager
    .generateTokens(user.id, user.email, user.role)
    .then((tokens) => res.json(tokens), next);
});

app.post("/refresh", (req, res, next) => {
  const { refreshToken } = req.body ?? {};
  if (typeof refreshToken !== "string") return res.status(400).json({ error: "Refresh token required" });
  sessions.sessionManager
    .refreshAccessToken(refreshToken)
    .then(({ tokens, error }) => (tokens ? res.json(tokens) : res.status(401).json({ error })), next);
});

app.get("/api/profile", sessions.authMiddleware, (req, res) => res.json({ user: req.user.userId }));

app.use(sessions.errors);
app.listen(Number(PORT), "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${PORT}`));
