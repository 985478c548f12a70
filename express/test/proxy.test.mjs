// An application behind a proxy that ends TLS, with a service in the production profile.
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";

import express from "express";

import { holdfast } from "../dist/esm/index.js";
import { Service, listening } from "./service.mjs";
import { site } from "./site.mjs";

// As a proxy on this machine passes a request on.
const HEADERS = {
  host: "shop.example.org",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "shop.example.org",
  "x-forwarded-for": "198.51.100.4",
  origin: "https://shop.example.org",
  "content-type": "application/json",
};

async function signIn(variables) {
  const service = await Service.start({ PROFILE: "production", ...variables });
  const sessions = holdfast({ url: service.url, serviceKey: service.key });
  const { origin, close } = await listening(site(express, sessions));
  const asked = request(`${origin}/login`, { method: "POST", headers: HEADERS });
  const [answer] = await once(asked.end(JSON.stringify({ user: "ada" })), "response");
  let body = "";
  for await (const part of answer) body += part;
  const { sessions: listed } = await service.ask("GET", "/sessions?subject=ada");
  sessions.close();
  close();
  await service.stop();
  return { status: answer.statusCode, body: JSON.parse(body), cookies: answer.headers["set-cookie"], listed };
}

test("the proxy in front of the application is named at the service", async () => {
  const { status, cookies, listed } = await signIn({ TRUSTED_PROXIES: "127.0.0.1/32" });
  assert.equal(status, 200);
  assert.match(cookies[0], /^__Host-session=.*Secure/);
  assert.equal(listed[0].address, "198.51.100.4");
});

test("the word of a proxy that is not named does not count", async () => {
  const { status, body, cookies } = await signIn({});
  assert.deepEqual([status, body.code, cookies], [403, "https_required", undefined]);
});
