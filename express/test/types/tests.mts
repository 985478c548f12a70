import express from "express";
import { createServer } from "node:http";

import { holdfast } from "@holdfast/express";
import { joinService, startService } from "@holdfast/express/testing";
import type { Client, TestService } from "@holdfast/express/testing";

/** What a test of an application writes. */
export async function tested(): Promise<string> {
    const service: TestService = await startService({ command: ["holdfast"], settings: {} });
    const app = express();
    app.use(holdfast(service));
    const ada: Client = service.client(app);
    const id: string = await ada.signIn("ada", { role: "admin" }, { data: { cart: [] } });
    const answer: Response = await ada.post("/cart", { item: "tea" }, { csrf: false });
    const headers: Record<string, string> = await service.headersOf("ada");
    await service.client(createServer(app)).get("/", { headers });
    // @ts-expect-error -- a subject is a text
    await ada.signIn(1);
    await service.stop();
    await joinService(service).stop();
    return `${id} ${answer.status} ${ada.cookies.get("session") ?? ""}`;
}
