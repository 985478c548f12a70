// express-session with connect-redis, express-rate-limit with rate-limit-redis, and csrf-csrf.
import { randomBytes } from "node:crypto";

import { RedisStore } from "connect-redis";
import cookieParser from "cookie-parser";
import { doubleCsrf } from "csrf-csrf";
import { rateLimit } from "express-rate-limit";
import session from "express-session";
import { RedisStore as LimitStore } from "rate-limit-redis";
import { createClient } from "redis";

import { application, listen, note } from "./serve.mjs";

const client = createClient({ url: process.env.BENCH_REDIS });
await client.connect();
const app = application();
app.use(
  session({
    store: new RedisStore({ client }),
    secret: randomBytes(32).toString("hex"),
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: "strict", maxAge: 86_400_000 },
  }),
);
app.use(
  rateLimit({
    windowMs: 15 * 60_000,
    limit: 1_000_000,
    keyGenerator: (req) => req.sessionID,
    store: new LimitStore({ sendCommand: (...given) => client.sendCommand(given) }),
  }),
);
const secret = randomBytes(32).toString("hex");
const { doubleCsrfProtection, generateCsrfToken } = doubleCsrf({
  getSecret: () => secret,
  getSessionIdentifier: (req) => req.session.id,
  cookieName: "csrf",
  cookieOptions: { secure: false, sameSite: "strict" },
  skipCsrfProtection: (req) => req.path.startsWith("/login/"),
});
app.use(cookieParser());
app.use(doubleCsrfProtection);

function requireAuth(req, res, next) {
  if (req.session.user === undefined) res.status(401).json({ error: "Unauthorized" });
  else next();
}

app.post("/login/:number", (req, res, next) => {
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.user = `user-${req.params.number}`;
    req.session.role = "user";
    return res.json({ ok: true });
  });
});
app.get("/csrf", (req, res) => res.json({ token: generateCsrfToken(req, res) }));
app.get("/me", requireAuth, (req, res) => res.json({ user: req.session.user }));
app.post("/note", requireAuth, note);
listen(app);
