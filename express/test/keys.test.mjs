// Access tokens verified by the service's public keys, and how seldom it is asked.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { SignJWT, generateKeyPair } from "jose";

import { holdfast } from "../dist/esm/index.js";
import { Service, relayed, until } from "./service.mjs";

let service, relay, sessions, manager;
before(async () => {
  service = await Service.start();
  await service.pause();
  service.command("keys", "asymmetric", "--algorithm", "ES256");
  await service.resume();
  relay = await relayed(service);
  sessions = holdfast({
    url: relay.url,
    serviceKey: service.key,
    jwks: `${service.url}/.well-known/jwks.json`,
    issuer: "holdfast:development",
    audience: "holdfast:development",
  });
  manager = sessions.sessionManager;
  await until(() => sessions.status.live, "the stream");
});
after(async () => {
  sessions.close();
  relay.close();
  await service.stop();
});

const verifications = () => relay.asked.filter((path) => path === "/tokens/verify").length;

test("by its signature alone a token costs no call", async () => {
  const { accessToken, refreshToken } = await manager.generateTokens("ada", undefined, "admin");
  const stateless = (token) => manager.verifyToken(token, "access", { stateless: true });
  const { payload } = await stateless(accessToken);
  assert.deepEqual([payload.userId, payload.role], ["ada", "admin"]);
  const { privateKey } = await generateKeyPair("ES256");
  const kid = JSON.parse(Buffer.from(accessToken.split(".")[0], "base64url")).kid;
  const forged = await new SignJWT(payload)
    .setProtectedHeader({ alg: "ES256", kid, typ: "at+jwt" })
    .sign(privateKey);
  for (const verify of [stateless, (token) => manager.verifyToken(token)]) {
    assert.equal((await verify(forged)).error, "Invalid token");
    assert.equal((await verify(`${accessToken.slice(0, -8)}AAAAAAAA`)).error, "Invalid token");
  }
  assert.equal(verifications(), 0);
  // Of one that is no access token the service has the last word: refresh tokens are its own.
  assert.equal((await stateless(refreshToken)).payload, null);
});

test("a hot token costs no call, and its session is heard of", async () => {
  const { accessToken } = await manager.generateTokens("ada");
  const verify = () => manager.verifyToken(accessToken);
  let before;
  await until(async () => {
    before = verifications();
    assert.equal((await verify()).payload.userId, "ada");
    return verifications() === before;
  }, "an answer from what is kept");
  await service.ask("DELETE", `/sessions/${(await verify()).payload.sid}`);
  await until(async () => (await verify()).error === "Invalid token", "the end to be heard of");
});
