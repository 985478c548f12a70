"""The stream of changes: what it tells, what its proofs mean, and its bounds."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from holdfast.protocols import Told
from holdfast.service.backend import changes, streams
from holdfast.service.backend import keys as service_keys
from service.clients import bearer, outcome

KEY = "hfk1_" + "k" * 43
NARROW = "hfk1_" + "n" * 43
PATH = "/backend/v1/changes"


@pytest.fixture
def variables():
    entries = (
        service_keys.entry("shop", service_keys.SCOPES, KEY),
        service_keys.entry("narrow", ["tokens"], NARROW),
    )
    return {"SERVICE_KEYS": ", ".join(entries)}


class Seconds:
    """The clock of the proofs; it stands still until a test moves it."""

    def __init__(self):
        self.now = 5000.0

    def __call__(self):
        return self.now


class Stream:
    """A stream that a test reads; it ends with the test."""

    def __init__(self, app, key):
        self._events = asyncio.Queue()
        self._gone = asyncio.Event()
        self._asked = False
        headers = [(b"host", b"127.0.0.1:8080"), (b"authorization", b"Bearer " + key.encode())]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8080),
        }
        self.status = None
        self.task = asyncio.ensure_future(app(self._scope, self._receive, self._send))

    async def _receive(self):
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        self.status = message.get("status", self.status)
        text = message.get("body", b"").decode() if self.status == 200 else ""
        for block in text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
            if lines:
                self._events.put_nowait((lines["event"], json.loads(lines["data"])))

    async def event(self, *names):
        """The next event of these names; others are passed over."""
        async with asyncio.timeout(30):
            while True:
                name, data = await self._events.get()
                if name in names:
                    return data

    async def until_proof(self):
        """All that comes before the next proof, and the proof."""
        async with asyncio.timeout(30):
            found = []
            while True:
                name, data = await self._events.get()
                if name == "proof":
                    return found, data
                found.append((name, data))

    async def close(self):
        self._gone.set()
        await self.task


@asynccontextmanager
async def opened(app, key=KEY):
    stream = Stream(app, key)
    try:
        yield stream
    finally:
        await stream.close()


@pytest.fixture
def ask(client):
    def ask(method, path, body=None, *, key=KEY):
        options = {} if body is None else {"json": body}
        answer = client.request(method, "/backend/v1" + path, headers=bearer(key), **options)
        return answer.json() if answer.status_code < 300 else outcome(answer)

    return ask


@pytest.fixture
def signed_in(ask):
    return ask("POST", "/sessions", {"subject": "ada"})


def test_a_change_is_told_before_the_proof_that_covers_it(app, context, signed_in):
    """Whoever believes the proof has forgotten the session already."""
    id = signed_in["session"]["id"]

    async def scenario():
        async with opened(app) as stream:
            await stream.until_proof()
            await context.sessions.revoke(id)
            acknowledged_at = changes.moment() * 1000
            found, proof = await stream.until_proof()
            while proof["at"] <= acknowledged_at:
                more, proof = await stream.until_proof()
                found += more
            return found

    assert ("changed", {"ids": [id]}) in asyncio.run(scenario())


def test_the_end_of_everyone_is_told_as_forget(app, context):
    """No list could be long enough."""

    async def scenario():
        async with opened(app) as stream:
            await stream.until_proof()
            await context.sessions.revoke_everyone()
            await stream.event("forget")

    asyncio.run(scenario())


def test_a_proof_is_on_the_clock_that_open_names(app, client, monkeypatch):
    """Proofs are rounded down and answers up, so that rounding never makes anybody believe more."""
    clock = Seconds()
    clock.now = 5000.0005
    monkeypatch.setattr(changes, "moment", clock)

    async def scenario():
        async with opened(app) as stream:
            return await stream.event("open"), await stream.event("proof")

    opening, proof = asyncio.run(scenario())
    asked = client.get(PATH + "/clock", headers=bearer(KEY)).json()
    assert opening["now"] == asked["now"] == 5_000_001
    assert opening["clock"] == asked["clock"]
    assert opening["bound_ms"] == 1000
    assert isinstance(proof["at"], int)


def test_a_proof_is_rounded_down(app, context, monkeypatch):
    """A part of a millisecond later something may have changed that was not told."""

    class Late:
        async def take(self):
            return Told((), heard_at=5000.0009)

        def close(self):
            pass

    monkeypatch.setattr(context.assembly.changes, "watch", Late, raising=False)

    async def scenario():
        async with opened(app) as stream:
            return await stream.event("proof")

    assert asyncio.run(scenario())["at"] == 5_000_000


def test_nothing_is_proved_while_the_store_is_not_heard(app, context, monkeypatch):
    """The stream stays open and says so, and its clients believe nothing."""
    from holdfast.stores.changes import UNKNOWN

    class Deaf:
        async def take(self):
            return UNKNOWN

        def close(self):
            pass

    source = context.assembly.changes
    monkeypatch.setattr(source, "watch", Deaf, raising=False)

    async def scenario():
        async with opened(app) as stream:
            for _ in "123":
                assert await stream.event("forget", "proof") == {}

    asyncio.run(scenario())


def test_a_stream_needs_its_scope(client):
    """401 without a key, 403 with one that is for something else."""
    for path in (PATH, PATH + "/clock"):
        assert outcome(client.get(path)) == (401, "unauthenticated")
        assert outcome(client.get(path, headers=bearer(NARROW))) == (403, "scope_missing")


def test_a_key_has_so_many_streams(app, context, client, monkeypatch):
    """One more is refused, until one of them ends."""
    monkeypatch.setattr(streams, "MOST", 2)

    async def scenario():
        async with opened(app) as first:
            async with opened(app) as second:
                await first.event("open")
                await second.event("open")
                third = Stream(app, KEY)
                await third.task
                assert third.status == 429
            fourth = Stream(app, KEY)
            await fourth.event("open")
            await fourth.close()

    asyncio.run(scenario())


def test_who_does_not_read_is_let_go(app, monkeypatch):
    """A client that accepts nothing keeps no stream open, and no room for others."""
    monkeypatch.setattr(changes, "_PATIENCE", 0.01)

    class Stuck(Stream):
        async def _send(self, message):
            await super()._send(message)
            if message["type"] == "http.response.body":
                await asyncio.sleep(3600)

    async def scenario():
        stream = Stuck(app, KEY)
        async with asyncio.timeout(30):
            await stream.task

    asyncio.run(scenario())


def test_while_sessions_move_there_is_no_stream(app, context, client):
    """A pair of stores cannot tell; 503, and clients keep nothing."""
    object.__setattr__(context.assembly, "changes", None)
    answer = client.get(PATH, headers=bearer(KEY))
    assert outcome(answer) == (503, "no_changes")
    assert "Retry-After" in answer.headers


# What may be kept


def facts(cookie):
    return {
        "method": "GET",
        "scheme": "http",
        "host": "127.0.0.1:8080",
        "path": "/",
        "peer": "127.0.0.1",
        "headers": {"host": "127.0.0.1:8080", "cookie": f"session={cookie}"},
    }


def test_a_reading_names_the_node_that_the_stream_hears(app, ask, signed_in):
    """By session and by request; so a client can tell readings that the stream does not cover."""
    read = ask("GET", f"/sessions/{signed_in['session']['id']}")
    body = {"request": facts(signed_in["cookie"]), "keep": True}
    begun = ask("POST", "/requests/begin", body)

    async def scenario():
        async with opened(app) as stream:
            return await stream.event("proof")

    assert [read["keep"]["node"]] == asyncio.run(scenario())["nodes"]
    assert begun["keep"] == read["keep"]
    assert "keep" not in ask("POST", "/requests/begin", body | {"keep": False})


def test_a_reading_is_kept_until_activity_is_due(ask, signed_in, clock, context):
    """At most a minute; then a request must tell the service that somebody is there."""
    path = f"/sessions/{signed_in['session']['id']}"
    assert ask("GET", path)["keep"]["for_ms"] == 60_000
    clock.advance(45_000)
    assert ask("GET", path)["keep"]["for_ms"] == 15_000
    clock.advance(45_000)
    assert ask("GET", path)["keep"]["for_ms"] == 60_000  # its commit notes the activity


def test_a_reading_is_not_kept_beyond_the_session(ask, signed_in, clock, context):
    """Its end comes without any change."""
    clock.advance(24 * 3_600_000 + 60_000)
    keep = ask("GET", f"/sessions/{signed_in['session']['id']}")["keep"]
    assert 0 < keep["for_ms"] < 60_000


def test_what_changed_meanwhile_is_not_kept(ask, signed_in, context, monkeypatch):
    """A cache of the service answered, and the store has another version already."""
    from holdfast.service.backend import requests

    kept_of = requests.kept_of

    async def overtaken(context, session):
        await context.sessions.load(session.id)
        loaded = await context.sessions.load(session.id)
        loaded["n"] = 1
        await context.sessions.commit(loaded)
        return await kept_of(context, session)

    monkeypatch.setattr(requests, "kept_of", overtaken)
    body = {"request": facts(signed_in["cookie"]), "keep": True}
    assert ask("POST", "/requests/begin", body)["keep"] is None


def test_nobodys_request_is_not_kept(ask):
    """Not signed in is an answer of a moment."""
    assert ask("POST", "/requests/begin", {"request": facts("x"), "keep": True})["keep"] is None
