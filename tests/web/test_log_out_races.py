"""A log-out among slow requests of the same session, in real threads on a real file (P1, promise 1).

Whatever the slow ones do, and whichever comes first: afterwards nothing of the session is left.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from typing import Annotated

import flask
import pytest
from fastapi import Depends, FastAPI

from holdfast.assembly import assemble
from holdfast.settings import Rate, Settings
from holdfast.testing import client, csrf, sign_in
from holdfast.testing.jars import jar_of
from holdfast.web import fastapi as fast
from holdfast.web import flask as holdfast

SECRET = "a secret for tests: kelp 4 seven otters 0291"
PATIENCE = 20


class Gate:
    """Where slow handlers wait: `all_in` when so many have come, and they go on when it opens."""

    def __init__(self, expected):
        self.all_in = threading.Barrier(expected + 1)
        self.open = threading.Event()

    def wait(self):
        self.all_in.wait(PATIENCE)
        assert self.open.wait(PATIENCE)


def write(session, sessions):
    session["cart"] = ["book"]


def count(session, sessions):
    session.change(lambda data: data.update(n=data.get("n", 0) + 1))


def rotate(session, sessions):
    session.rotate(reauthenticated=True)


def issue(session, sessions):
    assert sessions.issue_tokens(session).refresh_token


SLOW = {each.__name__: each for each in (write, count, rotate, issue)}


def flask_site(parts):
    app = flask.Flask("races")
    sessions = holdfast.Holdfast(app, assembly=parts).sessions

    @app.post("/slow/<what>")
    @holdfast.require
    def slow(what):
        holdfast.session.get("cart")  # it has read what is stored
        app.gate.wait()
        if what == "theirs":
            flask.session["cart"] = ["pen"]
            flask.flash("kept")
        else:
            SLOW[what](holdfast.session, sessions)
        return {"done": True}

    @app.post("/logout")
    @holdfast.require
    def logout():
        holdfast.session.sign_out()
        return {"done": True}

    return app


def fastapi_site(parts):
    app = FastAPI()
    fast.Holdfast(app, assembly=parts)

    @app.post("/slow/{what}")
    def slow(what: str, session: Annotated[fast.Session, Depends(fast.require)]):
        session.get("cart")
        app.gate.wait()
        SLOW[what](session, parts.blocking)
        return {"done": True}

    @app.post("/logout")
    def logout(session: Annotated[fast.Session, Depends(fast.require)]):
        session.sign_out()
        return {"done": True}

    return app


SITES = {"flask": flask_site, "fastapi": fastapi_site}
CASES = [(site, what) for site in SITES for what in SLOW] + [("flask", "theirs")]


class Visitor:
    """Somebody signed in, whose cookie any number of threads send at once."""

    def __init__(self, app, loop):
        self._client = loop or client(app, use_cookies=False)
        browser = client(app)
        self.id = sign_in(browser, subject="ada").id
        self.cookie = jar_of(browser).get("__Host-session")
        self._headers = {**csrf(browser), "Cookie": f"__Host-session={self.cookie}"}

    def post(self, path):
        return self._client.post(path, headers=self._headers)


@pytest.fixture
def parts(tmp_path):
    settings = Settings(rate=Rate(limit=100_000))
    parts = assemble(settings, secret=SECRET, store=f"sqlite:///{tmp_path}/sessions.db")
    yield parts
    parts.close()


@pytest.fixture
def site(request, parts):
    app = SITES[request.param](parts)
    if request.param == "flask":
        yield app, None
        return
    with client(app) as loop:  # one event loop, and a thread for each handler
        loop.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        yield app, loop


def nothing_is_left(parts, visitor):
    assert parts.blocking_store.page().records == ()
    assert parts.blocking.begin(visitor.cookie).subject is None


@pytest.mark.parametrize(("site", "what"), CASES, indirect=["site"])
def test_the_log_out_overtakes_them(site, what, parts):
    """They have read the session, it ends, and then they write: 401, no cookie, nothing revived."""
    app, loop = site
    visitor = Visitor(app, loop)
    app.gate = Gate(6)
    with ThreadPoolExecutor(6) as threads:
        slow = [threads.submit(visitor.post, f"/slow/{what}") for _ in range(6)]
        app.gate.all_in.wait(PATIENCE)
        assert visitor.post("/logout").status_code == 200
        app.gate.open.set()
        answers = [each.result(PATIENCE) for each in slow]
    assert {answer.status_code for answer in answers} == {401}
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    nothing_is_left(parts, visitor)


@pytest.mark.parametrize(("site", "what"), CASES, indirect=["site"])
def test_all_at_the_same_moment(site, what, parts):
    """Each may come first; 401 and 409 are the answers of those that lost."""
    app, loop = site
    with ThreadPoolExecutor(6) as threads:
        for _ in range(15):
            visitor = Visitor(app, loop)
            app.gate = Gate(5)
            slow = [threads.submit(visitor.post, f"/slow/{what}") for _ in range(5)]
            app.gate.all_in.wait(PATIENCE)
            leaving = threads.submit(visitor.post, "/logout")
            app.gate.open.set()
            answers = [each.result(PATIENCE) for each in slow]
            assert {answer.status_code for answer in answers} <= {200, 401, 409}
            if what == "rotate" and leaving.result(PATIENCE).status_code in {401, 403}:
                parts.blocking.revoke(visitor.id)  # a rotation came first: it had the old cookie
            else:
                assert leaving.result(PATIENCE).status_code == 200
            nothing_is_left(parts, visitor)
