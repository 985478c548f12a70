"""How many commands each kind of request sends to Redis (§12), counted by the server itself.

And that nothing grows with the number of sessions: ending everybody's takes as many among many.

A script is one command: what it asks for inside is its own affair, and appears in `commandstats` beside it.
"""

import secrets
import time
from datetime import timedelta

import pytest
from flask import Flask

from holdfast import Rate, Settings
from holdfast.assembly import assemble
from holdfast.rules.secret import TAGS
from holdfast.testing import client, csrf
from holdfast.testing.contracts.samples import Samples
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


@pytest.fixture
def site():
    """Makes an application, and closes its store."""
    made = []

    def make(url, **settings):
        parts = assemble(
            Settings(
                rate=Rate(limit=1000),
                flush_every=timedelta(minutes=10),  # nothing is sent in the background meanwhile
                **settings,
            ),
            secret=secrets.token_hex(32),
            store=url,
        )
        made.append(parts)
        return application(parts)

    yield make
    for each in made:
        each.close()


def application(parts):
    app = Flask(__name__)
    holdfast.Holdfast(app, assembly=parts)

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


def test_without_a_cache(server, sent, site):
    """A reading is 1 command, with the quota riding along; a write 2, a sign-in at most 3."""
    browser = client(site(server.url))
    browser.post("/login", headers=csrf(browser))
    browser.post("/note", headers=csrf(browser))  # scripts are loaded, and connections open
    browser.post("/login", headers=csrf(browser))
    assert sent(lambda: browser.get("/me")) == 1
    proof = csrf(browser)
    assert sent(lambda: browser.post("/note", headers=proof)) == 2
    assert sent(lambda: browser.post("/login", headers=proof)) <= 3


def test_with_a_near_cache(server, sent, site):
    """A hot reading asks nothing; a write still asks the store, and at most twice."""
    browser = client(site(server.url, cache=True))
    browser.post("/login", headers=csrf(browser))
    proof = csrf(browser)
    browser.post("/note", headers=proof)
    until(lambda: sent(lambda: browser.get("/me")) == 0)
    assert sent(lambda: browser.post("/note", headers=proof)) == 2
    assert sent(lambda: browser.get("/me")) == 1  # once, since it has changed
    until(lambda: sent(lambda: browser.get("/me")) == 0)


@pytest.mark.parametrize("sessions", [10, 3000])
def test_everybodys_end_takes_as_many_commands_whatever_there_is(server, opening, sessions):
    """Two commands for each of the 1,024 tags, a few more inside, and none that looks at a record."""
    store = opening(server.url)
    samples = Samples(store, lambda: time.time_ns() // 1_000_000)
    some = [samples.stored(None) for _ in range(sessions)]
    store.bump_epoch()
    some = [samples.stored(None) for _ in range(sessions)]
    server.client.config_resetstat()
    store.bump_epoch()
    stats = server.client.info("commandstats")
    found = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
    assert found["evalsha"] == TAGS
    assert found["get"] == 2 * TAGS  # one before, and one inside
    assert found.keys() <= BESIDE | {
        "evalsha", "get", "set", "expire", "persist", "exists", "rename", "zadd", "del",
    }  # fmt: skip
    assert max(found.values()) <= 2 * TAGS
    assert not any(store.get(each.id, now=0).record for each in some[:10])
