// The example of the documentation, as it stands, in a process of its own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Browser, Service, freePort, until } from "./service.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const example = process.env.HOLDFAST_EXAMPLE ?? join(root, "../examples/express/app.mjs");

test("the example signs in and out, with cookie and with tokens", async () => {
  // Beside what it imports: this package under its own name, and Express.
  const folder = join(root, "dist/example");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "node_modules/@holdfast"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/@holdfast/express"));
  symlinkSync(join(root, "node_modules/express"), join(folder, "node_modules/express"));
  assert.ok(existsSync(example));
  cpSync(example, join(folder, "app.mjs"));
  const service = await Service.start();
  const port = await freePort();
  const env = {
    PATH: process.env.PATH,
    SERVICE_URL: service.url,
    SERVICE_KEY: service.key,
    PORT: String(port),
  };
  const app = spawn(process.execPath, [join(folder, "app.mjs")], { env, stdio: "ignore" });
  try {
    const browser = new Browser(`http://127.0.0.1:${port}`);
    await until(
      () =>
        browser.get("/api/me").then(
          (answer) => answer.status === 401,
          () => false,
        ),
      "the example",
    );
    const proof = async () => ({ "x-csrf-token": (await browser.get("/csrf-token")).json.csrfToken });
    const ada = { email: "ada@example.org", password: "correct horse battery staple" };
    const login = async (json) => (await browser.post("/api/login", json, { headers: await proof() })).status;
    assert.deepEqual([await login({ ...ada, password: "x" }), await login(ada)], [401, 200]);
    assert.equal((await browser.get("/api/me")).json.role, "author");
    assert.equal((await browser.post("/api/logout", {})).status, 403);
    assert.equal((await browser.post("/api/logout", {}, { headers: await proof() })).status, 200);
    assert.equal((await browser.get("/api/me")).status, 401);
    const { accessToken, refreshToken } = (await browser.post("/login", ada)).json;
    const headers = { authorization: `Bearer ${accessToken}` };
    assert.equal((await browser.get("/api/profile", { headers })).json.user, "ada");
    assert.equal((await browser.post("/refresh", { refreshToken })).status, 200);
    assert.equal((await browser.post("/refresh", {})).status, 400);
  } finally {
    app.kill("SIGKILL");
    await service.stop();
  }
});
