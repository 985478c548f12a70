// Requests whose bodies are held back: the rest of one is worth nothing once its session has ended.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Writable } from "node:stream";
import { after, before, describe, test } from "node:test";

import express5 from "express";
import express4 from "express4";

import { holdfast } from "../dist/esm/index.js";
import { Browser, Service, listening, relayed, until } from "./service.mjs";
import { site } from "./site.mjs";

/** Time, as the package sees it: `later` is beyond every bound. */
const { now } = performance;
let passed = 0;
performance.now = () => now.call(performance) + passed;
const later = () => (passed += 1000);

let service;
before(async () => (service = await Service.start()));
after(() => service.stop());

const JSON_TYPE = "application/json";
const FORM = "application/x-www-form-urlencoded";

/** Those who read a body, each with what is sent to it. */
const READERS = {
  "express.json": [JSON_TYPE, '{"to": "eve"}', (express) => express.json()],
  "express.urlencoded": [FORM, "to=eve", (express) => express.urlencoded({ extended: false })],
  "express.text": ["text/plain", "to eve", (express) => express.text()],
  "for await": [
    "text/plain",
    "to eve",
    () => async (req, _res, next) => {
      try {
        for await (const piece of req) req.pieces = [...(req.pieces ?? []), piece];
        next();
      } catch (error) {
        next(error);
      }
    },
  ],
  pipe: [
    "text/plain",
    "to eve",
    () => (req, _res, next) =>
      req.pipe(new Writable({ write: (_piece, _, done) => done() })).on("finish", next),
  ],
  data: ["text/plain", "to eve", () => (req, _res, next) => req.on("data", () => undefined).on("end", next)],
};

/** An application in which somebody is signed in. */
async function shop(express, sessions, more = () => undefined) {
  const app = site(express, sessions);
  const paid = [];
  const pay = (req, res) => {
    paid.push(req.session?.subject ?? req.user.id);
    res.send("paid");
  };
  // The site reads bodies before the chain; these are read behind it.
  const late = express();
  late.use(sessions);
  for (const [name, [, , reader]] of Object.entries(READERS)) {
    late.post(`/${encodeURIComponent(name)}`, sessions.requireAuth, reader(express), pay);
  }
  more(late, pay);
  late.use(sessions.errors);
  const outer = express();
  outer.post("/bearer", sessions.authMiddleware, express.json(), pay);
  const failed = [];
  outer.use("/late", late);
  outer.use(app);
  outer.use((error, _req, res, _next) => {
    failed.push(error.code);
    if (!res.headersSent) res.status(500).send("an error");
  });
  const server = await listening(outer);
  const browser = new Browser(server.origin);
  await browser.signIn();
  const close = () => (server.close(), sessions.close());
  return { ...server, browser, paid, failed, close };
}

/** A POST of which the headers have come, and perhaps a piece; `send` brings what follows. */
async function half({ server, browser, origin }, path, type, length, piece = "", headers = {}) {
  const socket = connect(server.address().port, "127.0.0.1");
  const lines = {
    Host: new URL(origin).host,
    Origin: origin,
    "Content-Type": type,
    "Content-Length": length,
    Cookie: `session=${browser.cookies.session}`,
    ...(await browser.proof()),
    ...headers,
  };
  const named = Object.entries(lines).filter(([, text]) => text !== undefined);
  let said = "";
  socket.setEncoding("utf8").on("data", (text) => (said += text));
  const closed = once(socket, "close");
  socket.on("error", () => undefined);
  const arrived = once(server, "request");
  socket.write([`POST ${path} HTTP/1.1`, ...named.map((each) => each.join(": ")), "", piece].join("\r\n"));
  const [request] = await arrived;
  return {
    request,
    send: (text) => socket.write(text),
    end: () => socket.destroy(),
    closed,
    said: () => said,
    async status() {
      await until(() => said.includes("\r\n\r\n") || socket.closed, "an answer");
      socket.destroy();
      return said === "" ? null : Number(said.split(" ")[1]);
    },
  };
}

/** The request has been let in: its handlers wait for its body. */
const waiting = ({ request }) =>
  until(() => request.listenerCount("data") + request.listenerCount("readable"), "a reader");

const endAll = () => service.ask("DELETE", "/sessions?subject=ada");

