"""Requests whose bodies are held back: the rest of one is worth nothing once its session has ended."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Annotated

import flask
import pytest
from fastapi import Depends, FastAPI, Form, Request

from held.loop import HOST, Site, in_a_loop, until
from held.site import SECRET, settings
from holdfast.assembly import assemble
from holdfast.chain import Request as Facts
from holdfast.session import Session
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, MemoryStore
from holdfast.web import asgi, lasting, wsgi_exchange
from holdfast.web import flask as holdfast
from holdfast.web.fastapi import Holdfast, require
from slow_bodies import Slow, time_in

BODY = b'{"to": "eve"}'
FORM = b"csrf_token="
LATER = 1.0
"""Seconds; many times the bound of these sites."""


@pytest.fixture
def passing(monkeypatch):
    """Time, as requests see it, in seconds."""
    return time_in(monkeypatch, lasting, asgi, wsgi_exchange)


def shop(assembly):
    app = FastAPI()
    Holdfast(app, assembly=assembly)
    app.state.paid = []

    @app.post("/pay")
    def pay(order: dict, session=Depends(require)):
        app.state.paid.append((session.subject, order["to"]))

    @app.post("/pieces")
    async def pieces(request: Request, session=Depends(require)):
        app.state.paid.append([piece async for piece in request.stream()])

    @app.post("/form")
    def form(session=Depends(require)):
        app.state.paid.append(session.subject)

    app.mount("/both", answering_and_listening)

    @app.post("/field")
    def field(to: Annotated[str, Form()], session=Depends(require)):
        app.state.paid.append((session.subject, to))

    return app


async def answering_and_listening(scope, receive, send):
    scope["session"]["seen"] = True
    start = {"type": "http.response.start", "status": 200, "headers": []}
    answer = asyncio.create_task(send(start))
    with suppress(OSError):
        await receive()
    await answer
    await send({"type": "http.response.body", "body": b"done"})


class Half:
    """A POST of which the headers have come; `send` brings what follows."""

    def __init__(self, site, session, path, **headers):
        self.incoming = asyncio.Queue()
        self.sent = []
        self.waits = 0
        token = site.sessions_csrf(session)
        lines = {
            "host": HOST,
            "origin": f"http://{HOST}",
            "cookie": f"session={session.cookie}",
            "content-type": "application/json",
            "x-csrf-token": token,
        } | headers
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), text.encode()) for name, text in lines.items() if text],
            "client": ("127.0.0.1", 4711),
            "server": (HOST, 80),
        }
        self.task = asyncio.create_task(site.app(self.scope, self._receive, self._send))

    async def waiting(self, times=1):
        await until(lambda: self.waits >= times)
        return self

    def send(self, body, *, more=False):
        self.incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})

    async def status(self):
        await asyncio.wait({self.task}, timeout=20)
        self.task.result()
        return self.sent[0]["status"]

    async def _receive(self):
        self.waits += 1
        return await self.incoming.get()

    async def _send(self, message):
        self.sent.append(message)


class Shop(Site):
    def __init__(self, **changes):
        super().__init__(app=shop, **changes)

    @property
    def paid(self):
        return self.app.state.paid

    def sessions_csrf(self, session):
        return csrf_of(self.assembly, session)


def csrf_of(assembly, session):
    headers = {"cookie": f"session={session.cookie}", "host": HOST}
    chain = assembly.blocking_chain
    facts = Facts("GET", "http", HOST, "/", "127.0.0.1", headers)
    visit = chain.arrive(facts)
    assert chain.identify_at_once(visit)
    return chain.csrf.token(visit)


@pytest.mark.parametrize("path", ["/pay", "/pieces"])
@in_a_loop
async def test_the_rest_comes_after_the_end(path, passing):
    """A thief's half-sent request is refused like a new one, and no handler gets it."""
    site = Shop()
    session = site.sign_in()
    half = await Half(site, session, path).waiting()
    half.send(BODY[:4], more=True)
    await half.waiting(2)
    site.sessions.revoke_all("ann")
    passing[0] += LATER
    half.send(BODY[4:])
    assert await half.status() == 401
    assert site.paid == []
    assert [each["type"] for each in half.sent] == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("path", ["/form", "/field"])
@in_a_loop
async def test_its_judge_was_kept_waiting(path, passing):
    """The chain itself reads a form that may have the token; the handler may read nothing."""
    site = Shop()
    session = site.sign_in()
    token = site.sessions_csrf(session)
    kind = "application/x-www-form-urlencoded"
    more = {"content-type": kind, "x-csrf-token": "", "sec-fetch-site": "same-origin"}
    half = await Half(site, session, path, **more).waiting()
    half.send(FORM, more=True)
    await half.waiting(2)
    site.sessions.revoke_all("ann")
    passing[0] += LATER
    half.send(token.encode() + b"&to=eve")
    assert await half.status() == 401
    assert site.paid == []


