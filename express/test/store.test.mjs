import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import express5 from "express";
import session from "express-session";
import express4 from "express4";

import { HoldfastStore } from "../dist/esm/store.js";
import { Browser, Service, listening, played, relayed, until } from "./service.mjs";

let service;
before(async () => (service = await Service.start()));
after(() => service.stop());

const store = (more = {}) => new HoldfastStore({ url: service.url, serviceKey: service.key, ...more });
const verbs = (over) =>
  Object.fromEntries(
    ["get", "set", "destroy", "touch", "all", "length", "clear"].map((name) => [
      name,
      promisify(over[name].bind(over)),
    ]),
  );
const data = (more = {}) => ({ cookie: { path: "/", originalMaxAge: null }, ...more });

for (const maxAge of [0, 1000]) {
  test(`what is set is got, changed and destroyed, maxAge ${maxAge}`, async () => {
    const over = store({ maxAge, prefix: `verbs ${maxAge}` });
    const { get, set, destroy, touch } = verbs(over);
    assert.equal(await get("a"), null);
    await set("a", data({ n: 1, old: true, constructor: 1 }));
    assert.equal((await get("a")).n, 1);
    await set("a", data({ n: 2 }));
    assert.deepEqual(await get("a"), data({ n: 2 }));
    await touch("a", data({ n: 3 }));
    assert.equal((await get("a")).n, 2);
    await destroy("a");
    assert.equal(await get("a"), null);
    await set("a", data({ n: 4 }));
    assert.equal(await get("a"), null, "a late set does not revive");
    await touch("a", data());
    await destroy("a");
    over.close();
  });
}

test("what is set one after another without waiting is one session, and the last one stays", async () => {
  const over = store({ prefix: "turns" });
  const { set, get, destroy } = verbs(over);
  await Promise.all([1, 2, 3].map((n) => set("a", data({ n }))));
  assert.equal((await get("a")).n, 3);
  const { sessions } = await service.ask("GET", "/sessions?prefix=express-session:turns:");
  assert.equal(sessions.length, 1);
  await Promise.all([4, 5, 6].map((n) => set("a", data({ n }))));
  const fresh = store({ prefix: "turns", maxAge: 0 });
  assert.equal((await verbs(fresh).get("a")).n, 6);
  await Promise.all([set("a", data({ n: 7 })), destroy("a"), set("a", data({ n: 8 }))]);
  assert.equal(await verbs(fresh).get("a"), null);
  over.close();
  fresh.close();
});

test("from the moment that it is destroyed a session is none here", async () => {
  const relay = await relayed(service);
  const over = store({ url: relay.url, prefix: "at once" });
  const { set, get, destroy } = verbs(over);
  await set("a", data());
  await until(async () => {
    await get("a");
    const before = relay.asked.length;
    await get("a");
    return relay.asked.length === before;
  }, "it is kept");
  const done = destroy("a");
  assert.equal(await get("a"), null);
  await done;
  await Promise.all([destroy("b"), set("b", data())]);
  const { sessions } = await service.ask("GET", "/sessions?prefix=express-session:at once:");
  assert.deepEqual(sessions, []);
  over.close();
  relay.close();
});

test("a write that failed does not take the next one along", async () => {
  let posts = 0;
  const service = await played((request, response) => {
    const failed = request.method === "POST" && ++posts === 1;
    response.writeHead(failed ? 409 : 200, { "content-type": "application/json" });
    const body = request.method === "POST" ? { session: { id: "x" } } : { sessions: [], after: null };
    response.end(JSON.stringify(failed ? { code: "conflict" } : body));
  });
  const over = store({ url: service.url, maxAge: 0 });
  const { set } = verbs(over);
  const [first, second] = await Promise.allSettled([1, 2].map((n) => set("a", data({ n }))));
  assert.deepEqual([first.status, second.status], ["rejected", "fulfilled"]);
  over.close();
  service.close();
});

test("what is changed while an earlier write is under way was not saved", async () => {
  const over = store({ prefix: "moment" });
  const { set } = verbs(over);
  const live = data({ n: 2 });
  const writes = [set("a", data({ n: 1 })), set("a", live)];
  live.n = 3;
  await Promise.all(writes);
  const fresh = store({ prefix: "moment", maxAge: 0 });
  assert.equal((await verbs(fresh).get("a")).n, 2);
  over.close();
  fresh.close();
});

test("all, length and clear see the sessions of this store alone", async () => {
  const [mine, theirs] = [store({ prefix: "mine" }), store({ prefix: "theirs" })];
  const { all, length, clear, set, get } = verbs(mine);
  for (const sid of ["a", "b", "c"]) await set(sid, data({ sid }));
  await verbs(theirs).set("a", data({ sid: "x" }));
  assert.equal(await length(), 3);
  assert.deepEqual((await all()).map(({ sid }) => sid).sort(), ["a", "b", "c"]);
  await clear();
  assert.deepEqual([await length(), await get("a")], [0, null]);
  assert.equal((await verbs(theirs).get("a")).sid, "x");
  mine.close();
  theirs.close();
});

