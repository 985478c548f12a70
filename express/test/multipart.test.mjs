// Uploads by multer: the CSRF token in a field of the form, or in a header with the guard before the upload.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";

import express5 from "express";
import express4 from "express4";
import multer from "multer";

import { holdfast } from "../dist/esm/index.js";
import { startService } from "../dist/esm/testing.js";
import { command, until } from "./service.mjs";

let service;
before(async () => (service = await startService({ command })));
after(() => service.stop());

/** Keeps nothing, and counts who wanted it to. */
class Counting {
  begun = 0;
  whole = 0;

  _handleFile(_request, { stream }, done) {
    this.begun++;
    let size = 0;
    stream.on("data", (piece) => (size += piece.length));
    stream.on("error", done).on("end", () => (this.whole++, done(null, { size })));
  }

  _removeFile(_request, _file, done) {
    done(null);
  }
}

function shop(express, sessions) {
  const app = express();
  const storage = new Counting();
  const upload = multer({ storage });
  const done = (req, res) => {
    req.session.uploads = (req.session.uploads ?? 0) + 1;
    res.json({ user: req.session.subject, note: req.body.note, size: req.file?.size });
  };
  // The token is in the body: that is read first, by whoever sends it.
  app.post("/form", upload.single("photo"), sessions, sessions.requireAuth, done);
  // The token is in a header: nothing is read before the guard.
  app.post("/api", sessions, sessions.requireAuth, upload.single("photo"), done);
  app.use(sessions.errors);
  app.use((error, _req, res, _next) => {
    app.failed = error;
    if (!res.headersSent) res.status(500).end();
  });
  return { app, storage };
}

/** A form with a file of so many characters. */
function form(size, fields = {}) {
  const made = new FormData();
  for (const [name, texts] of Object.entries(fields))
    for (const text of [texts].flat()) made.append(name, text);
  made.append("photo", new Blob(["x".repeat(size)], { type: "image/png" }), "photo.png");
  return made;
}

for (const [version, express] of Object.entries({ "Express 4": express4, "Express 5": express5 })) {
  describe(version, () => {
    let sessions, app, storage, ada;
    before(async () => {
      sessions = holdfast(service);
      ({ app, storage } = shop(express, sessions));
      ada = service.client(app);
      await ada.signIn("ada");
    });
    after(() => sessions.close());

    const post = async (path, body, csrf = false, headers = {}) => {
      const answer = await ada.post(path, body, { csrf, headers });
      return [answer.status, await answer.json()];
    };

    test("a field of the form is a token", async () => {
      const token = await ada.csrfToken();
      const sent = form(100_000, { csrf_token: token, note: "on the beach" });
      const [status, said] = await post("/form", sent);
      assert.deepEqual([status, said], [200, { user: "ada", note: "on the beach", size: 100_000 }]);
    });

    test("none, a wrong one, and two are none", async () => {
      const token = await ada.csrfToken();
      for (const csrf_token of [[], "no-token", [token, token], [""]]) {
        const [status, said] = await post("/form", form(100, { csrf_token }));
        assert.deepEqual([csrf_token, status, said.code], [csrf_token, 403, "csrf_failed"]);
      }
      const [status] = await post("/form", form(100, { csrf_token: token }), false, { "X-CSRF-Token": "no" });
      assert.equal(status, 403);
    });

    test("a header is a token, and without it nothing is stored", async () => {
      const [status, said] = await post("/api", form(100_000, { note: "by a script" }), true);
      assert.deepEqual([status, said], [200, { user: "ada", note: "by a script", size: 100_000 }]);
      const { begun } = storage;
      const token = await ada.csrfToken();
      for (const refused of [form(100), form(100, { csrf_token: token })]) {
        const [status, said] = await post("/api", refused);
        assert.deepEqual([status, said.code], [403, "csrf_failed"]);
      }
      assert.equal(storage.begun, begun);
    });

    test("an upload whose session ends meanwhile is refused, and is no file", async () => {
      const { whole, begun } = storage;
      const eve = service.client(app);
      await eve.signIn("eve");
      const { now } = performance;
      const body = new ReadableStream({
        async start(stream) {
          const lines = [
            "--here",
            'Content-Disposition: form-data; name="photo"; filename="a.png"',
            "",
            "begun",
          ];
          stream.enqueue(new TextEncoder().encode(lines.join("\r\n")));
          await until(() => storage.begun > begun, "the upload");
          await sessions.sessionManager.logoutEverywhere("eve");
          performance.now = () => now.call(performance) + 1000;
          stream.enqueue(new TextEncoder().encode("\r\n--here--\r\n"));
          stream.close();
        },
      });
      const server = app.listen(0, "127.0.0.1");
      await once(server, "listening");
      const headers = {
        Cookie: eve.cookie,
        "X-CSRF-Token": await eve.csrfToken(),
        "Content-Type": "multipart/form-data; boundary=here",
      };
      const address = `http://127.0.0.1:${server.address().port}/api`;
      const answer = await fetch(address, { method: "POST", headers, body, duplex: "half" });
      performance.now = now;
      assert.deepEqual([answer.status, (await answer.json()).code], [401, "session_ended"]);
      assert.equal(storage.whole, whole);
      server.closeAllConnections();
      server.close();
    });
  });
}
