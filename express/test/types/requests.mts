import express from "express";

import { holdfast } from "@holdfast/express";
import "@holdfast/express/types";

/** With the types of requests, handlers need no cast. */
export function application(): express.Express {
    const sessions = holdfast({ url: "http://127.0.0.1:8080", serviceKey: "hfk1_x" });
    const app = express();
    app.use(sessions);
    app.post("/in", (req, res) => {
        req.session.signIn("ada", { role: "admin" });
        res.json({ success: true });
    });
    app.get("/me", sessions.requireAuth, async (req, res) => {
        req.session.visits = (req.session.visits ?? 0) + 1;
        const who: string | undefined = req.user?.id;
        const token: string = await req.csrfToken();
        // @ts-expect-error -- a subject is a text
        req.session.signIn(1);
        res.json({ who, token });
    });
    return app;
}
