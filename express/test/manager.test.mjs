import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { once } from "node:events";
import { after, before, test } from "node:test";

import express from "express";
import { SignJWT } from "jose";
import { WebSocket, WebSocketServer } from "ws";

import { holdfast } from "../dist/esm/index.js";
import { Browser, Service, listening, until } from "./service.mjs";
import { site } from "./site.mjs";

let service, sessions, manager;
before(async () => {
  service = await Service.start();
  sessions = holdfast({ url: service.url, serviceKey: service.key });
  manager = sessions.sessionManager;
  await until(() => sessions.status.live, "the stream");
});
after(async () => {
  sessions.close();
  await service.stop();
});

test("tokens are made, verified, refreshed and ended as the specification has it", async () => {
  const made = await manager.generateTokens("ada", "ada@example.org", "admin");
  assert.deepEqual([made.expiresIn, made.tokenType], [3600, "Bearer"]);
  const { payload, error } = await manager.verifyToken(made.accessToken);
  const { userId, email, role, type } = payload;
  assert.deepEqual([userId, email, role, type, error], ["ada", "ada@example.org", "admin", "access", null]);
  const wrong = await manager.verifyToken(made.refreshToken);
  assert.deepEqual(wrong, { payload: null, error: "Invalid token type" });
  assert.equal((await manager.verifyToken(made.refreshToken, "refresh")).payload.userId, "ada");
  const { tokens } = await manager.refreshAccessToken(made.refreshToken);
  assert.equal((await manager.verifyToken(tokens.accessToken)).payload.email, "ada@example.org");
  const refused = await manager.refreshAccessToken(tokens.accessToken);
  assert.deepEqual(refused, { tokens: null, error: "Invalid token type" });
  assert.equal(await manager.logout(made.accessToken), true);
  assert.equal(await manager.logout("nonsense"), false);
  for (const token of [made.accessToken, tokens.accessToken]) {
    assert.deepEqual(await manager.verifyToken(token), { payload: null, error: "Invalid token" });
  }
  assert.equal((await manager.refreshAccessToken(tokens.refreshToken)).error, "Invalid token");
});

test("text that no token is made of is an invalid token, and no mistake of the application", async () => {
  for (const text of ["\ud800", "a.\ud800.b", "a b", "\u0000"]) {
    const invalid = { payload: null, error: "Invalid token" };
    assert.deepEqual(await manager.verifyToken(text), invalid);
    assert.deepEqual(await manager.verifyToken(text, "refresh"), invalid);
    assert.deepEqual(await manager.refreshAccessToken(text), { tokens: null, error: "Invalid token" });
    assert.equal(await manager.logout(text), false);
  }
  for (const sent of [undefined, null, 1, {}, ["a.b.c"]]) {
    assert.deepEqual(await manager.refreshAccessToken(sent), { tokens: null, error: "Invalid token" });
    assert.deepEqual(await manager.verifyToken(sent), { payload: null, error: "Invalid token" });
    assert.equal(await manager.logout(sent), false);
  }
});

test("a single token is blacklisted, here at once and elsewhere within the bound", async () => {
  const { accessToken, refreshToken } = await manager.generateTokens("ada");
  const other = holdfast({ url: service.url, serviceKey: service.key });
  await until(() => other.status.live, "the other stream");
  const { payload } = await manager.verifyToken(accessToken);
  await other.sessionManager.verifyToken(accessToken);
  assert.equal(await manager.isTokenBlacklisted(payload.jti), false);
  await manager.blacklistToken(payload.jti, 3600);
  assert.equal((await manager.verifyToken(accessToken)).error, "Invalid token");
  assert.equal(await manager.isTokenBlacklisted(payload.jti), true);
  await until(
    async () => (await other.sessionManager.verifyToken(accessToken)).error !== null,
    "the revocation to be felt",
  );
  assert.equal((await manager.refreshAccessToken(refreshToken)).error, null);
  other.close();
});

test("two lines of Authorization are nobody's, at both guards", async () => {
  const { accessToken } = await manager.generateTokens("ada");
  const app = express();
  app.get("/jwt", sessions.authMiddleware, (_req, res) => res.json({}));
  app.get("/me", sessions, sessions.requireAuth, (_req, res) => res.json({}));
  const { origin, close } = await listening(app);
  const status = async (path, ...tokens) => {
    const lines = tokens.flatMap((token) => ["Authorization", `Bearer ${token}`]);
    const asked = request(origin + path, { headers: ["Host", new URL(origin).host, ...lines] });
    const [answer] = await once(asked.end(), "response");
    answer.resume();
    return answer.statusCode;
  };
  for (const path of ["/jwt", "/me"]) {
    assert.equal(await status(path, accessToken), 200);
    assert.equal(await status(path, accessToken, "x"), 401);
    assert.equal(await status(path, "x", accessToken), 401);
  }
  close();
});

test("who has signed in with a request is known by it: in the list, and when a token comes back", async () => {
  const phone = (agent) => ({ request: { ip: "192.0.2.7", headers: { "user-agent": agent } } });
  const made = await manager.generateTokens("may", undefined, undefined, phone("Shop/3 (Android 15)"));
  const { sessions: listed } = await service.ask("GET", "/sessions?subject=may");
  const [{ address, user_agent: agent }] = listed;
  assert.deepEqual([address, agent], ["192.0.2.7", "Shop/3 (Android 15)"]);
  const again = async (name) => manager.refreshAccessToken(made.refreshToken, phone(name));
  const { tokens } = await again("Shop/3 (Android 15)");
  assert.equal((await again("Shop/4 (Android 15)")).tokens.refreshToken, tokens.refreshToken);
  assert.equal((await again("curl/8")).error, "Invalid token");
  assert.equal((await manager.verifyToken(tokens.accessToken)).error, "Invalid token");
});