test("a session whose cookie has expired is none", async () => {
  const over = store();
  const { get, set } = verbs(over);
  await set("old", { cookie: { expires: new Date(Date.now() - 1000).toISOString(), originalMaxAge: 1 } });
  assert.equal(await get("old"), null);
  over.close();
});

test("what is stored is no cookie", async () => {
  const over = store({ prefix: "secret" });
  const { set } = verbs(over);
  await set("the-id-in-the-cookie", data());
  const { sessions } = await service.ask("GET", "/sessions?prefix=express-session:secret:");
  assert.equal(sessions.length, 1);
  assert.ok(!JSON.stringify(sessions).includes("the-id-in-the-cookie"));
  over.close();
});

test("a refusal is an error too: only a missing session is an empty one", async () => {
  const busy = createServer((request, response) => {
    const list = request.url.includes("subject=");
    response.writeHead(list ? 200 : 429, { "content-type": "application/json" });
    response.end(JSON.stringify(list ? { sessions: [{ id: "x" }], after: null } : { code: "rate_limited" }));
  });
  await new Promise((resolve) => busy.listen(0, "127.0.0.1", resolve));
  const over = store({ url: `http://127.0.0.1:${busy.address().port}`, maxAge: 0 });
  await assert.rejects(verbs(over).get("a"), { status: 503 });
  over.close();
  busy.close();
});

test("an outage is an error, never an empty session", async () => {
  const over = new HoldfastStore({ url: "http://127.0.0.1:9", serviceKey: "hfk1_x", maxAge: 0 });
  await assert.rejects(verbs(over).get("a"), { code: "store_unavailable", status: 503 });
  over.close();
});

for (const [name, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(`${name} with express-session`, () => {
    let over, other, app;
    before(async () => {
      [over, other] = [store({ prefix: name }), store({ prefix: name })];
      const site = express();
      site.use(session({ secret: "of a test", store: over, resave: false, saveUninitialized: false }));
      site.get("/visits", (req, res) => {
        req.session.visits = (req.session.visits ?? 0) + 1;
        res.json({ visits: req.session.visits, id: req.sessionID });
      });
      site.get("/peek", (req, res) => res.json({ visits: req.session.visits ?? 0 }));
      site.get("/regenerate", (req, res, next) => {
        req.session.regenerate((error) => (error ? next(error) : res.json({ id: req.sessionID })));
      });
      site.get("/out", (req, res, next) =>
        req.session.destroy((error) => (error ? next(error) : res.json({}))),
      );
      site.get("/overtaken", (req, res, next) => {
        req.session.visits = 99;
        other.destroy(req.sessionID, (error) => (error ? next(error) : res.json({ id: req.sessionID })));
      });
      app = await listening(site);
    });
    after(() => {
      app.close();
      over.close();
      other.close();
    });

    test("counts, regenerates and destroys", async () => {
      const browser = new Browser(app.origin);
      const first = (await browser.get("/visits")).json;
      assert.equal((await browser.get("/visits")).json.visits, 2);
      assert.equal((await browser.get("/peek")).json.visits, 2);
      const again = (await browser.get("/regenerate")).json;
      assert.notEqual(again.id, first.id);
      await browser.get("/visits");
      await browser.get("/out");
      assert.equal((await browser.get("/peek")).json.visits, 0);
    });

    test("a request that is overtaken by a log-out elsewhere does not revive", async () => {
      const browser = new Browser(app.origin);
      await browser.get("/visits");
      const { id } = (await browser.get("/overtaken")).json;
      const third = store({ prefix: name, maxAge: 0 });
      assert.equal(await verbs(third).get(id), null);
      third.close();
    });
  });
}

/** Another process with a store over the same service. */
async function saver(prefix) {
  const env = { PATH: process.env.PATH, SERVICE_URL: service.url, SERVICE_KEY: service.key, PREFIX: prefix };
  const program = fileURLToPath(new URL("saver.mjs", import.meta.url));
  const child = spawn(process.execPath, [program], { env, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async () => (await lines.next()).value;
  assert.equal(await said(), "ready");
  const save = async (sid, n) => {
    child.stdin.write(JSON.stringify({ sid, n }) + "\n");
    assert.equal(await said(), "saved");
  };
  return { save, stop: () => child.kill("SIGKILL") };
}

test("two processes that save one new session at the same time make one of it", async () => {
  const prefix = "two processes";
  const savers = await Promise.all([saver(prefix), saver(prefix)]);
  try {
    const ids = Array.from({ length: 40 }, (_, at) => `session ${at}`);
    for (const sid of ids) await Promise.all(savers.map(({ save }, at) => save(sid, at)));
    const { sessions } = await service.ask(
      "GET",
      `/sessions?prefix=express-session:${encodeURIComponent(prefix)}:`,
    );
    assert.equal(sessions.length, ids.length);
    const fresh = store({ prefix, maxAge: 0 });
    const { get } = verbs(fresh);
    for (const sid of ids) {
      for (const n of ["one", "other"]) {
        await savers[n === "one" ? 0 : 1].save(sid, n);
        assert.equal((await get(sid)).n, n, "neither writes to a session that is no more");
      }
    }
    fresh.close();
  } finally {
    for (const each of savers) each.stop();
  }
});
