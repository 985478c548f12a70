import express4 from "express4";
import express5 from "express";
import request from "supertest";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";

import { holdfast } from "@holdfast/express";
import { joinService } from "@holdfast/express/testing";

import { site } from "../site.mjs";

describe.each([
  ["Express 4", express4],
  ["Express 5", express5],
])("%s", (_, express) => {
  let service, sessions, app;
  beforeAll(() => {
    service = joinService({ url: inject("url"), serviceKey: inject("serviceKey") });
    app = site(express, (sessions = holdfast(service)));
  });
  afterAll(async () => {
    sessions.close();
    await service.stop();
  });

  test("a client of ours", async () => {
    const ada = service.client(app);
    await ada.signIn("ada", { role: "admin" });
    expect(await (await ada.get("/admin")).json()).toEqual({ user: "ada" });
    expect((await ada.post("/write", { cart: ["tea"] })).status).toBe(200);
    expect((await ada.post("/write", { cart: [] }, { csrf: false })).status).toBe(403);
  });

  test("supertest with the headers of somebody", async () => {
    const ada = await service.headersOf("ada", { role: "admin" });
    await request(app).get("/admin").expect(401);
    await request(app).get("/admin").set(ada).expect(200, { user: "ada" });
    await request(app)
      .post("/write")
      .set(ada)
      .send({ cart: ["tea"] })
      .expect(200);
    await request(app).post("/write").set("Cookie", ada.Cookie).send({ cart: [] }).expect(403);
  });

  test("an agent of supertest keeps the cookies of the application's own sign-in", async () => {
    const agent = request.agent(app);
    const { token } = (await agent.get("/csrf").expect(200)).body;
    await agent.post("/login").set("X-CSRF-Token", token).send({ user: "ada" }).expect(200);
    await agent.get("/me").expect(200, { user: "ada" });
    const next = (await agent.get("/csrf").expect(200)).body;
    await agent.post("/logout").set("X-CSRF-Token", next.token).expect(200);
    await agent.get("/me").expect(401);
  });
});
