// Sockets and streams end with their session, also where nothing is heard or nobody knows.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import http from "node:http";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { setImmediate as pause } from "node:timers/promises";

import express from "express";

import { holdfast } from "../dist/esm/index.js";
import { Sockets } from "../dist/esm/sockets.js";
import { Browser, Service, listening, relayed, until } from "./service.mjs";
import { site } from "./site.mjs";

let service;
before(async () => (service = await Service.start()));
after(() => service.stop());

/** Less than what an end by time, or the loss of a silent stream, takes to be noticed. */
const SOON_MS = 8_000;

const over = (url, more = {}) => holdfast({ url, serviceKey: service.key, ...more });

/** A socket that is held for a new session; `closed` is the code. */
async function held(sessions) {
  const { session } = await service.ask("POST", "/sessions", { subject: "eve" });
  const closed = new Promise((resolve) => sessions.closeWhenEnded({ close: resolve }, session));
  return { closed, id: session.id };
}

async function soon(promise) {
  const since = performance.now();
  const answer = await promise;
  assert.ok(performance.now() - since < SOON_MS);
  return answer;
}

test("sockets end at once also where nothing is kept", async () => {
  const relay = await relayed(service);
  const sessions = over(relay.url, { maxAge: 0 });
  const { closed, id } = await held(sessions);
  await until(() => relay.answered.includes(`/sessions/${id}`), "the first look");
  await service.ask("DELETE", `/sessions/${id}`);
  assert.equal(await soon(closed), 4401);
  sessions.close();
  relay.close();
});

test("while the stream proves something the service is not asked", async () => {
  const relay = await relayed(service);
  const sessions = over(relay.url);
  await until(() => sessions.status.live, "a proof");
  const { closed, id } = await held(sessions);
  const looks = () => relay.asked.filter((path) => path === `/sessions/${id}`).length;
  await until(() => looks() > 0, "the first look");
  await service.ask("POST", "/sessions", { subject: "eve" });
  const since = performance.now();
  await until(() => performance.now() - since > 1_500, "time for three looks");
  assert.ok(looks() <= 2, `${looks()} looks`);
  await service.ask("DELETE", `/sessions/${id}`);
  assert.equal(await soon(closed), 4401);
  sessions.close();
  relay.close();
});

test("a stream that falls silent without a word is not believed", async () => {
  const relay = await relayed(service);
  const sessions = over(relay.url);
  await until(() => sessions.status.live, "a proof");
  const { closed, id } = await held(sessions);
  await until(() => relay.answered.includes(`/sessions/${id}`), "the first look");
  relay.silent = true;
  await service.ask("DELETE", `/sessions/${id}`);
  assert.equal(await soon(closed), 4401);
  sessions.close();
  relay.close();
});

for (const [name, end] of Object.entries({
  "does not answer": (relay) => relay.close(),
  hangs: (relay) => (relay.hangs = relay.silent = true),
})) {
  test(`a service that ${name} is no reason to stay open`, async () => {
    const relay = await relayed(service);
    const sessions = over(relay.url);
    await until(() => sessions.status.live, "a proof");
    const { closed, id } = await held(sessions);
    await until(() => relay.answered.includes(`/sessions/${id}`), "the first look");
    end(relay);
    assert.equal(await soon(closed), 1013);
    sessions.close();
    relay.close();
  });
}

