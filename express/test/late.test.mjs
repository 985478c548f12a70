// What comes too late, or not at all: a stream that falls silent, a guard's answer after another one.
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { PassThrough } from "node:stream";
import { after, before, describe, mock, test } from "node:test";

import express5 from "express";
import express4 from "express4";

import { Changes } from "../dist/esm/changes.js";
import { holdfast } from "../dist/esm/index.js";
import { Browser, Service, listening, until } from "./service.mjs";

let service;
before(async () => (service = await Service.start()));
after(() => service.stop());

const turns = async () => {
  for (let at = 0; at < 5; at++) await new Promise((resolve) => setImmediate(resolve));
};

test("a stream that falls silent is given up after ten seconds, and opened again", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const streams = [];
  const forgotten = [];
  const changes = new Changes(
    {
      stream: async () => {
        streams.push(Object.assign(new PassThrough(), { statusCode: 200 }));
        return streams.at(-1);
      },
    },
    1000,
  );
  changes.listen({ changed: () => undefined, forget: () => forgotten.push(streams.length) });
  const say = (name, data) => streams.at(-1).write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  try {
    changes.start();
    await turns();
    say("open", { clock: "here", now: 5000, bound_ms: 1000 });
    say("proof", { at: 5000, nodes: ["a"] });
    await turns();
    assert.ok(changes.live);
    mock.timers.tick(9_999);
    streams[0].write(": only a comment\n\n");
    await turns();
    mock.timers.tick(9_999);
    await turns();
    assert.deepEqual([streams.length, streams[0].destroyed, forgotten], [1, false, []]);
    mock.timers.tick(1);
    await turns();
    assert.ok(streams[0].destroyed);
    assert.deepEqual([changes.live, changes.nodes.size, forgotten], [false, 0, [1]]);
    mock.timers.tick(50);
    await turns();
    assert.equal(streams.length, 2);
    // Also one that never says a word.
    mock.timers.tick(10_000);
    await turns();
    assert.ok(streams[1].destroyed);
    mock.timers.tick(100);
    await turns();
    assert.equal(streams.length, 3);
    changes.close();
    mock.timers.tick(60_000);
    await turns();
    assert.deepEqual([streams.length, streams[2].destroyed], [3, true]);
  } finally {
    mock.timers.reset();
  }
});

/** Between an application and the service; questions to `held` paths wait, and answers can be changed. */
async function between() {
  const waiting = [];
  const state = { held: new Set(), waiting, changed: (body) => body };
  const server = http.createServer(async (request, response) => {
    const path = request.url.replace("/backend/v1", "");
    const parts = await request.toArray();
    if (state.held.has(path)) await new Promise((go) => waiting.push({ path, go }));
    const { method, headers } = request;
    const on = http.request(service.url + request.url, { method, headers }, async (answer) => {
      const sent = { ...answer.headers };
      if (path === "/changes") return answer.pipe(response.writeHead(answer.statusCode, sent));
      const body = state.changed(Buffer.concat(await answer.toArray()).toString(), path);
      delete sent["content-length"];
      return response.writeHead(answer.statusCode, sent).end(body);
    });
    on.on("error", () => response.destroy());
    response.on("close", () => on.destroy());
    on.end(Buffer.concat(parts));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const release = (path) => {
    state.held.delete(path);
    for (const each of waiting.splice(0)) each.path === path ? each.go() : waiting.push(each);
  };
  const close = () => (server.closeAllConnections(), server.close());
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}`, release, close });
}

for (const [name, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(name, () => {
    /** Somebody whose kept session does not do, and a guard that asks again while the answer is given. */
    async function late(giveUp, meanwhile, changed = (body) => body) {
      const relay = await between();
      const sessions = holdfast({ url: relay.url, serviceKey: service.key });
      const app = express();
      let give, request;
      let reached = false;
      app.use(sessions);
      app.use((req, res, next) => {
        request = req;
        give = () => giveUp(req, res);
        next();
      });
      app.post("/in", (req, res) => {
        req.session.signIn("ada", { role: "reader" });
        res.send("in");
      });
      app.get("/me", sessions.requireAuth, (_req, res) => res.send("me"));
      app.get("/edit", sessions.requireRole("editor"), (_req, res) => {
        reached = true;
        res.send("edited");
      });
      app.use(sessions.errors);
      const { origin, close } = await listening(app);
      const browser = new Browser(origin);
      await browser.post("/in", {});
      await until(async () => {
        await browser.get("/me");
        return sessions.status.kept > 0;
      }, "what is kept");
      relay.held = new Set(["/requests/begin", "/requests/commit"]);
      relay.changed = changed;
      const asking = browser.get("/edit");
      await until(() => relay.waiting.length > 0, "the question of the guard");
      give();
      await meanwhile(relay);
      const { status, text } = await asking;
      await turns();
      assert.equal(reached, false, "the handler came after the answer");
      assert.throws(() => (request.session.more = 1), { code: "session_closed" });
      close();
      sessions.close();
      relay.close();
      return [status, text];
    }

    test("a refusal that comes too late changes nothing of an answer that waits", async () => {
      const giveUp = (req, res) => {
        req.session.gaveUp = true;
        res.status(504).set("X-Own", "1").send("late");
      };
      const answer = await late(giveUp, async (relay) => {
        await until(() => relay.waiting.length > 1, "the commit");
        relay.release("/requests/begin");
        await new Promise((resolve) =>
          http.get(`${service.url}/readyz`, (got) => got.resume().on("end", resolve)),
        );
        await turns();
        relay.release("/requests/commit");
      });
      assert.deepEqual(answer, [504, "late"]);
    });

    test("a session that was taken before a guard asked again is the one that is saved", async () => {
      const relay = await between();
      const sessions = holdfast({ url: relay.url, serviceKey: service.key });
      const app = express();
      app.use(sessions);
      app.post("/in", (req, res) => {
        req.session.signIn("ada", { role: "reader" });
        res.send("in");
      });
      app.get("/me", sessions.requireAuth, (req, res) => res.json(req.session));
      app.use((req, _res, next) => {
        req.taken = req.session;
        next();
      });
      app.get("/edit", sessions.requireRole("editor"), (req, res) => {
        req.taken.edited = true;
        res.json({ same: req.taken === req.session, role: req.taken.claims.role });
      });
      const { origin, close } = await listening(app);
      const browser = new Browser(origin);
      await browser.post("/in", {});
      await until(async () => {
        await browser.get("/me");
        return sessions.status.kept > 0;
      }, "what is kept");
      relay.changed = (body) => body.replace('"reader"', '"editor"');
      assert.deepEqual((await browser.get("/edit")).json, { same: true, role: "editor" });
      assert.deepEqual((await browser.get("/me")).json, { edited: true });
      close();
      sessions.close();
      relay.close();
    });

    test("an admission that comes too late reaches no handler", async () => {
      const giveUp = (_req, res) => res.status(504).send("late");
      const promoted = (body) => body.replace('"reader"', '"editor"');
      const answer = await late(giveUp, async (relay) => relay.release("/requests/begin"), promoted);
      assert.deepEqual(answer, [504, "late"]);
    });
  });
}
