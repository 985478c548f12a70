// "Cannot know" never looks like "not signed in": 503 at every door, and no cookie is touched.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import { describe, test } from "node:test";

import express5 from "express";
import session from "express-session";
import express4 from "express4";

import { Api } from "../dist/esm/api.js";
import { holdfast } from "../dist/esm/index.js";
import { HoldfastStore } from "../dist/esm/store.js";
import { listening } from "./service.mjs";

/** Nobody listens there. */
const AWAY = { url: "http://127.0.0.1:9", serviceKey: "hfk1_x" };
const KNOWN = [{ cookie: "session=x" }, { authorization: "Bearer a.b.c" }];

for (const [name, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(name, () => {
    test("all guards, and all methods", async () => {
      const sessions = holdfast(AWAY);
      const app = express();
      const reached = (_req, res) => res.send("in");
      app.all("/jwt", sessions.authMiddleware, reached);
      app.use(sessions);
      app.all("/me", sessions.requireAuth, reached);
      app.all("/role", sessions.requireRole("admin"), reached);
      app.all("/open", reached);
      app.use(sessions.errors);
      const { origin, close } = await listening(app);
      for (const headers of KNOWN) {
        for (const path of headers.cookie ? ["/me", "/role", "/open"] : ["/me", "/role", "/open", "/jwt"]) {
          for (const method of ["GET", "POST", "DELETE"]) {
            const answer = await fetch(origin + path, { method, headers });
            const { code } = await answer.json();
            assert.deepEqual([answer.status, code], [503, "store_unavailable"], `${method} ${path}`);
            assert.ok(Number(answer.headers.get("retry-after")) > 0);
            assert.deepEqual(answer.headers.getSetCookie(), []);
          }
        }
      }
      close();
      sessions.close();
    });

    test("a change that cannot be saved is no success", async () => {
      const sessions = holdfast(AWAY);
      const app = express();
      app.use(sessions);
      app.get("/visit", (req, res) => {
        req.session.visits = 1;
        res.status(201).set("ETag", "x").send("saved");
      });
      const { origin, close } = await listening(app);
      const answer = await fetch(`${origin}/visit`);
      assert.deepEqual([answer.status, answer.headers.get("etag")], [503, null]);
      assert.equal((await answer.json()).code, "store_unavailable");
      close();
      sessions.close();
    });

    test("a store of express-session makes no new session", async () => {
      const store = new HoldfastStore(AWAY);
      const app = express();
      app.use(session({ secret: "of a test", store, resave: false, saveUninitialized: true }));
      app.get("/", (_req, res) => res.send("in"));
      app.use((error, _req, res, _next) => res.status(error.status).json({ code: error.code }));
      const { origin, close } = await listening(app);
      const { sign } = await import("cookie-signature").then((module) => module.default);
      const cookie = `connect.sid=${encodeURIComponent(`s:${sign("x", "of a test")}`)}`;
      const answer = await fetch(origin, { headers: { cookie } });
      assert.deepEqual([answer.status, answer.headers.getSetCookie()], [503, []]);
      close();
      store.close();
    });
  });
}

test("a handshake", async () => {
  const sessions = holdfast(AWAY);
  const server = http.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  server.on("upgrade", (request, socket) => sessions.upgrade(request, socket));
  for (const headers of KNOWN) {
    const client = connect(server.address().port, "127.0.0.1");
    const [line] = Object.entries(headers).map(([header, value]) => `${header}: ${value}`);
    client.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${line}\r\n\r\n`);
    assert.match(Buffer.concat(await client.toArray()).toString(), /^HTTP\/1.1 503 /);
  }
  server.close();
  sessions.close();
});

test("an outage is one line when it begins, and one when it ends", async (t) => {
  const said = t.mock.method(console, "error", () => {});
  const before = process.env.NODE_ENV;
  t.after(() => (before === undefined ? delete process.env.NODE_ENV : (process.env.NODE_ENV = before)));
  process.env.NODE_ENV = "production";
  const service = http.createServer((_req, res) => res.writeHead(500).end("{}"));
  service.listen(0, "127.0.0.1");
  await once(service, "listening");
  const { port } = service.address();
  await new Promise((done) => service.close(done));
  const at = `http://127.0.0.1:${port}`;
  const api = new Api({ url: `${at}/below`, serviceKey: "hfk1_x" });
  const asked = () => assert.rejects(api.ask("GET", "/any"), { code: "store_unavailable" });
  for (let i = 0; i < 3; i++) await asked();
  service.listen(port, "127.0.0.1");
  await once(service, "listening");
  for (let i = 0; i < 2; i++) await asked();
  service.closeAllConnections();
  await new Promise((done) => service.close(done));
  for (let i = 0; i < 2; i++) await asked(); // so soon again: nothing
  api.close();
  assert.deepEqual(
    said.mock.calls.map(({ arguments: [text] }) => text),
    [
      `holdfast: the service at ${at} does not answer: connect ECONNREFUSED 127.0.0.1:${port}. Is it running?`,
      `holdfast: the service at ${at} answers again`,
    ],
  );
});
