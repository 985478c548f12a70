// A real service on a free port, and applications in front of it.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer as createHttpServer, request as httpRequest } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const python = process.env.HOLDFAST_PYTHON ?? join(checkout, ".venv/bin/python");
/** What runs the command `holdfast` of this checkout. */
export const command = [python, "-m", "holdfast.cli"];
const DEADLINE_MS = 60_000;

/** Wait until something holds; there is no other waiting here. */
export async function until(holds, what) {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await pause(20);
  }
}

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  return port;
}

function run(...given) {
  return execFileSync(python, ["-m", "holdfast.cli", ...given], { encoding: "utf8" });
}

/** `holdfast serve` in a process of its own, on SQLite. */
export class Service {
  static async start(variables = {}) {
    const service = new Service();
    const { key, entry } = JSON.parse(run("service-key", "shop", "--json"));
    service.key = key;
    service.port = await freePort();
    service.url = `http://127.0.0.1:${service.port}`;
    service.home = mkdtempSync(join(tmpdir(), "holdfast-express-"));
    const given = { HOME: service.home, PORT: service.port, PROFILE: "development", ...variables };
    const named = Object.entries({ ...given, SERVICE_KEYS: entry });
    service.variables = Object.fromEntries(named.map(([name, text]) => [`HOLDFAST_${name}`, String(text)]));
    await service.resume();
    return service;
  }

  async resume() {
    const env = { PATH: process.env.PATH, LANG: "C.UTF-8", ...this.variables };
    this.process = spawn(python, ["-m", "holdfast.cli", "serve"], { env, stdio: "ignore" });
    await until(async () => {
      if (this.process.exitCode !== null) throw new Error("the service did not start");
      return fetch(`${this.url}/readyz`).then(
        (answer) => answer.ok,
        () => false,
      );
    }, "the service");
  }

  async pause() {
    const gone = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await gone;
  }

  /** What the command `holdfast` says of this service. */
  command(...given) {
    const env = { PATH: process.env.PATH, LANG: "C.UTF-8", ...this.variables };
    return execFileSync(python, ["-m", "holdfast.cli", ...given], { encoding: "utf8", env });
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.pause();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** The back-end API, as another application would use it. */
  async ask(method, path, body) {
    const headers = { authorization: `Bearer ${this.key}`, "content-type": "application/json" };
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(`${this.url}/backend/v1${path}`, { method, headers, body: text });
    return answer.json();
  }
}

/** A service that answers as `play` says; paths that were `asked`, and those that were `answered`. */
export async function played(play) {
  const [asked, answered] = [[], []];
  const server = createHttpServer((request, response) => {
    const path = request.url.replace("/backend/v1", "");
    asked.push(path);
    response.on("finish", () => answered.push(path));
    play(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = () => (server.closeAllConnections(), server.close());
  return { asked, answered, close, url: `http://127.0.0.1:${server.address().port}` };
}

/**
 * Passes everything on to a real service, but not the stream while it is `silent`, nor anything while it `hangs`.
 *
 * `holdBack(path)` keeps the next answer to such a question, or with "before" the question, until `release`;
 * `done` comes when the service has answered, or when the question is here.
 */
export async function relayed(service) {
  const held = [];
  const hold = async (path, when) => {
    const at = held.findIndex((each) => path.startsWith(each.path) && each.when === when);
    if (at < 0) return;
    const [{ reached, released }] = held.splice(at, 1);
    reached();
    await released;
  };
  const relay = await played(async (request, response) => {
    if (relay.hangs) return;
    const { method, url, headers } = request;
    const path = url.replace("/backend/v1", "");
    await hold(path, "before");
    const on = httpRequest(service.url + url, { method, headers }, async (answer) => {
      await hold(path, "after");
      response.writeHead(answer.statusCode, answer.headers);
      answer.on("data", (part) => (relay.silent && url.endsWith("/changes")) || response.write(part));
      answer.on("end", () => response.end());
    });
    on.on("error", () => response.destroy());
    response.on("close", () => on.destroy());
    request.pipe(on);
  });
  relay.holdBack = (path, when = "after") => {
    const hook = { path, when };
    hook.released = new Promise((resolve) => (hook.release = resolve));
    hook.done = new Promise((resolve) => (hook.reached = resolve));
    held.push(hook);
    return hook;
  };
  return relay;
}

/** An application listening on a free port; `close` ends it. */
export async function listening(app) {
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  return { server, origin, close: () => (server.closeAllConnections(), server.close()) };
}

/** A browser with cookies, which says of unsafe requests that they come from its own page. */
export class Browser {
  cookies = {};

  constructor(origin) {
    this.origin = origin;
  }

  async request(method, path, { json, headers = {}, jar = true, body } = {}) {
    const sent = { ...headers };
    if (method !== "GET")
      Object.assign(sent, { origin: this.origin, "sec-fetch-site": "same-origin", ...headers });
    if (json !== undefined) sent["content-type"] = "application/json";
    const cookie = Object.entries(this.cookies).map(([name, value]) => `${name}=${value}`);
    if (jar && cookie.length > 0) sent.cookie = cookie.join("; ");
    const content = json === undefined ? body : JSON.stringify(json);
    const answer = await fetch(this.origin + path, {
      method,
      headers: sent,
      body: content,
      redirect: "manual",
    });
    if (jar) this.#keep(answer.headers.getSetCookie());
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, json: parsed(text) };
  }

  get(path, options) {
    return this.request("GET", path, options);
  }

  post(path, json, options) {
    return this.request("POST", path, { json, ...options });
  }

  async proof() {
    return { "x-csrf-token": (await this.get("/csrf")).json.token };
  }

  async signIn(user = "ada") {
    const headers = this.cookies.session ? await this.proof() : {};
    return this.post("/login", { user }, { headers });
  }

  #keep(lines) {
    for (const line of lines) {
      const [pair] = line.split(";");
      const at = pair.indexOf("=");
      if (/Max-Age=0/.test(line)) delete this.cookies[pair.slice(0, at)];
      else this.cookies[pair.slice(0, at)] = pair.slice(at + 1);
    }
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
