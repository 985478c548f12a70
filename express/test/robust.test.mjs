// What goes wrong around the package: clients that go, handlers with mistakes, a service that hangs.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";

import express5 from "express";
import express4 from "express4";

import { Api } from "../dist/esm/api.js";
import { holdfast } from "../dist/esm/index.js";
import { Visit } from "../dist/esm/visit.js";
import { Browser, Service, listening, played, relayed, until } from "./service.mjs";
import { site } from "./site.mjs";

let service;
before(async () => (service = await Service.start()));
after(() => service.stop());

const over = (url, more = {}) => holdfast({ url, serviceKey: service.key, ...more });

for (const [name, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(name, () => {
    test("a hot request asks nobody", async () => {
      const relay = await relayed(service);
      const sessions = over(relay.url);
      const app = await listening(site(express, sessions));
      const browser = new Browser(app.origin);
      await browser.signIn();
      const asked = () => relay.asked.filter((path) => path.startsWith("/requests")).length;
      let before;
      await until(async () => {
        before = asked();
        assert.equal((await browser.get("/me")).status, 200);
        return asked() === before;
      }, "an answer from what is kept");
      sessions.close();
      assert.equal((await browser.get("/me")).status, 200);
      assert.ok(asked() > before, "without the stream the service is asked");
      app.close();
      relay.close();
    });

    test("a user without an id signs nobody in", async () => {
      const sessions = over(service.url);
      const app = site(express, sessions);
      app.post("/user", (req, res) => {
        req.session.user = req.body.user;
        res.json({ subject: req.session.subject });
      });
      app.use(sessions.errors);
      const { origin, close } = await listening(app);
      for (const user of [{ email: "ada@example.org" }, "ada", { id: null }, { id: {} }, { id: "" }]) {
        const answer = await new Browser(origin).post("/user", { user });
        assert.equal(answer.status, 500);
        assert.equal(answer.json.code, "usage_error");
      }
      assert.equal((await new Browser(origin).post("/user", { user: { id: 7 } })).json.subject, "7");
      close();
      sessions.close();
    });

    test("a mistake in an answer that waited is a 500, and the process goes on", async () => {
      const sessions = over(service.url);
      const app = site(express, sessions);
      app.get("/mistake", (req, res) => {
        req.session.n = 1;
        res.statusCode = 1000;
        res.end("x");
      });
      const { origin, close } = await listening(app);
      const warned = once(process, "warning");
      const answer = await new Browser(origin).get("/mistake");
      assert.equal(answer.status, 500);
      assert.equal(answer.json.code, "internal_error");
      assert.equal((await warned)[0].code, "ERR_HTTP_INVALID_STATUS_CODE");
      close();
      sessions.close();
    });

    /** As compression does it: what is written goes through functions on the answer, and once only. */
    const through = (_req, res, next) => {
      const { write, end } = res;
      let ended = false;
      res.write = (chunk) => write.call(res, chunk.toUpperCase());
      res.end = (chunk) => {
        if (ended) return res;
        ended = true;
        return end.call(res, chunk && String(chunk).toUpperCase());
      };
      next();
    };
    const behaves = async (app, sessions, on = app) => {
      on.get("/count", (req, res) => {
        req.session.count = (req.session.count ?? 0) + 1;
        res.write("one,");
        res.end(`count ${req.session.count}`);
      });
      on.get("/unfit", (req, res) => {
        req.session.count = 1n;
        res.end("never sent");
      });
      on.get("/seen", sessions.requireAuth, (req, res) => res.end(req.user.id + typeof req.csrfToken));
      on.post("/in", (req, res) => {
        req.session.signIn("ada");
        res.end("in");
      });
      const { origin, close } = await listening(app);
      const browser = new Browser(origin);
      const said = [];
      await browser.post("/in", {});
      for (const path of ["/count", "/count", "/unfit", "/seen"]) said.push((await browser.get(path)).text);
      close();
      sessions.close();
      return said.map((text) => text.toLowerCase());
    };
    const expected = ["one,count 1", "one,count 2", /"usage_error"/, "adafunction"];
    const matches = (said) => said.forEach((text, at) => assert.match(text, new RegExp(expected[at])));

    test("functions on the answer work before the chain and behind it", async () => {
      for (const order of [0, 1]) {
        const [app, sessions] = [express(), over(service.url)];
        for (const each of order ? [sessions, through] : [through, sessions]) app.use(each);
        matches(await behaves(app, sessions));
      }
    });

    test("a mounted application has the session, and one that leads out of it", async () => {
      for (const order of [0, 1]) {
        const [outer, inner, sessions] = [express(), express(), over(service.url)];
        (order ? outer : inner).use(sessions);
        outer.use(inner);
        matches(await behaves(outer, sessions, order ? inner : outer));
      }
    });

    test("an application is mounted after its first request", async () => {
      const [outer, inner, sessions] = [express(), express(), over(service.url)];
      inner.use(sessions);
      inner.get("/first", (req, res) => res.end(String(req.session.subject)));
      const first = await listening(inner);
      assert.equal((await new Browser(first.origin).get("/first")).text, "null");
      first.close();
      outer.use(inner);
      matches(await behaves(outer, sessions, inner));
    });

    test("each of two chains knows its own people", async () => {
      const other = await Service.start();
      const [shop, staff] = [over(service.url), holdfast({ url: other.url, serviceKey: other.key })];
      const [outer, inner] = [express(), express()];
      outer.use(shop);
      outer.get("/me", shop.requireAuth, (req, res) => res.send(req.session.subject));
      outer.post("/in", (req, res) => {
        req.session.signIn("customer");
        res.send("in");
      });
      inner.use(staff);
      inner.get("/me", staff.requireAuth, (req, res) => res.send(req.session.subject));
      inner.post("/in", (req, res) => {
        req.session.signIn("clerk");
        res.send("in");
      });
      outer.use("/staff", inner);
      outer.get("/after", shop.requireAuth, (req, res) => res.send(req.session.subject));
      const { origin, close } = await listening(outer);
      const [customer, clerk] = [new Browser(origin), new Browser(origin)];
      await customer.post("/in", {});
      assert.equal((await customer.get("/staff/me")).status, 401);
      assert.equal((await customer.get("/me")).text, "customer");
      assert.equal((await clerk.post("/staff/in", {})).status, 200);
      assert.equal((await clerk.get("/staff/me")).text, "clerk");
      assert.equal((await clerk.get("/me")).status, 401);
      close();
      for (const each of [shop, staff]) each.close();
      await other.stop();
    });

    test("a guard whose answer comes too late leaves the other one alone", async () => {
      let answer;
      const hangs = await played((_request, response) => {
        answer = () => response.end(JSON.stringify({ claims: null, reason: "malformed" }));
        response.setHeader("content-type", "application/json");
      });
      const sessions = over(hangs.url, { maxAge: 0 });
      const app = express();
      app.use((_req, res, next) => {
        app.giveUp = () => res.status(504).send("late");
        next();
      });
      app.get("/jwt", sessions.authMiddleware, (_req, res) => res.send("in"));
      app.use(sessions.errors);
      const { origin, close } = await listening(app);
      const asking = new Browser(origin).get("/jwt", { headers: { authorization: "Bearer a.b.c" } });
      await until(() => answer !== undefined, "the question");
      app.giveUp();
      assert.equal((await asking).status, 504);
      answer();
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      close();
      sessions.close();
      hangs.close();
    });

    test("a refusal keeps what earlier handlers did, and headers that are not of the content", async () => {
      const sessions = over(service.url);
      const app = site(express, sessions);
      app.get("/pending", (req, res, next) => {
        res.setHeader("Access-Control-Allow-Origin", "https://spa.example");
        res.setHeader("Content-Language", "en");
        req.session.returnTo = "/pending";
        next();
      });
      app.get("/pending", sessions.requireRole("nobody's"), (_req, res) => res.send("in"));
      app.get("/where", (req, res) => res.json({ to: req.session.returnTo ?? null }));
      const { origin, close } = await listening(app);
      const browser = new Browser(origin);
      await browser.signIn();
      await until(async () => (await browser.get("/me"), sessions.status.kept > 0), "a kept session");
      const refused = await browser.get("/pending");
      assert.equal(refused.status, 403);
      assert.equal(refused.headers.get("access-control-allow-origin"), "https://spa.example");
      assert.equal(refused.headers.get("content-language"), null);
      assert.equal((await browser.get("/where")).json.to, "/pending");
      close();
      sessions.close();
    });
  });
}

test("without Express the chain works as well, and one application tells requests apart", async () => {
  const sessions = over(service.url);
  const server = http.createServer((req, res) => {
    sessions(req, res, () => {
      if (req.url === "/in") req.session.signIn("ada");
      res.end(`${req.session.subject}`);
    });
  });
  const { origin, close } = await listening(server);
  const browser = new Browser(origin);
  await browser.post("/in", {});
  assert.equal((await browser.get("/")).text, "ada");
  close();
  const app = express5();
  app.get("/outside", (req, res) => {
    const { session, user, csrfToken } = req;
    req.user = "own";
    res.json([session === undefined, user === undefined, csrfToken === undefined, req.user]);
  });
  app.use(sessions);
  app.get("/inside", (req, res) => res.json(req.session.id));
  const inside = await listening(app);
  const visitor = new Browser(inside.origin);
  assert.equal((await visitor.get("/inside")).json, null);
  assert.deepEqual((await visitor.get("/outside")).json, [true, true, true, "own"]);
  assert.equal(app.request.session, undefined);
  inside.close();
  sessions.close();
});

test("a fresh path is fresh however it is spelt", async () => {
  const relay = await relayed(service);
  const sessions = over(relay.url, { freshPaths: ["/Pay", "/admin/"] });
  const app = site(express5, sessions);
  app.get(["/pay", "/admin/x", "/payment"], sessions.requireAuth, (_req, res) => res.send("in"));
  const { origin, server, close } = await listening(app);
  const browser = new Browser(origin);
  await browser.signIn();
  const asked = () => relay.asked.filter((path) => path.startsWith("/requests")).length;
  const get = async (path) => {
    const headers = { cookie: `session=${browser.cookies.session}` };
    const [answer] = await once(http.get({ port: server.address().port, path, headers }), "response");
    answer.resume();
    assert.equal(answer.statusCode, 200, path);
  };
  const asks = async (path) => {
    let before;
    await until(async () => {
      before = asked();
      await get("/payment");
      return asked() === before;
    }, "what is kept");
    await get(path);
    return asked() - before;
  };
  assert.equal(await asks("/payment"), 0);
  const spelt = ["/pay", "/pay/", "/PAY", "/pay?x", `${origin}/pay`, "/admin/x", "/ADMIN/x"];
  for (const path of spelt) assert.equal(await asks(path), 1, path);
  close();
  sessions.close();
  relay.close();
});

test("what a token has opened is kept no longer than the token lives", async () => {
  const iat = Math.floor(Date.now() / 1000);
  const token = (exp) => `Bearer a.${Buffer.from(JSON.stringify({ iat, exp })).toString("base64url")}.c`;
  const session = { id: "x", subject: "ada", claims: {}, data: {}, last_seen_at: new Date().toISOString() };
  const keep = { node: "n", for_ms: 60_000 };
  async function keptFor(headers, via) {
    let kept;
    const near = {
      find: () => undefined,
      ask: () => ({ sent: 0 }),
      answered: (_, answer) => (kept = answer),
    };
    const body = { reply: null, session, via, proof: null, keep };
    const api = { begin: async () => ({ status: 200, body, date: Date.now() }) };
    const rawHeaders = Object.entries(headers).flat();
    const request = { method: "GET", url: "/", headers, rawHeaders, socket: { remoteAddress: "127.0.0.1" } };
    await new Visit(request, api, near, { csrfHeader: "x", freshPaths: [] }).begin();
    return kept.keep.for_ms;
  }
  assert.equal(await keptFor({ host: "x", cookie: "session=x" }, "cookie"), 60_000);
  assert.equal(await keptFor({ host: "x", authorization: token(iat + 600) }, "bearer"), 60_000);
  assert.ok((await keptFor({ host: "x", authorization: token(iat + 5) }, "bearer")) <= 5_000);
});

test("a request that is logged shows nothing of its session", async () => {
  const sessions = over(service.url);
  const app = site(express5, sessions);
  const shown = [];
  app.get("/shown", sessions.requireAuth, (req, res) => {
    shown.push(inspect(req, { depth: 9 }));
    res.end(
      String(Object.getOwnPropertySymbols({ ...req }).some((each) => each.description?.includes("holdfast"))),
    );
  });
  const { origin, close } = await listening(app);
  const browser = new Browser(origin);
  await browser.signIn();
  await browser.post("/write", { note: "pri" + "vate" }, { headers: await browser.proof() });
  assert.equal((await browser.get("/shown")).text, "false");
  for (const text of shown) assert.ok(!text.includes("private"));
  close();
  sessions.close();
});

test("a client that resets while its handshake is judged ends nothing", async () => {
  let came;
  const hangs = await played(() => came());
  const sessions = over(hangs.url, { maxAge: 0, timeout: 500 });
  const server = http.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const judged = new Promise((resolve) => {
    server.on("upgrade", (request, socket) => resolve(sessions.upgrade(request, socket)));
  });
  const asked = new Promise((resolve) => (came = resolve));
  const client = connect(server.address().port, "127.0.0.1");
  client.write(
    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: a=b\r\n\r\n",
  );
  await asked;
  client.resetAndDestroy();
  assert.equal(await judged, null);
  server.close();
  sessions.close();
  hangs.close();
});

test("who is refused a handshake keeps no socket of ours open", async () => {
  const sessions = over(service.url, { maxAge: 0 });
  const server = http.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const judged = new Promise((resolve) => {
    server.on("upgrade", async (request, socket) => {
      assert.equal(await sessions.upgrade(request, socket), null);
      resolve(socket);
    });
  });
  const client = connect({ port: server.address().port, host: "127.0.0.1", allowHalfOpen: true });
  client.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  let said = "";
  client.setEncoding("utf8").on("data", (text) => (said += text));
  const socket = await judged;
  await until(() => socket.destroyed, "the end of the socket");
  await until(() => said.startsWith("HTTP/1.1 401 "), "the answer");
  client.destroy();
  server.close();
  sessions.close();
});

test("what may have been done is not asked for again", async () => {
  let calls = 0;
  const cut = await played((request, response) => {
    calls += 1;
    if (calls === 1) response.end("{}");
    else request.socket.resetAndDestroy();
  });
  const api = new Api({ url: cut.url, serviceKey: service.key });
  await api.get("GET", "/sessions/x");
  await assert.rejects(api.get("POST", "/requests/commit", {}), { status: 503 });
  assert.deepEqual(cut.asked, ["/sessions/x", "/requests/commit"]);
  api.close();
  cut.close();
});

test("a guard that was not told what it requires lets nobody in", () => {
  const sessions = over(service.url);
  const app = express5();
  app.get("/admin", sessions.requireRole, (_req, res) => res.send("in"));
  const [layer] = app.router.stack[0].route.stack;
  assert.throws(() => layer.handle({}, {}, () => assert.fail()), { code: "usage_error" });
  sessions.close();
});

test("a token that was ended ends nothing itself", async () => {
  const { sessionManager, close } = over(service.url);
  const { accessToken } = await sessionManager.generateTokens("mallory");
  const { payload } = await sessionManager.verifyToken(accessToken);
  await sessionManager.blacklistToken(payload.jti);
  assert.equal(await sessionManager.logout(accessToken), false);
  assert.equal((await service.ask("GET", `/sessions/${payload.sid}`)).subject, "mallory");
  close();
});
