"""How many commands each kind of request sends to Redis (§12), counted by the server itself.

A script is one command: what it asks for inside is its own affair, and appears in `commandstats` beside it.
"""

import secrets
from datetime import timedelta

import pytest
from flask import Flask

from holdfast import Rate, Settings
from holdfast.testing import client, csrf
from holdfast.web import flask as holdfast
from redis_servers import until

INSIDE = {
    "get", "getex", "getrange", "set", "setrange", "setnx", "strlen", "append", "del", "exists", "expire",
    "persist", "rename", "time", "zadd", "zrem", "zcard", "zrange", "zrangebylex", "zrevrangebylex",
    "zrangebyscore",
}  # fmt: skip
"""What scripts ask for."""
BESIDE = {"info", "hello", "config|resetstat", "config|get", "client|setname", "client|tracking"}
"""What counting costs, and what opens a connection."""


def site(url, **settings):
    app = Flask(__name__)
    quiet = timedelta(minutes=10)  # nothing is sent in the background meanwhile
    rules = Settings(rate=Rate(limit=1000), flush_every=quiet, **settings)
    holdfast.Holdfast(app, rules, secret=secrets.token_hex(32), store=url)

    @app.post("/login")
    def login():
        holdfast.session.sign_in("alice")
        return {}

    @app.get("/me")
    @holdfast.require
    def me():
        return {"user": holdfast.session.subject}

    @app.post("/note")
    @holdfast.require
    def note():
        holdfast.session["note"] = holdfast.session.get("note", 0) + 1
        return {}

    return app


@pytest.fixture
def server(single):
    single.client.flushall()
    return single


@pytest.fixture
def sent(server):
    """Commands that a request sends."""

    def count(request):
        server.client.config_resetstat()
        assert request().status_code == 200
        stats = server.client.info("commandstats")
        found = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        assert found.keys() <= INSIDE | BESIDE | {"evalsha"}
        return found.get("evalsha", 0)

    return count


def test_without_a_cache(server, sent):
    """A reading is 1 command, with the quota riding along; a write 2, a sign-in at most 3."""
    browser = client(site(server.url))
    browser.post("/login", headers=csrf(browser))
    browser.post("/note", headers=csrf(browser))  # scripts are loaded, and connections open
    browser.post("/login", headers=csrf(browser))
    assert sent(lambda: browser.get("/me")) == 1
    proof = csrf(browser)
    assert sent(lambda: browser.post("/note", headers=proof)) == 2
    assert sent(lambda: browser.post("/login", headers=proof)) <= 3


def test_with_a_near_cache(server, sent):
    """A hot reading asks nothing; a write still asks the store, and at most twice."""
    browser = client(site(server.url, cache=True))
    browser.post("/login", headers=csrf(browser))
    proof = csrf(browser)
    browser.post("/note", headers=proof)
    until(lambda: sent(lambda: browser.get("/me")) == 0)
    assert sent(lambda: browser.post("/note", headers=proof)) == 2
    assert sent(lambda: browser.get("/me")) == 1  # once, since it has changed
    until(lambda: sent(lambda: browser.get("/me")) == 0)
