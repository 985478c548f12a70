import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";

import express5 from "express";
import express4 from "express4";

import { holdfast } from "../dist/esm/index.js";
import { Browser, Service, listening, until } from "./service.mjs";
import { site } from "./site.mjs";

let service;
before(async () => (service = await Service.start({ RATE: "20/15m" })));
after(() => service.stop());

for (const [name, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(name, () => {
    let sessions, app;
    const visitor = () => new Browser(app.origin);

    before(async () => {
      sessions = holdfast({ url: service.url, serviceKey: service.key });
      const over = site(express, sessions);
      over.post("/spec", (req, res) => {
        req.session.user = { id: "bob", role: "user" };
        req.session.greeted = true;
        req.session.regenerate((error) => res.status(error ? 500 : 200).json({ success: !error }));
      });
      over.post("/spec/logout", sessions.requireAuth, (req, res) => {
        req.session.destroy((error) => res.status(error ? 500 : 200).json({ success: !error }));
      });
      over.post("/broken", (req, res) => {
        req.session.half = true;
        res.status(500).json({});
      });
      over.post("/unfit", (req, res) => {
        req.session.big = 10n;
        res.json({});
      });
      over.post("/huge", (req, res) => {
        req.session.big = "x".repeat(100_000);
        res.json({});
      });
      over.get("/large", (req, res) => {
        req.session.seen = 1;
        res.writeHead(201, { "X-Own": "1" });
        for (let at = 0; at < 50; at++) res.write("x".repeat(10_000));
        res.end("end");
      });
      over.get("/slow/:id", async (req, res) => {
        const was = req.session.subject;
        await service.ask("DELETE", `/sessions/${req.session.id}`);
        req.session.late = 1;
        res.json({ was });
      });
      over.get("/jwt", sessions.authMiddleware, (req, res) => res.json({ user: req.user.userId }));
      over.get("/closed", (req, res) => {
        res.json({ data: req.session });
      });
      over.use(sessions.errors);
      app = await listening(over);
      await until(() => sessions.status.live, "the stream");
    });
    after(() => {
      app.close();
      sessions.close();
    });

    test("nobody is refused with a challenge, and nothing is set", async () => {
      const answer = await visitor().get("/me");
      assert.equal(answer.status, 401);
      assert.deepEqual(answer.json, { error: "Unauthorized", code: "unauthenticated" });
      assert.equal(answer.headers.get("www-authenticate"), 'Bearer realm="holdfast"');
      assert.equal(answer.headers.get("cache-control"), "no-store");
      assert.deepEqual(answer.headers.getSetCookie(), []);
    });

    test("a handler as the specification has it signs in and out", async () => {
      const browser = visitor();
      assert.equal((await browser.post("/spec", {})).status, 200);
      assert.equal((await browser.get("/me")).json.user, "bob");
      assert.deepEqual((await browser.get("/closed")).json.data, { greeted: true });
      const { session } = browser.cookies;
      const out = await browser.post("/spec/logout", {}, { headers: await browser.proof() });
      assert.equal(out.status, 200);
      assert.match(out.headers.get("clear-site-data"), /"storage"/);
      assert.equal(browser.cookies.session, undefined);
      browser.cookies.session = session;
      assert.equal((await browser.get("/me")).status, 401);
    });

    test("a sign-in has a new cookie, and the old one is nobody's", async () => {
      const browser = visitor();
      await browser.signIn();
      const old = browser.cookies.session;
      await browser.get("/me");
      await browser.signIn();
      assert.notEqual(browser.cookies.session, old);
      const other = visitor();
      other.cookies.session = old;
      assert.equal((await other.get("/me")).status, 401);
    });

    test("an unsafe request needs its token, in a header or a form", async () => {
      const browser = visitor();
      await browser.signIn();
      const proof = await browser.proof();
      const write = (headers) => browser.post("/write", { it: 1 }, { headers });
      assert.equal((await write(proof)).status, 200);
      for (const headers of [{}, { "x-csrf-token": "x" }, { ...proof, origin: "https://evil.example" }]) {
        const answer = await write(headers);
        assert.deepEqual([answer.status, answer.json.code], [403, "csrf_failed"]);
      }
      const form = { "content-type": "application/x-www-form-urlencoded" };
      const body = `csrf_token=${proof["x-csrf-token"]}&it=2`;
      assert.equal((await browser.request("POST", "/write", { headers: form, body })).status, 200);
    });

    test("a session has a budget of unsafe requests", async () => {
      const browser = visitor();
      await browser.signIn();
      const headers = await browser.proof();
      const statuses = [];
      for (let at = 0; at < 21; at++) statuses.push((await browser.post("/write", {}, { headers })).status);
      assert.deepEqual(statuses, [...Array(20).fill(200), 429]);
      assert.equal((await browser.get("/me")).status, 200);
    });

    test("a hot request asks nobody, until the session changes", async () => {
      const browser = visitor();
      await browser.signIn();
      await until(async () => {
        await browser.get("/me");
        return sessions.status.kept > 0;
      }, "what is kept");
      const { session } = await service.ask("POST", "/sessions", { subject: "eve" });
      const ids = (await service.ask("GET", "/sessions?subject=ada")).sessions.map(({ id }) => id);
      await Promise.all(ids.map((id) => service.ask("DELETE", `/sessions/${id}`)));
      await until(async () => (await browser.get("/me")).status === 401, "the log-out to be felt");
      await service.ask("DELETE", `/sessions/${session.id}`);
    });

    test("data are merged by key, and a conflict replaces the answer", async () => {
      const browser = visitor();
      await browser.signIn("carol");
      await browser.get("/visits");
      assert.equal((await browser.get("/visits")).json.visits, 2);
      const clash = await browser.get(`/slow/x`);
      assert.deepEqual([clash.status, clash.json.code], [401, "session_ended"]);
    });

    test("a mistake of the application is 500 with its code, and nothing is kept", async (context) => {
      const said = context.mock.method(console, "error", () => undefined);
      const browser = visitor();
      await browser.signIn();
      const headers = await browser.proof();
      const codes = [];
      for (const path of ["/unfit", "/huge", "/broken"]) {
        const { status, json } = await browser.post(path, {}, { headers });
        codes.push([status, json.code]);
      }
      assert.deepEqual(codes, [
        [500, "usage_error"],
        [500, "data_too_large"],
        [500, undefined],
      ]);
      assert.equal(said.mock.calls[0].arguments[0].code, "usage_error");
      assert.deepEqual((await browser.get("/closed")).json.data, {});
    });

    test("a large answer waits for the session and arrives whole", async () => {
      const browser = visitor();
      const answer = await browser.get("/large");
      assert.deepEqual([answer.status, answer.text.length], [201, 500_003]);
      assert.equal(answer.headers.get("x-own"), "1");
      assert.ok(browser.cookies.session);
    });

    test("a late write is an error", async () => {
      const browser = visitor();
      await browser.signIn();
      const { text } = await browser.get("/stream");
      assert.equal(text, "ada\nthe answer has begun; change the session before the first byte is sent");
    });

    test("a token does without cookie and proof, at both guards", async () => {
      const browser = visitor();
      await browser.signIn();
      const headers = await browser.proof();
      const { access_token: token } = (await browser.post("/tokens", {}, { headers })).json;
      const bearer = { authorization: `Bearer ${token}` };
      const other = visitor();
      for (let at = 0; at < 2; at++) {
        assert.equal((await other.get("/me", { headers: bearer })).json.user, "ada");
        assert.equal((await other.get("/jwt", { headers: bearer })).json.user, "ada");
      }
      assert.equal((await other.post("/write", { it: 1 }, { headers: bearer })).status, 200);
      const junk = await other.get("/me", { headers: { authorization: `Bearer ${token}x` } });
      assert.match(junk.headers.get("www-authenticate"), /error="invalid_token"/);
      assert.equal((await other.get("/jwt")).json.error, "No token provided");
      await other.post("/logout", {}, { headers: bearer });
      for (const path of ["/me", "/jwt"])
        assert.equal((await other.get(path, { headers: bearer })).status, 401);
    });

    test("a role is asked for, and no kept answer refuses", async () => {
      const browser = visitor();
      await browser.post("/spec", {});
      const answer = await browser.get("/admin");
      assert.deepEqual([answer.status, answer.json.code], [403, "forbidden"]);
      const admin = visitor();
      await admin.signIn();
      assert.equal((await admin.get("/admin")).status, 200);
    });
  });
}

test("data cannot pose as the session, nor reach a prototype", async () => {
  const made = await service.ask("POST", "/sessions", {
    subject: "mallory",
    data: { subject: "ada", id: "x", signIn: 1, constructor: 2, fine: 3 },
  });
  const sessions = holdfast({ url: service.url, serviceKey: service.key, maxAge: 0 });
  const over = express5();
  over.use(sessions);
  over.get("/", (req, res) => {
    let refused = "";
    try {
      req.session.subject = "ada";
    } catch (error) {
      refused = error.code;
    }
    const { subject } = req.session;
    res.json({ subject, refused, fine: req.session.fine, hidden: req.session.get("subject") });
  });
  const app = await listening(over);
  const browser = new Browser(app.origin);
  browser.cookies.session = made.cookie;
  assert.deepEqual((await browser.get("/")).json, {
    subject: "mallory",
    refused: "usage_error",
    fine: 3,
    hidden: "ada",
  });
  app.close();
  sessions.close();
});

test("an outage is 503 and leaves the cookie alone; then it goes on", async () => {
  const own = await Service.start();
  const sessions = holdfast({ url: own.url, serviceKey: own.key, timeout: 2_000 });
  const app = await listening(site(express5, sessions));
  const browser = new Browser(app.origin);
  await browser.signIn();
  await until(() => sessions.status.live, "the stream");
  await browser.get("/me");
  await own.pause();
  await until(async () => (await browser.get("/me")).status === 503, "the outage to be felt");
  const away = await browser.get("/me");
  assert.equal(away.json.code, "store_unavailable");
  assert.ok(Number(away.headers.get("retry-after")) > 0);
  assert.deepEqual(away.headers.getSetCookie(), []);
  const post = await browser.post("/write", { it: 1 });
  assert.equal(post.status, 503);
  assert.equal((await browser.get("/open", { jar: false })).status, 200);
  await own.resume();
  assert.equal((await browser.get("/me")).status, 200);
  app.close();
  sessions.close();
  await own.stop();
});

test("a key that the service does not know is no sign-out, and is said to who runs it", async (context) => {
  const said = context.mock.method(console, "error", () => undefined);
  const sessions = holdfast({ url: service.url, serviceKey: "hfk1_" + "x".repeat(43), maxAge: 0 });
  const app = await listening(site(express5, sessions));
  const browser = new Browser(app.origin);
  browser.cookies.session = "x";
  const answer = await browser.get("/me");
  assert.deepEqual([answer.status, answer.json.code], [503, "service_key"]);
  assert.match(String(said.mock.calls[0].arguments[0]), /does not know this service key/);
  app.close();
  sessions.close();
});

test("options are checked", () => {
  const serviceKey = "hfk1_x";
  for (const options of [
    { url: "nonsense", serviceKey },
    { url: "http://sessions.example.org", serviceKey },
    { url: service.url, serviceKey: "" },
    { url: service.url, serviceKey: undefined },
    { url: service.url, serviceKey, maxAge: -1 },
    { url: service.url, serviceKey, jwks: "http://sessions.example.org/.well-known/jwks.json" },
    { url: service.url, serviceKey, jwks: "nonsense" },
    { url: service.url, serviceKey, secret: { kid: "x", key: new Uint8Array(8) } },
  ]) {
    assert.throws(() => holdfast(options), { code: "configuration_error" });
  }
});

test("a timeout that no timer can wait is refused, and not an outage at every request", () => {
  for (const timeout of [0, -5, NaN, Infinity, 2 ** 31]) {
    assert.throws(() => holdfast({ url: service.url, serviceKey: service.key, timeout }), {
      code: "configuration_error",
      message: /^timeout:/,
    });
  }
});
