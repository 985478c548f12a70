// Questions of one turn of the event loop go in one call; each is answered as if it had gone alone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import express from "express";

import { Api } from "../dist/esm/api.js";
import { holdfast } from "../dist/esm/index.js";
import { Browser, Service, listening, played, relayed } from "./service.mjs";
import { site } from "./site.mjs";

const TOGETHER = "/requests/together";
const line = (...parts) => `${JSON.stringify(parts)}\n`;
const outcomes = async (asked) =>
  (await Promise.allSettled(asked)).map(({ value, reason }) => value ?? reason.status);

/** An `Api` over a service that answers as `play` says, once it has read what was asked. */
async function over(play) {
  const hears = await played((request, response) => {
    let text = "";
    request.on("data", (part) => (text += part));
    request.on("end", () => {
      const asks = text.split("\n").map((each) => JSON.parse(each));
      play(request.url.endsWith(TOGETHER) ? { asks } : asks[0], response, request);
    });
  });
  const api = new Api({ url: hears.url, serviceKey: "x", timeout: 2000 });
  return { api, asked: hears.asked, close: () => (api.close(), hears.close()) };
}

describe("over a real service", () => {
  let service;
  before(async () => (service = await Service.start()));
  after(() => service.stop());

  test("each browser has its own answers", async () => {
    const relay = await relayed(service);
    const sessions = holdfast({ url: relay.url, serviceKey: service.key, maxAge: 0 });
    const app = await listening(site(express, sessions));
    const browsers = Array.from({ length: 12 }, () => new Browser(app.origin));
    await Promise.all(browsers.map((each, n) => each.signIn(`user-${n}`)));
    const proofs = await Promise.all(browsers.map((each) => each.proof()));
    relay.asked.length = 0;
    const written = await Promise.all(
      browsers.map((each, n) => each.post("/write", { n }, { headers: n === 7 ? {} : proofs[n] })),
    );
    assert.deepEqual(
      written.map(({ status }) => status),
      browsers.map((_, n) => (n === 7 ? 403 : 200)),
    );
    assert.ok(relay.asked.includes(TOGETHER), relay.asked.join());
    assert.ok(relay.asked.length < 23, "fewer calls than questions");
    const read = await Promise.all(browsers.map((each) => each.get("/me")));
    assert.deepEqual(
      read.map(({ json }) => json.user),
      browsers.map((_, n) => `user-${n}`),
    );
    app.close();
    sessions.close();
    relay.close();
  });
});

test("what is asked alone goes alone", async () => {
  const { api, asked, close } = await over((_body, response) => response.end('{"n":1}'));
  assert.deepEqual((await api.begin({})).body, { n: 1 });
  assert.deepEqual(asked, ["/requests/begin"]);
  close();
});

test("none hears of another's failure, and none waits for another", async () => {
  let slow;
  const { api, asked, close } = await over(({ asks }, response) => {
    assert.deepEqual(asks, [
      ["begin", { a: 1 }],
      ["commit", {}],
      ["commit", {}],
      ["begin", {}],
    ]);
    response.write(line(3, 503, { code: "store_unavailable" }, 7) + line(1, 409, { code: "conflict" }));
    const [head, tail] = [line(2, 200, { é: "è" }).slice(0, 9), line(2, 200, { é: "è" }).slice(9)];
    response.write(head);
    setImmediate(() => response.write(tail));
    slow = () => response.end(line(0, 200, { a: 2 }));
  });
  const answers = [api.begin({ a: 1 }), api.commit({}), api.commit({}), api.begin({})];
  const failure = await answers[3].catch((error) => error);
  assert.deepEqual([failure.status, failure.code, failure.retryAfter], [503, "store_unavailable", 7]);
  await assert.rejects(answers[1], { code: "conflict", status: 409 });
  assert.deepEqual(await answers[2], { é: "è" });
  slow();
  assert.deepEqual((await answers[0]).body, { a: 2 });
  assert.deepEqual(asked, [TOGETHER]);
  close();
});

const BROKEN = {
  "that ends early": (response) => response.end(line(0, 200, {})),
  "that is no JSON": (response) => response.end(`${line(0, 200, {})}x\n`),
  "of another shape": (response) => response.end(`${line(0, 200, {})}null\n`),
  "without an end": (response) => response.write(line(0, 200, {})),
};
for (const [name, answer] of Object.entries(BROKEN)) {
  test(`an answer ${name} ends nothing, and what was heard counts`, async () => {
    const { api, close } = await over((_body, response) => answer(response));
    const [first, second] = await outcomes([api.begin({}), api.begin({})]);
    assert.deepEqual([first.body, second], [{}, 503]);
    close();
  });
}

test("a refusal of the whole is one of each", async () => {
  const { api, close } = await over((_body, response) => {
    response.statusCode = 401;
    response.end('{"code": "unauthenticated"}');
  });
  assert.deepEqual(await outcomes([api.begin({}), api.commit({})]), [503, 503]);
  close();
});

test("after a connection that was closed only what changes nothing is asked again", async () => {
  let calls = 0;
  const { api, asked, close } = await over((body, response, request) => {
    calls += 1;
    if (calls === 2) request.socket.resetAndDestroy();
    else response.end(body.asks ? body.asks.map((_, place) => line(place, 200, { place })).join("") : "{}");
  });
  await api.begin({});
  const [commit, ...begins] = await outcomes([api.commit({}), api.begin({}), api.begin({})]);
  assert.deepEqual([commit, ...begins.map(({ body }) => body.place)], [503, 0, 1]);
  assert.deepEqual(asked, ["/requests/begin", TOGETHER, TOGETHER]);
  close();
});

test("an older service is asked one by one", async () => {
  const { api, asked, close } = await over((body, response) => {
    response.statusCode = body.asks ? 404 : 200;
    response.end(JSON.stringify(body.asks ? { code: "not_found" } : body));
  });
  for (const _ of [1, 2]) {
    const [begun, committed] = await outcomes([api.begin({ a: 1 }), api.commit({ b: 2 })]);
    assert.deepEqual([begun.body, committed], [{ a: 1 }, { b: 2 }]);
  }
  const alone = ["/requests/begin", "/requests/commit"];
  assert.deepEqual(asked, [TOGETHER, ...alone, ...alone]);
  close();
});

test("one call holds neither too many questions nor too much text", async () => {
  const sizes = [];
  const { api, close } = await over(({ asks }, response) => {
    sizes.push(asks?.length ?? 1);
    response.end(asks ? asks.map((_, place) => line(place, 200, { reply: null })).join("") : "{}");
  });
  await Promise.all(Array.from({ length: 40 }, () => api.begin({})));
  assert.deepEqual(sizes.splice(0), [32, 8]);
  const large = { text: "x".repeat(50_000) };
  await Promise.all([api.begin({}), api.begin(large), api.begin(large), api.begin({})]);
  assert.deepEqual(sizes.sort(), [2, 2]);
  close();
});
