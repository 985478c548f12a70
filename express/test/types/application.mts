import express from "express";
import expressSession from "express-session";

import { holdfast } from "@holdfast/express";
import type { Holdfast, HoldfastRequest } from "@holdfast/express";
import { HoldfastStore } from "@holdfast/express/store";

/** What an application writes, judged by the compiler alone. */
export function application(): express.Express {
    const sessions: Holdfast = holdfast({ url: "http://127.0.0.1:8080", serviceKey: "hfk1_x" });
    const app = express();
    app.use(sessions);
    app.get("/me", sessions.requireAuth, (req, res) => {
        const { session, user } = req as express.Request & HoldfastRequest;
        session.visits = ((session.visits as number | undefined) ?? 0) + 1;
        session.regenerate((error) => res.status(error ? 500 : 200).json({ id: session.id, user: user?.id }));
    });
    app.post("/in", (req, res, next) => {
        const { session, csrfToken } = req as express.Request & HoldfastRequest;
        session.signIn("ada", { role: "admin" });
        session.destroy();
        csrfToken().then((token: string) => res.json({ token }), next);
    });
    app.get("/admin", sessions.requireRole("admin"), sessions.authMiddleware);
    app.use(sessions.errors);
    app.use(
        expressSession({
            secret: "x",
            store: new HoldfastStore({ url: "http://127.0.0.1", serviceKey: "x" }),
        }),
    );
    return app;
}

/** The specification's methods. */
export async function tokens({ sessionManager }: Holdfast): Promise<string | null> {
    const { accessToken, refreshToken } = await sessionManager.generateTokens(
        "ada",
        "ada@example.org",
        "admin",
    );
    const { payload, error } = await sessionManager.verifyToken(accessToken);
    if (payload === null) return error;
    const blacklisted: boolean = await sessionManager.isTokenBlacklisted(payload.jti);
    await sessionManager.blacklistToken(payload.jti);
    const { tokens: fresh } = await sessionManager.refreshAccessToken(refreshToken);
    const done: boolean = await sessionManager.logout(fresh?.accessToken ?? "");
    return done && !blacklisted ? payload.userId : null;
}