for (const maxAge of [0, 1000]) {
  test(`what a token has opened ends when it is revoked, and nothing else, maxAge ${maxAge}`, async () => {
    const sessions = over(service.url, { maxAge });
    const { session } = await service.ask("POST", "/sessions", { subject: "eve" });
    const open = [];
    const server = http.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    server.on("upgrade", async (request, socket) => {
      const opened = await sessions.upgrade(request, socket);
      const each = { closed: undefined };
      sessions.closeWhenEnded({ close: (code) => ((each.closed = code), socket.destroy()) }, opened);
      open.push(each);
    });
    const { port } = server.address();
    const tokens = [];
    for (let at = 0; at < 2; at++) {
      const made = await service.ask("POST", "/tokens", { session: session.id });
      tokens.push(made.access_token);
      const headers = {
        authorization: `Bearer ${made.access_token}`,
        connection: "Upgrade",
        upgrade: "websocket",
        origin: `http://127.0.0.1:${port}`,
      };
      http.get({ port, headers }).on("error", () => undefined);
      await until(() => open.length > at, "a handshake");
    }
    await service.ask("POST", "/tokens/revoke", { token: tokens[0] });
    await soon(until(() => open[0].closed !== undefined, "the end of what the token had opened"));
    assert.deepEqual([open[0].closed, open[1].closed], [4401, undefined]);
    await service.ask("DELETE", `/sessions/${session.id}`);
    await soon(until(() => open[1].closed === 4401, "the end of the rest"));
    sessions.close();
    server.close();
  });
}

test("one answer that is lost closes nothing", async () => {
  let calls = 0;
  const api = {
    ask: async () => {
      calls += 1;
      if (calls === 1) throw new Error("lost");
      return calls < 4 ? { status: 200, body: {} } : { status: 404, body: {} };
    },
  };
  const changes = { listen: () => undefined, within: 400, nodes: new Set(), proved: -Infinity };
  const sockets = new Sockets(api, changes);
  const closed = new Promise((close) => sockets.hold({ close }, "id"));
  assert.equal(await closed, 4401);
  assert.equal(calls, 4);
  assert.equal(sockets.size, 0);
});

test("what was read before anything was heard is asked for again", async () => {
  let calls = 0;
  const changes = { listen: () => undefined, within: 400, nodes: new Set(), proved: -Infinity };
  const keep = { node: "n", for_ms: 60_000 };
  const api = {
    ask: async () => {
      Object.assign(changes, { nodes: new Set(["n"]), proved: Infinity });
      return ++calls < 2 ? { status: 200, body: { keep } } : { status: 404, body: {} };
    },
  };
  const closed = new Promise((close) => new Sockets(api, changes).hold({ close }, "id"));
  assert.equal(await soon(closed), 4401);
});

test("an end by time is noticed without being told", async () => {
  let calls = 0;
  const keep = { node: "n", for_ms: 200 };
  const api = {
    ask: async () => (++calls < 2 ? { status: 200, body: { keep } } : { status: 404, body: {} }),
  };
  const changes = { listen: () => undefined, within: 1000, nodes: new Set(["n"]), proved: Infinity };
  const closed = new Promise((close) => new Sockets(api, changes).hold({ close }, "id"));
  assert.equal(await soon(closed), 4401);
});

test("a stream of events ends", async () => {
  const sessions = over(service.url);
  const app = site(express, sessions);
  app.get("/events", sessions.requireAuth, (req, res) => {
    res.type("text/event-stream").write(`data: ${req.user.id}\n\n`);
    res.on("close", sessions.closeWhenEnded(res, req.session));
  });
  const { origin, close } = await listening(app);
  const browser = new Browser(origin);
  await browser.signIn();
  const headers = { cookie: `session=${browser.cookies.session}` };
  const [answer] = await once(http.get(`${origin}/events`, { headers }), "response");
  let text = "";
  answer.on("data", (part) => (text += part));
  await until(() => text === "data: ada\n\n", "the first event");
  const ended = once(answer, "end");
  await browser.post("/logout", {}, { headers: await browser.proof() });
  await soon(ended);
  assert.ok(answer.complete);
  close();
  sessions.close();
});

