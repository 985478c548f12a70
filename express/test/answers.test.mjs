// What an answer that waits for its session is in the end: what was decided when it began.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";

import express5 from "express";
import express4 from "express4";

import { holdfast } from "../dist/esm/index.js";
import { Service, listening, played, until } from "./service.mjs";

let service;
before(async () => (service = await Service.start()));
after(() => service.stop());

const over = (url = service.url, more = {}) => holdfast({ url, serviceKey: service.key, ...more });

for (const [name, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(name, () => {
    test("a mistake after the answer does not mix with it", async () => {
      const sessions = over();
      const app = express();
      app.use(sessions);
      app.get("/late", (req, res) => {
        req.session.seen = 1;
        res.appendHeader("X-List", ["a", "b"]);
        res.set("X-Own", "1").status(201).send("x".repeat(500));
        throw new Error("after the answer");
      });
      app.use((_error, _req, res, _next) => {
        res.appendHeader("X-List", "c");
        res.status(500).set("Content-Length", "5").set("X-Other", "1").send("wrong");
      });
      const { origin, server, close } = await listening(app);
      const client = connect(server.address().port, "127.0.0.1");
      client.write(`GET /late HTTP/1.1\r\nHost: ${new URL(origin).host}\r\nConnection: close\r\n\r\n`);
      const text = Buffer.concat(await client.toArray()).toString();
      const [head, body] = text.split("\r\n\r\n");
      assert.match(head, /^HTTP\/1.1 201 Created\r\n/);
      assert.match(head, /\r\nContent-Length: 500\r\n/i);
      assert.match(head, /\r\nX-Own: 1\r\n/i);
      assert.match(head, /\r\nSet-Cookie: /i);
      assert.doesNotMatch(head, /X-Other/i);
      assert.deepEqual(head.toLowerCase().match(/x-list: ./g), ["x-list: a", "x-list: b"]);
      assert.equal(body, "x".repeat(500));
      close();
      sessions.close();
    });

    test("headers in a list replace those that were set, and may come twice", async () => {
      const sessions = over();
      const app = express();
      app.use(sessions);
      app.get("/list", (_req, res) => {
        res.setHeader("Content-Type", "text/html");
        res.setHeader("X-Kept", "1");
        res.writeHead(200, ["Content-Type", "text/plain", "X-Twice", "a", "X-Twice", "b"]);
        res.end("x");
      });
      app.get("/lists", (_req, res) => {
        res.writeHead(200, ["X-Many", ["a", "b"], "X-One", "c"]).end();
      });
      app.get("/pairs", (_req, res) => {
        res.writeHead(200, [
          ["X-Many", ["a", "b"]],
          ["X-One", "c"],
        ]);
        res.end();
      });
      const { origin, close } = await listening(app);
      const { headers } = await fetch(`${origin}/list`);
      assert.deepEqual(
        ["content-type", "x-kept", "x-twice"].map((each) => headers.get(each)),
        ["text/plain", "1", "a, b"],
      );
      for (const path of ["/lists", "/pairs"]) {
        const { headers } = await fetch(origin + path);
        assert.deepEqual([path, headers.get("x-many"), headers.get("x-one")], [path, "a, b", "c"]);
      }
      close();
      sessions.close();
    });

    test("who has been answered meanwhile reaches no handler", async () => {
      for (const refused of [true, false]) {
        let judge, giveUp;
        const hangs = await played((_request, response) => {
          const reply = refused ? { status: 403, headers: [], body: "no" } : null;
          judge = () => response.end(JSON.stringify({ reply, session: null, via: null, proof: null }));
        });
        const sessions = over(hangs.url, { maxAge: 0 });
        const app = express();
        let reached = 0;
        app.use((_req, res, next) => {
          giveUp = () => res.status(504).write("late");
          res.on("finish", () => (reached += 10));
          next();
          app.end = () => res.end(", and whole");
        });
        app.use(sessions);
        app.use((_req, _res, _next) => (reached += 1));
        const { origin, close } = await listening(app);
        const asking = fetch(`${origin}/`, { headers: { cookie: "session=x" } });
        await until(() => judge !== undefined, "the question");
        giveUp();
        const answer = await asking;
        judge();
        await until(() => hangs.answered.length > 0, "the judgement");
        for (let at = 0; at < 20; at++) await new Promise((resolve) => setImmediate(resolve));
        app.end();
        assert.deepEqual([answer.status, await answer.text()], [504, "late, and whole"]);
        assert.equal(reached, 10);
        close();
        sessions.close();
        hangs.close();
      }
    });
  });
}
