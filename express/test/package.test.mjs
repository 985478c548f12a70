// The package as others see it: two kinds of modules, with types, and next to no dependencies.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import express from "express";

import { listening, played } from "./service.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const require = createRequire(import.meta.url);

test("applications of both kinds of modules fit its types", () => compiled("application.mts"));

test("an import gives every request of Express its session", () =>
  compiled("requests.mts", "--types", "node", "--skipLibCheck"));

test("tests fit the types of their tools", () => compiled("tests.mts", "--types", "node", "--skipLibCheck"));

function compiled(source, ...more) {
  const tsc = `${root}node_modules/typescript/bin/tsc`;
  // One text, and its ending says of which kind it is; beside the tests, where the packages are found.
  const folder = mkdtempSync(`${root}test/types-`);
  const files = ["application.mts", "application.cts"].map((each) => `${folder}/${each}`);
  for (const file of files) copyFileSync(`${root}test/types/${source}`, file);
  const options =
    "--noEmit --strict --exactOptionalPropertyTypes --esModuleInterop --module node16 --target es2022";
  try {
    execFileSync(process.execPath, [tsc, ...options.split(" "), ...more, ...files], { stdio: "inherit" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("both kinds have the same names, and work", async () => {
  for (const path of ["", "/store", "/testing", "/types"].map((each) => `@holdfast/express${each}`)) {
    assert.deepEqual(
      Object.keys(require(path)).sort(),
      Object.keys(await import(path))
        .filter((each) => each !== "default" && each !== "module.exports")
        .sort(),
    );
  }
  const service = await played((_request, response) => {
    response.end(JSON.stringify({ reply: null, session: null, via: null, proof: null }));
  });
  for (const { holdfast } of [require("@holdfast/express"), await import("@holdfast/express")]) {
    const sessions = holdfast({ url: service.url, serviceKey: "x", maxAge: 0 });
    const app = express();
    app.use(sessions);
    app.get("/", (req, res) => res.json({ subject: req.session.subject }));
    const { origin, close } = await listening(app);
    const answer = await fetch(origin, { headers: { cookie: "session=x" } });
    assert.deepEqual(await answer.json(), { subject: null });
    close();
    sessions.close();
  }
  service.close();
});

test("it needs Node 20 and one library, which needs none", () => {
  const { dependencies, engines } = JSON.parse(readFileSync(`${root}package.json`));
  assert.deepEqual([Object.keys(dependencies), engines.node], [["jose"], ">=20"]);
  const jose = JSON.parse(readFileSync(`${root}node_modules/jose/package.json`));
  assert.deepEqual(jose.dependencies ?? {}, {});
});