test("who goes on with a stream that has ended ends not the process, however slow its client reads", async () => {
  const sessions = over(service.url);
  const app = site(express, sessions);
  const written = {};
  app.get("/news", sessions.requireAuth, (req, res) => {
    res.type("text/event-stream");
    res.on("close", sessions.closeWhenEnded(res, req.session));
    written.more = () => res.write(`data: ${"x".repeat(1_000_000)}\n\n`);
    written.response = res;
    for (let at = 0; at < 20; at++) written.more();
  });
  const { origin, server, close } = await listening(app);
  const browser = new Browser(origin);
  await browser.signIn();
  const client = connect(server.address().port, "127.0.0.1").pause();
  client.on("error", () => undefined);
  client.write(
    `GET /news HTTP/1.1\r\nHost: ${new URL(origin).host}\r\nCookie: session=${browser.cookies.session}\r\n\r\n`,
  );
  await until(() => written.response !== undefined, "the stream");
  await browser.post("/logout", {}, { headers: await browser.proof() });
  await until(() => written.response.writableEnded, "the end");
  assert.equal(written.more(), false);
  await pause();
  // The client still has not read the end; nothing waits for it for ever.
  await until(() => written.response.destroyed, "that somebody gives up");
  client.destroy();
  close();
  sessions.close();
});

test("another stream is cut off", async () => {
  const sessions = over(service.url);
  const app = site(express, sessions);
  app.get("/lines", sessions.requireAuth, (req, res) => {
    res.type("text/plain").write("one\n");
    res.on("close", sessions.closeWhenEnded(res, req.session));
  });
  const { origin, close } = await listening(app);
  const browser = new Browser(origin);
  await browser.signIn();
  const headers = { cookie: `session=${browser.cookies.session}` };
  const [answer] = await once(http.get(`${origin}/lines`, { headers }), "response");
  answer.resume();
  const cut = once(answer, "error");
  await browser.post("/logout", {}, { headers: await browser.proof() });
  const [error] = await soon(cut);
  assert.deepEqual([error.code, answer.complete], ["ECONNRESET", false]);
  close();
  sessions.close();
});

test("who went before is not held", () => {
  const changes = { listen: () => undefined, within: 1000, nodes: new Set() };
  let asked = 0;
  const sockets = new Sockets({ ask: async () => void asked++ }, changes);
  const [end, closing] = [() => assert.fail("ended"), () => assert.fail("closed")];
  for (const gone of [
    { end, destroyed: true },
    { end, destroyed: false, writableEnded: true },
    { close: closing, readyState: 2 },
    { close: closing, readyState: 3 },
  ]) {
    const release = sockets.hold(gone, "id");
    assert.deepEqual([sockets.size, asked], [0, 0]);
    release();
  }
});

test("what a client says after the end is not heard", async () => {
  const gone = { ask: async () => ({ status: 404, body: {} }) };
  const sockets = new Sockets(gone, { listen: () => undefined, within: 1000, nodes: new Set() });
  const heard = [];
  const socket = Object.assign(new EventEmitter(), { close: (code) => socket.emit("closing", code) });
  socket.on("message", (text) => heard.push(text));
  const closing = once(socket, "closing");
  sockets.hold(socket, "id");
  assert.deepEqual(await closing, [4401]);
  socket.emit("message", "delete everything");
  assert.deepEqual(heard, []);
});

test("a socket that cannot be closed keeps no other one open", async () => {
  const gone = { ask: async () => ({ status: 404, body: {} }) };
  const sockets = new Sockets(gone, { listen: () => undefined, within: 1000, nodes: new Set() });
  const warned = once(process, "warning");
  const closed = new Promise((resolve) => {
    const broken = () => {
      throw new Error("not open yet");
    };
    sockets.hold({ close: broken }, "id");
    sockets.hold({ close: resolve }, "id");
  });
  assert.equal(await closed, 4401);
  assert.equal((await warned)[0].message, "not open yet");
});

// The last one: Node warns that its timers are experimental, and the test above waits for a warning.
test("a client that does not agree to the end is cut off after five seconds", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const gone = { ask: async () => ({ status: 404, body: {} }) };
  const sockets = new Sockets(gone, { listen: () => undefined, within: 1000, nodes: new Set() });
  let cut = 0;
  const closed = new Promise((close) => sockets.hold({ close, terminate: () => (cut += 1) }, "id"));
  assert.equal(await closed, 4401);
  t.mock.timers.tick(4_999);
  assert.equal(cut, 0);
  t.mock.timers.tick(1);
  assert.equal(cut, 1);
});
