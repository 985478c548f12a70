// Express with nothing around its handlers: what all chains in Node are compared with.
import { application, listen } from "./serve.mjs";

const app = application();
app.get("/me", (_req, res) => res.json({ user: "user-1" }));
app.post("/note", (req, res) => res.json({ ok: Boolean(req.body.text) }));
listen(app);
