/** For tests of applications: a service that keeps nothing, and people who are signed in. */
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

import { Api } from "./api.js";
import { Client } from "./client.js";
import type { Target } from "./client.js";
import { ConfigurationError } from "./errors.js";

export type { Client, Sent, SignedIn, Target } from "./client.js";

export interface ServiceOptions {
  /** The program, and what it is given first; `["holdfast"]` without a word. */
  command?: readonly [string, ...string[]];
  /** Settings of the service beside those for tests: `{ HOLDFAST_MAX_SESSIONS: "2" }`. */
  settings?: Readonly<Record<string, string>>;
}

/** A service of the tests' own: `holdfast(service)` makes the chain over it. */
export interface TestService {
  readonly url: string;
  readonly serviceKey: string;
  /** A browser without cookies, in front of an application, which need not listen. */
  client(app: Target): Client;
  /** Headers of somebody who is signed in, for other clients: `request(app).post("/").set(headers)`. */
  headersOf(subject: string, claims?: object): Promise<{ Cookie: string; "X-CSRF-Token": string }>;
  /** End it, with all that it kept and all that listened for a client. */
  stop(): Promise<void>;
}

/**
 * A service in development that keeps sessions in memory, in a process that ends with this one.
 *
 * @throws ConfigurationError the program is not there, or does not start; why is on standard error.
 */
export async function startService(options: ServiceOptions = {}): Promise<TestService> {
  const [program, ...first] = options.command ?? ["holdfast"];
  const { key, entry } = await keyBy(program, first);
  const home = await mkdtemp(join(tmpdir(), "holdfast-"));
  const port = await freePort();
  const env = {
    ...otherVariables(),
    HOLDFAST_PROFILE: "development",
    HOLDFAST_HOME: home,
    HOLDFAST_STORE: "memory://",
    HOLDFAST_PORT: String(port),
    HOLDFAST_SERVICE_KEYS: entry,
    ...options.settings,
  };
  const service = spawn(program, [...first, "serve"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const end = endOf(service, home);
  try {
    await listening(service.stdout);
  } catch (error) {
    await end();
    throw error;
  }
  return over({ url: `http://127.0.0.1:${port}`, serviceKey: key }, end);
}

/**
 * A service that is running already: another process has started it for all tests, as Vitest's
 * `globalSetup` does, and hands on its address. To stop it is to let go of it only.
 */
export function joinService(service: Pick<TestService, "url" | "serviceKey">): TestService {
  const { url, serviceKey } = service;
  return over({ url, serviceKey }, () => Promise.resolve());
}

/** Those of the application, and of another service, are not of this one. */
function otherVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("HOLDFAST_")));
}

function over(address: { url: string; serviceKey: string }, end: () => Promise<void>): TestService {
  const api = new Api(address);
  const clients: Client[] = [];
  return {
    ...address,
    client(app) {
      const client = new Client(api, app);
      clients.push(client);
      return client;
    },
    async headersOf(subject, claims) {
      const client = new Client(api, "");
      await client.signIn(subject, claims);
      return { Cookie: client.cookie, "X-CSRF-Token": await client.csrfToken() };
    },
    async stop() {
      for (const client of clients.splice(0)) client.close();
      api.close();
      await end();
    },
  };
}

async function keyBy(program: string, first: readonly string[]): Promise<{ key: string; entry: string }> {
  try {
    const { stdout } = await promisify(execFile)(program, [...first, "service-key", "tests", "--json"]);
    return JSON.parse(stdout) as { key: string; entry: string };
  } catch (error) {
    throw new ConfigurationError(
      `command: ${program} does not run; activate its virtual environment, or say where it is (${error})`,
    );
  }
}

/** What ends it. It holds up no process that has nothing else to do, and outlives none. */
function endOf(service: ChildProcess, home: string): () => Promise<void> {
  const kill = (): unknown => service.kill();
  process.once("exit", kill);
  service.unref();
  const ended = once(service, "exit");
  return async () => {
    process.off("exit", kill);
    service.ref();
    if (service.exitCode === null && service.signalCode === null) kill();
    await ended;
    await rm(home, { recursive: true, force: true });
  };
}

/** What it prints afterwards is read, and dropped. */
async function listening(stdout: Readable & { unref?(): unknown }): Promise<void> {
  const lines = createInterface({ input: stdout });
  for await (const line of lines) {
    if (!line.startsWith("Listening on")) continue;
    stdout.resume();
    stdout.unref?.();
    return;
  }
  throw new ConfigurationError("the service did not start; standard error says why");
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}
