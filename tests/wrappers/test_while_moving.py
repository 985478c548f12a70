"""While sessions move from one store to another, everything around both of them holds as ever."""

import time
from datetime import timedelta

import pytest
from flask import Flask

import redis_servers
from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.engine import Touch
from holdfast.errors import StoreUnavailable
from holdfast.stores import open_both
from holdfast.testing import client, csrf
from holdfast.testing.contracts.samples import Samples
from holdfast.web import flask as holdfast
from wrappers.processes import Process

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
LIMIT_S = 0.5
BOUND_S = 1.0


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture
def server(own_servers):
    return own_servers.start()


@pytest.fixture
def moving(monkeypatch):
    """Makes both URLs those of every assembly, and opens each store alone; new first."""
    opened = []

    def begin(new, old):
        monkeypatch.setenv("HOLDFAST_STORE", new)
        monkeypatch.setenv("HOLDFAST_STORE_FROM", old)
        opened.extend(open_both(url) for url in (new, old))
        return [each.blocking for each in opened]

    yield begin
    for each in opened:
        each.blocking.close()


@pytest.fixture
def parts():
    """Opens what an application has, and closes it."""
    made = []

    def make(**settings):
        quiet = timedelta(minutes=10)  # nothing is sent in the background meanwhile
        limit = timedelta(seconds=LIMIT_S)
        rules = Settings(flush_every=quiet, store_timeout=limit, **settings)
        made.append(assemble(rules, secret=SECRET, audit=[]))
        return made[-1]

    yield make
    for each in made:
        each.close()


def site():
    app = Flask(__name__)
    settings = Settings(cache=True, store_timeout=timedelta(seconds=LIMIT_S))
    parts = holdfast.Holdfast(app, settings, secret=SECRET).assembly

    @app.post("/login")
    def login():
        holdfast.session.sign_in("alice")
        return {}

    @app.get("/me")
    @holdfast.require
    def me():
        return {"user": holdfast.session.subject}

    return app, parts


def commands(server, request):
    """What the server says it was asked meanwhile: scripts alone, not probes."""
    server.client.config_resetstat()
    request()
    return server.client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]


def test_a_hot_reading_costs_no_command(server, moving, parts, tmp_path):
    """A session of the old store moves at its first reading; then the near cache has it."""
    _, old = moving(server.url, f"sqlite:///{tmp_path}/old.db")
    record = Samples(old, now).stored()
    store = parts(cache=True).blocking_store
    assert store.get(record.id, now=now()).record == record
    redis_servers.until(lambda: store.get(record.id, now=now()).cached)
    assert commands(server, lambda: [store.get(record.id, now=now()) for _ in range(20)]) == 0


@pytest.mark.parametrize("away", ["new", "old"])
def test_an_outage_is_a_503_within_the_limit(own_servers, moving, away):
    """Whichever of the two hangs: no request waits longer, soon none waits at all, and it ends by itself."""
    servers = {"new": own_servers.start(), "old": own_servers.start()}
    moving(servers["new"].url, servers["old"].url)
    app, parts = site()
    browser = client(app)
    assert browser.post("/login", headers=csrf(browser)).status_code == 200
    servers[away].pause()

    def ask():
        began = time.monotonic()
        answer = browser.post("/login", headers=csrf(browser))
        return answer.status_code, time.monotonic() - began

    took = []
    while len(took) < 40:
        status, seconds = ask()
        took.append(seconds)
        assert status == 503
    assert max(took) < 4 * LIMIT_S
    assert sorted(took)[20] < LIMIT_S / 5
    assert parts.wrapped.outlook().away == (f"127.0.0.1:{servers[away].port}",)
    servers[away].resume()
    redis_servers.until(lambda: ask()[0] == 200)
    parts.close()


@pytest.mark.parametrize("face", ["threads", "coroutines"])
@pytest.mark.parametrize("end", ["revoke", "everyone"])
def test_a_log_out_is_heard_in_the_other_process(server, moving, tmp_path, face, end):
    """Both move sessions and serve them from memory; one ends it, the other hears of it in time."""
    _, old = moving(server.url, f"sqlite:///{tmp_path}/old.db")
    record = Samples(old, now).stored("ada")
    here, there = (Process(server.url, face, "yes") for _ in range(2))
    try:
        assert there.ask("warm", record.id)["warm"]
        assert there.ask("watch", record.id)["watching"]
        revoked = here.ask(end, record.id)
        seen = there.answer()
        assert seen["refused"] == "unknown"
        assert seen["served"] > 0
        assert seen["last"] - revoked["acknowledged"] < BOUND_S
    finally:
        here.close()
        there.close()


def test_what_a_crash_undid_is_said_again(own_servers, moving, parts):
    """The old server comes back with a session that was ended meanwhile: it is not moved (P14)."""
    new, old_server = own_servers.start(), own_servers.start()
    _, old = moving(new.url, old_server.url)
    ended, other = Samples(old, now).several(2)
    store = parts().blocking_store
    old_server.client.save()
    assert store.delete(ended.id)
    old_server.kill()
    old_server.start()

    def served():
        try:
            return store.get(other.id, now=now()).record
        except StoreUnavailable:
            return None

    assert redis_servers.until(served) == other
    assert old.get(ended.id, now=now()).record is None
    assert store.get(ended.id, now=now()).record is None


@pytest.mark.parametrize("cache", [True, False])
def test_activity_is_sent_together(server, moving, parts, tmp_path, cache):
    """Notes for the new store go by the hundred; sessions that are still in the old one move first."""
    new, old = moving(server.url, f"sqlite:///{tmp_path}/old.db")
    gone, *moved = Samples(old, now).several(11)
    old.delete(gone.id)
    records = [*Samples(new, now).several(250), *moved, gone]
    background, later = parts(cache=cache).background, now() + 3_600_000
    for each in records:
        background.collect(Touch(each.id, later, each.expires_at, None))
    before = server.client.info("stats")["total_reads_processed"]
    background.flush()
    assert server.client.info("stats")["total_reads_processed"] - before < 100
    assert new.get(gone.id, now=now()).record is None
    for each in records[:-1]:
        assert new.get(each.id, now=now()).record.seen_at == later


def test_the_weaker_durability_counts(own_servers, moving, parts, tmp_path):
    """An acknowledged log-out survives what it survives in both stores."""
    synced = own_servers.start("appendonly yes", "appendfsync always")
    moving(synced.url, own_servers.start().url)
    wrapped = parts(cache=True).wrapped
    assert str(wrapped.outlook().durability) == "memory"
    assert wrapped.outlook().cache is not None
    assert len(wrapped.stacks) == 2
    moving(f"sqlite:///{tmp_path}/new.db", synced.url)
    back = parts(cache=True).wrapped
    assert str(back.outlook().durability) == "fsynced"
    assert back.outlook().cache is None
    assert back.changes is None


def test_two_stores_of_this_machine_need_nothing(moving, parts, tmp_path):
    """Neither is behind a network."""
    _, old = moving(f"sqlite:///{tmp_path}/new.db", f"sqlite:///{tmp_path}/old.db")
    old.salt()  # makes the file
    assert parts(cache=True).wrapped is None
