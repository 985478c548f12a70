import express from "express";

import { holdfast } from "@holdfast/express";
import "@holdfast/express/types";

declare module "@holdfast/express" {
    interface Session {
        visits?: number;
    }
}

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
        // @ts-expect-error -- it was named
        req.session.visits = "two";
        const who: string = sessions.userOf(req).id;
        const maybe: string | undefined = req.user?.id;
        const token: string = await req.csrfToken();
        // @ts-expect-error -- a subject is a text
        req.session.signIn(1);
        res.json({ who, maybe, token });
    });
    app.post("/token", async (req, res) => {
        const by = { request: req };
        res.json(await sessions.sessionManager.generateTokens("ada", "ada@example.org", "admin", by));
    });
    return app;
}
