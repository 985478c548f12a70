// The chain of this project over the service at SERVICE_URL.
import { holdfast } from "../../../express/dist/esm/index.js";
import { application, listen, note } from "./serve.mjs";

const { SERVICE_URL: url, SERVICE_KEY: serviceKey } = process.env;
const sessions = holdfast({ url, serviceKey });
const app = application();
app.use(sessions);
app.post("/login/:number", (req, res) => {
  req.session.signIn(`user-${req.params.number}`, { role: "user" });
  res.json({ ok: true });
});
app.get("/csrf", async (req, res) => res.json({ token: await req.csrfToken() }));
app.get("/me", sessions.requireAuth, (req, res) => res.json({ user: req.session.subject }));
app.post("/note", sessions.requireAuth, note);
app.use(sessions.errors);
listen(app);
