"""Streams of threads end with their session, when there is a chunk to send."""

from itertools import count

import flask
import pytest

from holdfast.errors import SessionEnded, StoreUnavailable
from holdfast.testing import sign_in
from holdfast.web import flask as holdfast
from holdfast.web import lasting, wsgi, wsgi_stream
from slow_bodies import time_in

BOUND = 1.0
PLAIN, EVENTS = "text/plain", "text/event-stream"


@pytest.fixture
def passing(monkeypatch):
    """Time, as streams see it, in seconds."""
    return time_in(monkeypatch, lasting, wsgi_stream)


@pytest.fixture
def reads(parts, monkeypatch):
    """How often the store was asked for a session; while `away` is in it, in vain."""
    real, asked = parts.blocking_store.get, []

    def get(*arguments, **named):
        if "away" in asked:
            raise StoreUnavailable("the store is away")
        asked.append("get")
        return real(*arguments, **named)

    monkeypatch.setattr(parts.blocking_store, "get", get)
    return asked


@pytest.fixture
def opened(app, browser):
    """Open a stream of numbers: its chunks, and a list that is not empty once it was closed."""
    sign_in(browser, subject="ada")
    closed = []

    def opened(kind=PLAIN, *, look=True, **headers):
        def chunks():
            try:
                for number in count():
                    yield b"%d" % number
            finally:
                closed.append(True)

        def view():
            if look:
                assert holdfast.session.subject == "ada"
            return flask.Response(chunks(), content_type=kind, headers=headers)

        app.add_url_rule("/stream", "stream", view)
        answer = browser.get("/stream", buffered=False)
        return answer, iter(answer.response), closed

    return opened


def session_of(parts):
    (record,) = parts.blocking_store.page("ada").records
    return record.id


def test_a_stream_is_cut_off_when_its_session_has_ended(opened, parts, passing):
    """Nobody takes a part for the whole, and the generator is closed."""
    answer, chunks, closed = opened()
    assert [next(chunks), next(chunks)] == [b"0", b"1"]
    parts.blocking.revoke(session_of(parts))
    assert next(chunks) == b"2", "within the bound"
    passing[0] += BOUND
    with pytest.raises(SessionEnded):
        next(chunks)
    answer.close()
    assert closed == [True]


def test_a_stream_of_events_just_ends(opened, parts, passing):
    """Its client comes back, and gets 401."""
    _, chunks, _ = opened(EVENTS)
    assert next(chunks) == b"0"
    parts.blocking.revoke(session_of(parts))
    passing[0] += BOUND
    assert next(chunks, None) is None


def test_a_session_that_lives_is_looked_at_twice_in_the_bound(opened, passing, reads):
    """However much is sent, and is then believed again (P37)."""
    _, chunks, _ = opened()
    reads.clear()
    for _ in range(400):
        next(chunks)
        passing[0] += BOUND / 100
    assert 7 <= len(reads) <= 8


def test_it_is_over_by_time(opened, clock, passing):
    """What nobody has to tell of."""
    _, chunks, _ = opened()
    next(chunks)
    clock.advance(25 * 3_600_000)
    passing[0] += BOUND
    with pytest.raises(SessionEnded):
        next(chunks)


def test_a_store_that_cannot_say(opened, passing, reads):
    """It goes on within the bound, and not beyond; once the store is back in time, it does."""
    _, chunks, _ = opened()
    next(chunks)
    reads.append("away")
    passing[0] += BOUND * 0.6
    next(chunks)
    reads.clear()
    next(chunks)
    reads.append("away")
    passing[0] += BOUND
    with pytest.raises(StoreUnavailable):
        next(chunks)
    assert next(chunks, None) is None


@pytest.mark.parametrize("how", [{"look": False}, {"Content_Length": "9"}])
def test_what_is_not_followed(opened, parts, passing, reads, how):
    """A view that did not look at the session, and a download that says how long it is."""
    _, chunks, _ = opened(
        **{name.replace("_", "-") if name != "look" else name: how[name] for name in how}
    )
    parts.blocking.revoke(session_of(parts))
    reads.clear()
    passing[0] += BOUND
    assert [next(chunks), reads] == [b"0", []]


def test_an_application_that_starts_late(parts, browser, passing):
    """With its first chunk, as PEP 3333 allows."""
    session = sign_in(browser, subject="ada")
    cookie = f"__Host-session={session.cookie}"

    def application(environ, start_response):
        assert wsgi.exchange_of(environ).session.subject == "ada"
        start_response("200 OK", [("Content-Type", EVENTS)])
        yield b"0"
        yield b"1"

    middleware = wsgi.HoldfastMiddleware(application, parts.blocking_chain)
    environ = flask.Flask("x").test_request_context(base_url="https://localhost").request.environ
    chunks = iter(middleware({**environ, "HTTP_COOKIE": cookie}, lambda *_: None))
    assert next(chunks) == b"0"
    parts.blocking.revoke(session_of(parts))
    passing[0] += BOUND
    assert next(chunks, None) is None


class Lines:
    """A body that is its own iterator, as that of a file: what it holds is given back once."""

    def __init__(self, start_response):
        self.start_response = start_response
        self.closed = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.start_response is not None:
            self.start_response("200 OK", [("Content-Type", EVENTS)])
            self.start_response = None
        return b"line"

    def close(self):
        self.closed += 1


def test_a_client_that_goes_closes_a_late_body_once(parts, browser):
    """Twice would give a connection back to its pool twice."""
    session = sign_in(browser, subject="ada")
    bodies = []

    def application(environ, start_response):
        assert wsgi.exchange_of(environ).session.subject == "ada"
        bodies.append(Lines(start_response))
        return bodies[0]

    middleware = wsgi.HoldfastMiddleware(application, parts.blocking_chain)
    environ = flask.Flask("x").test_request_context(base_url="https://localhost").request.environ
    cookie = f"__Host-session={session.cookie}"
    chunks = iter(middleware({**environ, "HTTP_COOKIE": cookie}, lambda *_: None))
    assert [next(chunks), next(chunks)] == [b"line", b"line"]
    chunks.close()
    assert bodies[0].closed == 1
