"""The wrappers together, as an application gets them, and what it is told of an outage."""

import asyncio
import os
import time
from datetime import timedelta
from functools import partial

import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.stores import Opened, asks_for_cache, open_both
from holdfast.stores.breaker import FAILURES
from holdfast.stores.feed import NEVER
from holdfast.stores.memory import AsyncMemoryStore, MemoryStore
from holdfast.stores.near_cache import Bounds
from holdfast.stores.remote import Answered, Durability
from holdfast.stores.wrapping import Stack
from holdfast.testing.contracts.samples import Samples
from wrappers.world import FakeLine, FakeRemote, Seconds, Server

SECRET = "a secret that is long enough, 0123456789abcdef"
FACES = ["threads", "coroutines"]


class Prompt(FakeLine):
    """A line whose node answers every probe at once."""

    def probe(self, serial):
        super().probe(serial)
        self.wire.append(Answered(serial))


class Remote(FakeRemote):
    """Lines that answer by themselves, for the feed's own thread; `node` as the store says it."""

    def dial(self, line):
        if self.away:
            raise StoreUnavailable("the test keeps this node away")
        self.opened.append(Prompt(self.nodes[line]))
        self.server.lines[line] = self.opened[-1]
        return self.opened[-1]


class RemoteServer(Server):
    def raise_epoch(self, epoch):
        self.calls.append("raise_epoch")


def opened_over(server):
    coroutines = AsyncMemoryStore(server)
    coroutines.raise_epoch = None
    return Opened(server, coroutines, server.remote)


@pytest.fixture
def server():
    remote = Remote()
    remote.server = RemoteServer(remote)
    return remote.server


@pytest.fixture
def wrap(server):
    made = []

    def make(*, cache=True, stale=0.0, clock=None):
        bounds = Bounds(100, 10**7, 1.0, stale)
        clock = clock or Seconds()
        made.append(Stack(opened_over(server), bounds, cache=cache, clock=clock))
        return made[-1]

    yield make
    for each in made:
        each.opened.blocking.close()


def reader(opened, face):
    if face == "threads":
        return partial(opened.blocking.get, now=0)

    def read(id):
        return asyncio.run(opened.asynchronous.get(id, now=0))

    return read


@pytest.fixture
def record(server):
    return Samples(server.records, lambda: 0).stored("ada")


def warm(wrapped, record):
    """Read until the near cache answers; the feed's thread needs a moment."""
    for _ in range(5000):
        if wrapped.opened.blocking.get(record.id, now=0).cached:
            return
        wrapped._feed._watches["a"]._stop.wait(0.002)
    pytest.fail("the near cache never answered")


@pytest.mark.parametrize("face", FACES)
def test_both_faces_are_served_from_one_table(wrap, server, record, face):
    """What a thread has read costs a coroutine no trip."""
    wrapped = wrap()
    warm(wrapped, record)
    server.calls.clear()
    assert reader(wrapped.opened, face)(record.id).record == record
    assert server.calls == []
    assert not reader(wrapped.fresh, face)(record.id).cached
    assert server.calls == ["get"]


@pytest.mark.parametrize("face", FACES)
def test_the_cache_is_off_unless_it_is_asked_for(wrap, server, record, face):
    """Every read goes to the store, and no line is opened for nothing."""
    wrapped = wrap(cache=False)
    for _ in range(3):
        assert not reader(wrapped.opened, face)(record.id).cached
    assert server.calls.count("get") == 3
    assert server.remote.opened == []
    assert wrapped.outlook() == (Durability("fsynced"), {}, (), 0, None)


def test_the_outlook_names_what_is_wrong(wrap, server, record):
    """Durability, the age of what is believed, nodes that are away, what is owed, the cache."""
    wrapped = wrap()
    warm(wrapped, record)
    wrapped.opened.blocking.delete(record.id)
    server.remote.lost()
    server.away = True
    for _ in range(FAILURES + 1):
        with pytest.raises(StoreUnavailable):
            wrapped.opened.blocking.get("x", now=0)
    outlook = wrapped.outlook()
    assert str(outlook.durability) == "fsynced"
    assert (list(outlook.ages), outlook.away, outlook.owed) == (["a"], ("a",), 1)
    assert outlook.cache.hits >= 1


def test_a_node_that_serves_nothing_any_more_is_not_away(wrap, server):
    """After a failover nobody calls it, so nothing else would ever say that it is back."""
    wrapped = wrap(cache=False)
    server.away = True
    for _ in range(FAILURES):
        with pytest.raises(StoreUnavailable):
            wrapped.opened.blocking.get("x", now=0)
        with pytest.raises(StoreUnavailable):
            wrapped.opened.blocking.purge(now=0)
    assert wrapped.outlook().away == ("a", "")
    server.remote.nodes = {"b": "b-process-1"}
    server.remote.moved()
    assert wrapped.outlook().away == ("",), "that of the verbs without a node stays"


@pytest.mark.parametrize("face", FACES)
def test_the_trial_call_says_first_what_is_owed(wrap, server, record, face):
    """After an outage that lost a log-out nobody is served before it is said again."""
    clock = Seconds()
    wrapped = wrap(clock=clock)
    wrapped.opened.blocking.delete(record.id)
    server.remote.lost()
    server.away = True
    for _ in range(FAILURES):
        with pytest.raises(StoreUnavailable):
            reader(wrapped.opened, face)("x")
    server.away = False
    server.records.insert(record, now=0)
    clock.advance(1)
    server.calls.clear()
    assert reader(wrapped.opened, face)("x").record is None
    assert server.calls == ["delete", "get"]
    assert server.records.get(record.id, now=0).record is None