test("handlers behind a guard have a user with an id, and without one there is nobody", async () => {
  const app = express();
  const show = (req, res) => res.json(sessions.userOf(req));
  app.get("/jwt", sessions.authMiddleware, show);
  app.get("/me", sessions, sessions.requireAuth, show);
  app.get("/forgotten", sessions, show);
  app.use(sessions.errors);
  const { origin, close } = await listening(app);
  const { accessToken } = await manager.generateTokens("ada", "ada@example.org", "admin");
  const headers = { authorization: `Bearer ${accessToken}` };
  const said = async (path) => (await fetch(origin + path, { headers })).json();
  for (const path of ["/jwt", "/me"]) {
    const { id, email, role } = await said(path);
    assert.deepEqual([id, email, role], ["ada", "ada@example.org", "admin"]);
  }
  assert.equal((await said("/jwt")).userId, "ada");
  assert.deepEqual(await said("/forgotten"), { error: "Unauthorized", code: "unauthenticated" });
  close();
});

test("all sessions of a user end at once where that was asked for", async () => {
  const made = [];
  for (let at = 0; at < 3; at++) made.push((await manager.generateTokens("zoe")).accessToken);
  const other = (await manager.generateTokens("zoë & co")).accessToken;
  const living = async () => {
    const verdicts = await Promise.all([...made, other].map((token) => manager.verifyToken(token)));
    return verdicts.map(({ payload }) => payload?.userId ?? null);
  };
  assert.deepEqual(await living(), ["zoe", "zoe", "zoe", "zoë & co"]);
  const { payload } = await manager.verifyToken(made[1]);
  assert.equal(await manager.logoutEverywhere("zoe", { keep: payload.sid }), 2);
  assert.deepEqual(await living(), [null, "zoe", null, "zoë & co"]);
  assert.equal(await manager.logoutEverywhere("zoë & co"), 1);
  assert.deepEqual(await living(), [null, "zoe", null, null]);
  assert.equal(await manager.logoutEverywhere("nobody"), 0);
});

test("what a handler does to a token's claims is not seen by another request", async () => {
  const { session } = await service.ask("POST", "/sessions", {
    subject: "eve",
    claims: { roles: ["reader"] },
  });
  const { access_token: token } = await service.ask("POST", "/tokens", { session: session.id });
  const { payload } = await manager.verifyToken(token);
  assert.throws(() => payload.roles.push("admin"), TypeError);
  assert.deepEqual((await manager.verifyToken(token)).payload.roles, ["reader"]);
});

test("with a shared secret a forged token is refused here, and a good one is judged by the service", async () => {
  const key = new Uint8Array(32).fill(7);
  // There is no service at this address: what needs it fails, and what does not, does not.
  const alone = holdfast({
    url: "http://127.0.0.1:9",
    serviceKey: "hfk1_x",
    maxAge: 0,
    secret: { kid: "k", key },
  });
  const claims = { sub: "ada", sid: "s", jti: "s.x", type: "access" };
  const token = (by, { typ = "at+jwt", exp = "1h", kid = "k", ...more } = {}) =>
    new SignJWT({ ...claims, ...more })
      .setProtectedHeader({ alg: "HS256", kid, typ })
      .setIssuer("holdfast:production")
      .setAudience("holdfast:production")
      .setIssuedAt()
      .setExpirationTime(exp)
      .sign(by);
  const verify = (text, options) => alone.sessionManager.verifyToken(text, "access", options);
  const error = async (text) => (await verify(text)).error;
  assert.equal(await error(await token(new Uint8Array(32).fill(8))), "Invalid token");
  assert.equal(await error(await token(key, { typ: "rt+jwt" })), "Invalid token type");
  assert.equal(await error(await token(key, { type: "refresh" })), "Invalid token type");
  assert.equal(await error(await token(key, { exp: 1 })), "Token expired");
  assert.equal(await error("x".repeat(10_000)), "Invalid token");
  const none = (await token(key)).split(".");
  none[0] = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
  assert.equal(await error(`${none[0]}.${none[1]}.`), "Invalid token");
  assert.equal((await verify(await token(key), { stateless: true })).payload.userId, "ada");
  await assert.rejects(verify(await token(key)), { status: 503 });
  await assert.rejects(verify(await token(key, { kid: "other" })), { status: 503 });
  alone.close();
});

test("a socket is opened for who is signed in, and closed when the session ends", async () => {
  const app = site(express, sessions);
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  const sockets = new WebSocketServer({ noServer: true });
  server.on("upgrade", async (request, socket, head) => {
    const session = await sessions.upgrade(request, socket);
    if (session === null) return;
    sockets.handleUpgrade(request, socket, head, (open) => {
      const release = sessions.closeWhenEnded(open, session);
      open.on("close", release);
      open.send(session.subject);
    });
  });
  const browser = new Browser(origin);
  await browser.signIn();
  const open = (headers) => new WebSocket(origin.replace("http", "ws"), { headers });
  const refused = async (headers) => {
    const [, answer] = await once(open(headers), "unexpected-response");
    return answer.statusCode;
  };
  const cookie = `session=${browser.cookies.session}`;
  assert.equal(await refused({ origin }), 401);
  assert.equal(await refused({ origin: "https://evil.example", cookie }), 403);
  const mine = open({ origin, cookie });
  const [hello] = await once(mine, "message");
  assert.equal(String(hello), "ada");
  const closed = once(mine, "close");
  const { sessions: of } = await service.ask("GET", "/sessions?subject=ada");
  for (const { id } of of) await service.ask("DELETE", `/sessions/${id}`);
  assert.equal((await closed)[0], 4401);
  server.closeAllConnections();
  server.close();
});