@pytest.mark.parametrize("first", [0, 1], ids=["the answer first", "the refusal first"])
@in_a_loop
async def test_it_comes_while_an_answer_begins(first, passing, monkeypatch):
    """A handler may listen to its client meanwhile: one of two answers is sent."""
    site = Shop()
    session = site.sign_in()
    chain, commits, may_end = site.assembly.chain, [], [asyncio.Event(), asyncio.Event()]
    commit = chain.commit

    async def slow(visit, status):
        commits.append(status)
        await may_end[len(commits) - 1].wait()
        return await commit(visit, status)

    monkeypatch.setattr(chain, "commit", slow)
    half = await Half(site, session, "/both/").waiting()
    await until(lambda: len(commits) == 1)
    passing[0] += LATER
    site.sessions.revoke_all("ann")
    half.send(BODY)
    await until(lambda: len(commits) == 2)
    may_end[first].set()
    await until(lambda: half.sent)
    may_end[1 - first].set()
    assert await half.status() == 401
    assert [each["type"] for each in half.sent] == ["http.response.start", "http.response.body"]


@in_a_loop
async def test_a_slow_body_of_a_session_that_lives(passing):
    """It is let through whole, and costs two reads in the bound, however many its pieces."""
    site = Shop()
    session = site.sign_in()
    half = await Half(site, session, "/pieces").waiting()
    before = site.reads
    for _ in range(100):
        passing[0] += 0.01
        half.send(b"x", more=True)
    half.send(b"")
    assert await half.status() == 200
    assert b"".join(site.paid[0]) == b"x" * 100
    assert 0 < site.reads - before <= 21


@in_a_loop
async def test_a_body_that_comes_at_once_costs_nothing(passing):
    site = Shop()
    session = site.sign_in()
    half = await Half(site, session, "/pay").waiting()
    before = site.reads
    half.send(BODY)
    assert await half.status() == 200
    assert site.paid == [("ann", "eve")]
    assert site.reads == before


@pytest.mark.parametrize(("stale", "status"), [(0, 503), (60, 200)])
@in_a_loop
async def test_nobody_knows_whether_it_has_ended(stale, status, passing):
    site = Shop(cache=bool(stale), stale_reads=timedelta(seconds=stale))
    session = site.sign_in()
    half = await Half(site, session, "/pay").waiting()
    site.away()
    passing[0] += LATER
    half.send(BODY)
    assert await half.status() == status
    assert site.paid == ([("ann", "eve")] if stale else [])


@pytest.fixture
def threaded():
    """A shop of threads: it, its store, and somebody signed in."""
    memory = MemoryStore()
    store = Opened(memory, AsyncMemoryStore(memory))
    bound = timedelta(milliseconds=100)
    parts = assemble(settings(cache_bound=bound), secret=SECRET, store=store, audit=[])
    app = flask.Flask("shop")
    holdfast.Holdfast(app, assembly=parts)
    app.paid = []

    @app.post("/pay")
    @holdfast.require
    def pay():
        app.paid.append(flask.request.get_json()["to"])
        return {}

    @app.post("/form")
    @holdfast.require
    def form():
        app.paid.append("form")
        return {}

    session = Session()
    parts.blocking.sign_in(session, "ann")
    yield app, parts, session
    parts.close()


def posted(app, parts, session, path, body, happens, **headers):
    token = csrf_of(parts, session)
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": HOST,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": HOST,
        "HTTP_ORIGIN": f"http://{HOST}",
        "HTTP_COOKIE": f"session={session.cookie}",
        "HTTP_X_CSRF_TOKEN": token,
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": Slow(body, happens),
    } | headers
    status = []
    environ = {name: value for name, value in environ.items() if value != ""}
    answer = app(environ, lambda text, *_: status.append(int(text[:3])))
    list(answer)
    return status[0]


def test_in_threads_the_rest_comes_after_the_end(threaded, passing):
    app, parts, session = threaded

    def ends():
        parts.blocking.revoke_all("ann")
        passing[0] += LATER

    assert posted(app, parts, session, "/pay", BODY, ends) == 401
    assert app.paid == []


def test_in_threads_its_judge_was_kept_waiting(threaded, passing):
    """A form is read for its token before the application is asked, which may read nothing."""
    app, parts, session = threaded
    body = FORM + csrf_of(parts, session).encode()
    kind = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "HTTP_X_CSRF_TOKEN": ""}

    def ends():
        parts.blocking.revoke_all("ann")
        passing[0] += LATER

    assert posted(app, parts, session, "/form", body, lambda: None, **kind) == 200
    assert posted(app, parts, session, "/form", body, ends, **kind) == 401
    assert app.paid == ["form"]


def test_in_threads_a_slow_body_of_a_session_that_lives(threaded, passing):
    app, parts, session = threaded

    def slowly():
        passing[0] += LATER

    assert posted(app, parts, session, "/pay", BODY, slowly) == 200
    assert app.paid == ["eve"]