def test_the_background_says_what_is_owed(wrap, server, record):
    """Also in a process that nobody asks for anything."""
    wrapped = wrap()
    wrapped.settle()
    wrapped.opened.blocking.delete(record.id)
    wrapped.opened.blocking.bump_epoch()
    server.remote.lost()
    server.calls.clear()
    wrapped.settle()
    assert server.calls == ["raise_epoch", "delete"]
    wrapped.settle()
    assert len(server.calls) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_fork_begins_anew(wrap, server, record):
    """By itself: no entry, line, revocation or circuit is inherited."""
    wrapped = wrap()
    warm(wrapped, record)
    wrapped.opened.blocking.delete(Samples(server.records, lambda: 0).stored("bob").id)
    server.remote.lost()
    child = os.fork()
    if child == 0:
        outlook = wrapped.outlook()
        os._exit(0 if (outlook.owed, outlook.ages, outlook.cache.entries) == (0, {}, 0) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert wrapped.outlook().owed == 1


def test_a_local_store_is_not_wrapped():
    """SQLite and memory are asked as they are."""
    with pytest.raises(TypeError):
        Stack(open_both("memory://"), Bounds(), cache=True)
    parts = assemble(Settings(cache=True), secret=SECRET, store="memory://?cache=yes")
    assert parts.wrapped is None
    assert isinstance(parts.blocking_store, MemoryStore)
    parts.close()


@pytest.fixture
def parts(server):
    made = []

    def make(**settings):
        made.append(assemble(Settings(**settings), secret=SECRET, store=opened_over(server)))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("way", ["setting", "environment", "off"])
def test_the_cache_is_switched_on(parts, monkeypatch, way):
    """By the setting or `HOLDFAST_CACHE`; the URL is another."""
    if way == "environment":
        monkeypatch.setenv("HOLDFAST_CACHE", "yes")
    wrapped = parts(cache=way == "setting").wrapped
    assert (wrapped.outlook().cache is not None) == (way != "off")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("redis://host/0?cache=yes", True),
        ("redis://host/0?tls=yes&cache=yes&prefix=x", True),
        ("redis://host/0?cache=no", False),
        ("redis://host/0", False),
        ("sqlite:///a.db", False),
    ],
)
def test_the_url_may_ask_for_the_cache(url, asked):
    """Among the other options, which stay."""
    assert asks_for_cache(url) is asked


@pytest.mark.parametrize(
    ("settings", "url", "environment"),
    [
        ({"stale_reads": timedelta(minutes=1)}, "memory://", ""),
        ({}, "memory://?cache=perhaps", ""),
        ({}, "memory://", "perhaps"),
    ],
)
def test_what_makes_no_sense_is_refused_at_start(settings, url, environment, monkeypatch):
    """P25: stale reads without a cache, and answers that are neither yes nor no."""
    monkeypatch.setenv("HOLDFAST_CACHE", environment)
    with pytest.raises(ConfigurationError):
        assemble(Settings(**settings), secret=SECRET, store=url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cache_bound": timedelta(milliseconds=49)},
        {"cache_bound": timedelta(minutes=2)},
        {"cache_entries": 0},
        {"cache_bytes": 1000},
        {"stale_reads": timedelta(hours=2)},
        {"stale_reads": timedelta(seconds=-1)},
    ],
)
def test_bounds_that_bound_nothing_are_refused(wrong):
    """P25."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Settings(**wrong)


# Watchers


def watching(server, *, cache=False):
    """A watcher of a wrapped store, and what it is told."""
    wrapped = Stack(opened_over(server), Bounds(), cache=cache)
    return wrapped, wrapped.changes.watch()


def heard(watcher):
    """What is told once the line is heard, all that came before included."""
    deadline = time.monotonic() + 30
    while True:
        told = asyncio.run(watcher.take())
        if told.heard_at > NEVER:
            return told
        assert time.monotonic() < deadline, "the line is never heard"
        time.sleep(0.01)


@pytest.mark.parametrize("cache", [False, True])
def test_a_watcher_hears_what_the_line_brings(server, cache):
    """With a near cache or without; the moment is that of the probe, and the node is named."""
    wrapped, watcher = watching(server, cache=cache)
    first = heard(watcher)
    assert first.nodes == (server.remote.nodes["a"],)
    server.tell("x")
    ids = set()
    while "x" not in ids:
        told = asyncio.run(watcher.take())
        ids |= set(told.ids)
    wrapped.close()


def test_a_line_that_is_cut_is_not_vouched_for(server):
    """Everything may have changed behind it, and nothing is heard until another is open."""
    wrapped, watcher = watching(server)
    heard(watcher)
    server.remote.away = True
    server.lines["a"].lost = True
    told = asyncio.run(watcher.take())
    while told.heard_at > NEVER:
        told = asyncio.run(watcher.take())
    assert told.everything or asyncio.run(watcher.take()).everything
    wrapped.close()


def test_nothing_listens_before_somebody_watches(server):
    """A store without a cache has no line, until a watcher asks."""
    wrapped = Stack(opened_over(server), Bounds(), cache=False)
    assert server.remote.opened == []
    heard(wrapped.changes.watch())
    assert len(server.remote.opened) == 1
    wrapped.close()