for (const [version, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(version, () => {
    const over = (more = {}) => holdfast({ url: service.url, serviceKey: service.key, ...more });

    for (const [name, [type, body]] of Object.entries(READERS)) {
      test(`${name}: what comes after the end is refused, and no handler gets it`, async () => {
        const made = await shop(express, over());
        const path = `/late/${encodeURIComponent(name)}`;
        const slow = await half(made, path, type, body.length, body.slice(0, 3));
        await waiting(slow);
        later();
        slow.send(body.slice(3));
        assert.equal(await slow.status(), 200);
        const thief = await half(made, path, type, body.length, body.slice(0, 3));
        await waiting(thief);
        assert.deepEqual(await endAll(), { ended: 1 });
        later();
        thief.send(body.slice(3));
        assert.equal(await thief.status(), 401);
        assert.match(thief.said(), /"session_ended"/);
        await until(() => thief.request.destroyed, "the end of who waits");
        assert.deepEqual([made.paid, made.failed], [["ada"], []]);
        made.close();
      });
    }

    const [type, body] = READERS["express.json"];

    /** What becomes of a body whose end comes after this has happened. */
    async function after(happens, { headers, ends = body.slice(3), length = body.length, ...more } = {}) {
      const relay = await relayed(service);
      const made = await shop(express, over({ url: relay.url, ...more.options }), more.routes);
      const path = more.path ?? "/late/express.json";
      const slow = await half(
        made,
        path,
        type,
        length,
        more.first ?? body.slice(0, 3),
        await headers?.(made),
      );
      await (more.waiting ?? waiting)(slow);
      const asked = () => relay.asked.filter((each) => each !== "/changes").length;
      const before = asked();
      later();
      await happens({ ...made, relay, slow });
      slow.send(ends);
      const status = await slow.status();
      made.close();
      relay.close();
      return { status, said: slow.said(), asked: asked() - before, paid: made.paid, failed: made.failed };
    }

    const chunked = { "Transfer-Encoding": "chunked", "Content-Length": undefined };

    test("the end alone of a body is a piece of it", async () => {
      const first = `${body.length.toString(16)}\r\n${body}\r\n`;
      const more = { headers: () => chunked, first, ends: "0\r\n\r\n" };
      const { status, paid } = await after(endAll, more);
      assert.deepEqual([status, paid], [401, []]);
      assert.equal((await after(() => undefined, more)).status, 200);
    });

    test("after a rotation by somebody else it is refused as its cookie is", async () => {
      const { status, paid } = await after(async () => {
        const { sessions } = await service.ask("GET", "/sessions?subject=ada");
        for (const { id } of sessions) await service.ask("POST", `/sessions/${id}/rotate`, {});
      });
      assert.deepEqual([status, paid], [401, []]);
      await endAll();
    });

    test("with a token it ends with that, behind either guard", async () => {
      for (const path of ["/late/express.json", "/bearer"]) {
        let jti;
        const headers = async ({ browser }) => {
          const made = await browser.post("/tokens", {}, { headers: await browser.proof() });
          const token = made.json.access_token;
          ({ jti } = JSON.parse(Buffer.from(token.split(".")[1], "base64url")));
          return { Authorization: `Bearer ${token}`, Cookie: undefined };
        };
        const end = () => service.ask("POST", "/tokens/revoke", { jti });
        assert.deepEqual((await after(() => undefined, { headers, path })).paid, ["ada"]);
        for (const happens of [end, endAll]) {
          const { status, paid } = await after(happens, { headers, path });
          assert.deepEqual([path, status, paid], [path, 401, []]);
        }
      }
    });

    test("if nobody can say whether it has ended, that is 503", async () => {
      const { status, said, paid } = await after(({ relay }) => relay.close());
      assert.deepEqual([status, paid], [503, []]);
      assert.match(said, /^retry-after: 1\r$/im);
      await endAll();
    });

    test("one question that fails is forgiven while there is time for another", async () => {
      const { status, paid } = await after(({ relay }) => (relay.close(), (passed -= 400)));
      assert.deepEqual([status, paid], [200, ["ada"]]);
      await endAll();
    });

    test("what comes in time costs nothing, and the rest two questions in the bound", async () => {
      const { status, asked } = await after(() => (passed -= 1000));
      assert.deepEqual([status, asked], [200, 0]);
      let began;
      const slowly = async ({ slow, relay }) => {
        passed -= 1000;
        began = performance.now();
        for (let at = 0; at < 40; at++) {
          passed += 50;
          const read = slow.request.socket.bytesRead;
          slow.send(" ");
          await until(() => slow.request.socket.bytesRead > read, "the piece");
          await until(() => relay.asked.length === relay.answered.length + 1, "the answer");
        }
      };
      const long = await after(slowly, { length: body.length + 40 });
      assert.equal(long.status, 200);
      const bounds = (performance.now() - began) / 1000;
      assert.ok(long.asked > 0 && long.asked <= 2 * bounds + 1, `${long.asked} questions in ${bounds}`);
      await endAll();
    });

    test("an answer that has begun is cut off", async () => {
      const routes = (app) => {
        app.post("/echo", (req, res) => {
          res.write("begun");
          req.on("data", (piece) => res.write(piece));
          req.on("end", () => res.end("complete"));
          req.on("error", () => undefined);
        });
      };
      const cut = async ({ slow }) => {
        await until(() => slow.said().includes("begun"), "the beginning");
        await endAll();
        slow.closed.then(() => (slow.ended = true));
      };
      const more = { routes, path: "/late/echo" };
      const { said } = await after(async (made) => {
        await cut(made);
        made.slow.send(body.slice(3));
        await made.slow.closed;
      }, more);
      assert.doesNotMatch(said, /complete|eve/);
    });

    test("what a handler has rotated itself goes on", async () => {
      const routes = (app) => {
        app.post("/rotating", (req, res) => {
          req.session.rotate();
          res.write("begun");
          req.on("data", (piece) => res.write(piece)).on("end", () => res.end("complete"));
        });
      };
      const { said } = await after(
        async ({ slow }) => {
          await until(() => slow.said().includes("begun"), "the beginning");
          slow.send(body.slice(3));
          await until(() => slow.said().includes("complete"), "the end");
        },
        { routes, path: "/late/rotating" },
      );
      assert.match(said, /eve/);
      await endAll();
    });

    for (const [does, act] of Object.entries({
      rotates: (session) => session.rotate(),
      regenerates: (session) => session.regenerate(),
      "signs in": (session) => session.signIn("bob"),
    })) {
      const routes = (app) => {
        app.post("/acting", async (req, res) => {
          req.on("data", () => undefined);
          await once(req, "may-act");
          act(req.session);
          req.on("end", () => res.end("complete"));
          res.write("begun");
        });
      };
      const more = { routes, path: "/late/acting" };

      test(`what comes while a handler ${does} is not refused: that was done, and not heard of yet`, async () => {
        const { status, said } = await after(
          async ({ slow, relay }) => {
            const committed = relay.holdBack("/requests/commit");
            slow.request.emit("may-act");
            await committed.done;
            const looked = relay.holdBack("/sessions/");
            slow.send(body.slice(3));
            await looked.done;
            looked.release();
            await until(() => relay.answered.at(-1).startsWith("/sessions/"), "the answer");
            committed.release();
          },
          { ...more, ends: "" },
        );
        assert.equal(status, 200);
        await until(() => said.includes("begun"), "the answer");
        assert.match(said, /^set-cookie: session=/im);
        await endAll();
      });

      test(`nor if it was asked about before a handler ${does}`, async () => {
        const { said } = await after(
          async ({ slow, relay }) => {
            const looked = relay.holdBack("/sessions/", "before");
            slow.send(body.slice(3));
            await looked.done;
            slow.request.emit("may-act");
            await until(() => slow.said().includes("begun"), "the beginning");
            looked.release();
            await until(() => slow.said().includes("complete"), "the end");
          },
          { ...more, ends: "" },
        );
        assert.match(said, /complete/);
        await endAll();
      });
    }

    test("a sign-out in its handler is answered as such, whatever comes meanwhile", async () => {
      const routes = (app) => {
        app.post("/leaving", async (req, res) => {
          req.on("data", () => undefined);
          req.on("error", () => undefined);
          await once(req, "may-act");
          req.session.signOut();
          res.write("begun");
        });
      };
      const { status, said } = await after(
        async ({ slow, relay }) => {
          const committed = relay.holdBack("/requests/commit");
          slow.request.emit("may-act");
          await committed.done;
          slow.send(body.slice(3));
          await until(() => relay.answered.at(-1).startsWith("/sessions/"), "the answer");
          committed.release();
        },
        { routes, path: "/late/leaving", ends: "" },
      );
      assert.equal(status, 200);
      assert.match(said, /^set-cookie: session=; .*max-age=0/im);
    });

    test("a large body comes through whole, with whoever asks meanwhile", async () => {
      const routes = (app) => {
        app.post("/sum", async (req, res) => {
          let length = 0;
          for await (const piece of req) length += piece.length;
          res.send(`${length} characters`);
        });
      };
      const length = 3_000_000;
      const first = "x".repeat(1000);
      const whole = async ({ slow }) => {
        for (let at = 0; at < 10; at++) {
          later();
          slow.send("x".repeat(299_900));
          await new Promise((resolve) => setImmediate(resolve));
        }
      };
      const { status, said } = await after(whole, { routes, length, first, path: "/late/sum", ends: "" });
      assert.equal(status, 200);
      assert.match(said, /3000000 characters/);
      await endAll();
    });

    test("who sends much and fast sees the refusal, and no connection that broke", async () => {
      const relay = await relayed(service);
      const made = await shop(express, over({ url: relay.url }));
      const cookie = `session=${made.browser.cookies.session}`;
      const headers = { cookie, "content-type": "text/plain", ...(await made.browser.proof()) };
      const arrived = once(made.server, "request");
      let pieces = 0;
      const body = new ReadableStream({
        async pull(stream) {
          if (pieces === 1) {
            const [request] = await arrived;
            await waiting({ request });
            await endAll();
            later();
          }
          if (pieces++ < 60) stream.enqueue(new Uint8Array(500_000));
          else stream.close();
        },
      });
      const path = `${made.origin}/late/${encodeURIComponent("for await")}`;
      const answer = await fetch(path, { method: "POST", headers, body, duplex: "half" });
      assert.deepEqual([answer.status, (await answer.json()).code], [401, "session_ended"]);
      made.server.closeAllConnections();
      made.close();
      relay.close();
    });

    test("a client that goes while the service is asked is no error", async () => {
      const { failed } = await after(async ({ relay, slow }) => {
        relay.hangs = true;
        const before = relay.asked.length;
        slow.send(body.slice(3));
        await until(() => relay.asked.length > before, "the question");
        slow.end();
        await until(() => slow.request.destroyed, "the end");
        relay.hangs = false;
      });
      assert.equal(failed.length, 1);
      await endAll();
    });
  });
}
