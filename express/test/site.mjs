// The site that Holdfast's tests know from all frameworks, in Express.
//
// As a program: SERVICE_URL, SERVICE_KEY and PORT say where; prints a line when it listens.
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { SessionClosed } from "../dist/esm/index.js";

/** The site over `express` (4 or 5) and the chain `sessions`. */
export function site(express, sessions) {
  const app = express();
  app.use(express.urlencoded({ extended: false }));
  app.use(express.json());
  app.use(sessions);
  const { requireAuth } = sessions;
  const done = (_req, res) => res.json({ success: true });

  app.post("/login", (req, res) => {
    req.session.signIn(req.body.user, { role: "admin" });
    done(req, res);
  });
  app.post("/logout", (req, res) => {
    req.session.signOut();
    done(req, res);
  });
  app.post("/write", (req, res) => {
    Object.assign(req.session, req.body);
    done(req, res);
  });
  app.post("/tokens", requireAuth, (req, res, next) => {
    sessions.sessionManager
      .issueTokens(req.session)
      .then((made) => res.json({ access_token: made.accessToken, refresh_token: made.refreshToken }))
      .catch(next);
  });
  app.get("/visits", (req, res) => {
    req.session.visits = (req.session.visits ?? 0) + 1;
    res.json({ visits: req.session.visits });
  });
  app.get("/stream", (req, res) => {
    res.write(`${req.session.subject}\n`);
    try {
      req.session.late = true;
      res.end("written");
    } catch (error) {
      res.end(error instanceof SessionClosed ? error.message : "another error");
    }
  });
  app.get("/me", requireAuth, (req, res) => res.json({ user: req.user.id }));
  app.get("/admin", sessions.requireRole("admin"), (req, res) => res.json({ user: req.user.id }));
  app.get("/csrf", (req, res, next) => {
    req.csrfToken().then((token) => res.json({ token }), next);
  });
  app.get("/open", (_req, res) => res.send("open"));
  app.get("/told", async (_req, res) => {
    const asked = performance.now();
    while (sessions.status.age >= performance.now() - asked) await pause(10);
    res.send("all that happened before has been told");
  });
  return app;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { default: express } = await import("express");
  const { holdfast } = await import("../dist/esm/index.js");
  const { SERVICE_URL: url, SERVICE_KEY: serviceKey, PORT } = process.env;
  const app = site(express, holdfast({ url, serviceKey }));
  app.listen(Number(PORT), "127.0.0.1", () => console.log("listening"));
}
