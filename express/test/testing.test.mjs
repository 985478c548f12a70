// Tools for tests of applications, as such tests use them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import express5 from "express";
import express4 from "express4";

import { holdfast } from "../dist/esm/index.js";
import { startService } from "../dist/esm/testing.js";
import { command, until } from "./service.mjs";
import { site } from "./site.mjs";

let service;
before(async () => (service = await startService({ command })));
after(() => service.stop());

for (const [version, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(version, () => {
    let sessions, app;
    before(() => (app = site(express, (sessions = holdfast(service)))));
    after(() => sessions.close());

    test("who is signed in without a form has claims and data, and may write", async () => {
      const ada = service.client(app);
      const id = await ada.signIn("ada", { role: "admin" }, { data: { visits: 6 } });
      assert.deepEqual(await (await ada.get("/admin")).json(), { user: "ada" });
      assert.deepEqual(await (await ada.get("/visits")).json(), { visits: 7 });
      assert.equal((await ada.post("/write", { cart: ["tea"] })).status, 200);
      const refused = await ada.post("/write", { cart: [] }, { csrf: false });
      assert.deepEqual([refused.status, (await refused.json()).code], [403, "csrf_failed"]);
      const form = await ada.post("/write", new URLSearchParams({ note: "by a form" }));
      assert.equal(form.status, 200);
      assert.equal(id.length > 20, true);
    });

    test("cookies are kept and given up as the application says, and a copy of them is worthless then", async () => {
      const [ada, thief] = [service.client(app), service.client(app)];
      assert.equal((await ada.post("/login", { user: "ada" })).status, 200);
      for (const pair of ada.cookies) thief.cookies.set(...pair);
      assert.deepEqual(await (await thief.get("/me")).json(), { user: "ada" });
      assert.equal((await ada.post("/logout")).status, 200);
      assert.equal(ada.cookies.has("session"), false);
      assert.equal((await thief.get("/me")).status, 401);
      // And again, with the token of what there is then.
      assert.equal((await ada.post("/login", { user: "bob" })).status, 200);
      assert.deepEqual(await (await ada.get("/me")).json(), { user: "bob" });
    });

    test("beside a bearer token there is no other proof", async () => {
      const { accessToken } = await sessions.sessionManager.generateTokens("ada");
      const headers = { Authorization: `Bearer ${accessToken}` };
      const answer = await service.client(app).post("/tokens", undefined, { headers });
      assert.equal(answer.status, 200);
    });

    test("headers for another client, and an application that listens already", async () => {
      const headers = await service.headersOf("ada", { role: "admin" });
      const server = createServer(app).listen(0, "127.0.0.1");
      await once(server, "listening");
      const origin = `http://127.0.0.1:${server.address().port}`;
      for (const target of [server, origin]) {
        const nobody = service.client(target);
        assert.equal((await nobody.get("/admin")).status, 401);
        assert.equal((await nobody.post("/write", { a: 1 }, { headers })).status, 200);
      }
      server.closeAllConnections();
      server.close();
    });
  });
}

test("an outage reaches the application", async () => {
  const away = await startService({ command });
  const sessions = holdfast(away);
  const server = createServer(site(express5, sessions)).listen(0, "127.0.0.1");
  const ada = away.client(server);
  await ada.signIn("ada");
  await away.stop();
  const answer = await ada.post("/write", { a: 1 });
  assert.deepEqual([answer.status, (await answer.json()).code], [503, "store_unavailable"]);
  assert.equal(ada.cookies.has("session"), true);
  sessions.close();
  server.closeAllConnections();
  server.close();
});

test("settings of the service, and none from around it", async () => {
  process.env.HOLDFAST_SERVICE_KEY = "of the application";
  process.env.HOLDFAST_COOKIE_NAME = "of another service";
  const strict = await startService({ command, settings: { HOLDFAST_COOKIE_NAME: "sid" } });
  const ada = strict.client("http://127.0.0.1");
  await ada.signIn("ada");
  assert.deepEqual([...ada.cookies.keys()], ["sid"]);
  await strict.stop();
  delete process.env.HOLDFAST_SERVICE_KEY;
  delete process.env.HOLDFAST_COOKIE_NAME;
});

test("what cannot start says so", async () => {
  await assert.rejects(startService({ command: ["no-such-program"] }), {
    code: "configuration_error",
    message: /no-such-program does not run; activate/,
  });
  await assert.rejects(startService({ command, settings: { HOLDFAST_STORE: "nowhere://" } }), {
    message: /did not start/,
  });
});

test("nothing of it outlives a process that forgets to stop it, or fails", async () => {
  for (const ending of ["", "throw new Error('a test failed')"]) {
    const program = `
      import { startService } from ${JSON.stringify(new URL("../dist/esm/testing.js", import.meta.url).href)};
      const service = await startService({ command: ${JSON.stringify(command)} });
      console.log(service.url);
      ${ending}`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      encoding: "utf8",
      timeout: 30_000,
    });
    assert.match(stdout, /^http/);
    const gone = () =>
      fetch(stdout.trim() + "/readyz").then(
        () => false,
        () => true,
      );
    await until(gone, "the end of the service");
  }
});
