// What is the same in every application of the comparison.
import express from "express";

/** Express itself, which reads JSON. */
export function application() {
  const app = express();
  app.use(express.json());
  return app;
}

export function listen(app) {
  app.listen(Number(process.env.PORT), "127.0.0.1");
}

/** A change of the session's data. */
export function note(req, res) {
  req.session.note = req.body.text;
  req.session.count = (req.session.count ?? 0) + 1;
  res.json({ ok: true });
}
