"""One vocabulary for both faces of the engine: every test runs through coroutines and through threads."""

import asyncio
import inspect
import os

from holdfast import AsyncSessions, ClientFacts, KeyRing, Sessions, Settings
from holdfast.record import encode
from holdfast.stores import open_both
from holdfast.testing import FakeClock, HookedStore

FACES = ("async", "threads")
BACKENDS = ("memory", "sqlite")

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

FIREFOX = ClientFacts("192.0.2.7", "Mozilla/5.0 (X11; Linux) Gecko/20100101 Firefox/140.0", "r-1")
CHROME = ClientFacts("192.0.2.8", "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36", "r-2")

KEYS = KeyRing.generate(lambda size: bytes(range(size)), environment="production")


class Face:
    """An engine whose calls are all blocking, whichever face it has."""

    def __init__(self, engine, loop=None):
        self.engine = engine
        self._loop = loop

    def __getattr__(self, name):
        found = getattr(self.engine, name)
        if not callable(found):
            return found

        def call(*args, **kwargs):
            result = found(*args, **kwargs)
            return self._loop.run_until_complete(result) if inspect.isawaitable(result) else result

        return call


class World(Face):
    """An engine over a hooked store, and `other`: the same sessions as another process sees them.

    `events` are those of both; `touches` are collected only if the world was made with `collects`.
    """

    def __init__(self, face, backend, folder, *, keys=KEYS, collects=False, sinks=(), **settings):
        self.clock = FakeClock()
        self.keys = keys
        self.events = []
        self.touches = []
        self.backend = backend
        url = "memory://" if backend == "memory" else f"sqlite:///{folder}/sessions.db"
        self.opened = open_both(url)
        chosen = self.opened.asynchronous if face == "async" else self.opened.blocking
        self.store = HookedStore(chosen)
        self.raw = self.opened.blocking
        self._sinks = (*sinks, self.events.append)
        self._collect = self.touches.append if collects else None
        loop = asyncio.new_event_loop() if face == "async" else None
        engine = self._engine(face, self.store, Settings(**settings))
        super().__init__(engine, loop)
        self.other = self.elsewhere(**settings)

    def elsewhere(self, **settings):
        """The engine of another process over the same records, perhaps with other settings."""
        return Face(self._engine("threads", self.raw, Settings(**settings)))

    def _engine(self, face, store, settings):
        parts = {"clock": self.clock, "entropy": os.urandom, "sinks": self._sinks}
        face = AsyncSessions if face == "async" else Sessions
        return face(store, settings, self.keys, collect=self._collect, **parts)

    def close(self):
        if self._loop is not None:
            self._loop.close()
        self.raw.close()

    # What tests do all the time

    def anonymous(self, **data):
        """The cookie of a visitor who is not signed in, with some data."""
        session = self.begin(None, FIREFOX)
        session.update(data or {"theme": "dark"})
        self.commit(session)
        return session.cookie

    def login(self, subject="ada", *, cookie=None, client=FIREFOX, **options):
        """The session of a new sign-in; `session.cookie` is what the client got."""
        session = self.begin(cookie, client)
        self.sign_in(session, subject, **options)
        return session

    def tokens(self, subject="ada", **options):
        """The tokens of a new sign-in."""
        return self.issue_tokens(self.login(subject, **options))

    def lives(self, cookie):
        """Whether a cookie counts for another process."""
        return self.other.begin(cookie).reason is None

    def stored(self, id):
        """The record as it is stored; None if there is none."""
        return self.raw.get(id, now=self.clock()).record

    def names(self):
        """The names of all events so far."""
        return [str(event.name) for event in self.events]

    def overwrite(self, id, raw):
        """Put other bytes where a record is, as a damaged disk or another release would."""
        raw = raw if isinstance(raw, bytes) else encode(raw)
        if self.backend == "memory":
            rows = self.raw._table.rows
            rows[id] = rows[id].changed(raw=raw)
        else:
            self.raw.core.write(
                lambda db: db.execute("UPDATE sessions SET body = ? WHERE id = ?", (raw, id))
            )


def claims_of(engine, token, kind="access"):
    """What a token says, without asking whether its session lives."""
    return engine.verify_token(token, kind, stateless=True).claims
