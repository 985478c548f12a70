// Tools for tests under what many applications test with: Vitest and supertest.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}test/vitest`;

test("Vitest with one service for all its files, and supertest", { timeout: 120_000 }, async () => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")));
  const told = await promisify(execFile)(
    process.execPath,
    [`${root}node_modules/vitest/vitest.mjs`, "run", "--root", folder, "--reporter=json"],
    { env },
  ).catch(({ stdout, stderr }) => assert.fail(stdout + stderr));
  const { success, numPassedTests } = JSON.parse(told.stdout);
  assert.deepEqual([success, numPassedTests], [true, 7]);
});
