// What an answer is kept under: everything that it depends on, each in its place.
import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf } from "../dist/esm/facts.js";

const NAMES = [
  "authorization",
  "cookie",
  "user-agent",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "host",
];

/** A request with these headers, in an order and letters of its own. */
function sent(headers = {}, socket = {}) {
  const lines = Object.entries({ host: "shop.example", accept: "*/*", ...headers });
  return {
    headers: Object.fromEntries(lines),
    rawHeaders: lines.flat(),
    socket: { remoteAddress: "192.0.2.1", ...socket },
  };
}

test("no two requests share a key that differ in what counts", () => {
  const requests = [
    sent(),
    sent({}, { encrypted: true }),
    sent({}, { remoteAddress: "192.0.2.2" }),
    ...NAMES.flatMap((name) => ["", "a", "b", "=a"].map((value) => sent({ [name]: value }))),
    sent({ cookie: "a", "user-agent": "b" }),
    sent({ cookie: "b", "user-agent": "a" }),
  ];
  assert.equal(new Set(requests.map(keyOf)).size, requests.length);
});

test("what does not count makes no other key", () => {
  assert.equal(keyOf(sent({ accept: "text/html", referer: "x" })), keyOf(sent()));
});
