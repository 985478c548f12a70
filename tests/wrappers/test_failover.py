"""Failover with everything on: near cache, re-assertion, breaker and fence around a real store."""

import time
from datetime import timedelta

import pytest

from holdfast import Settings
from holdfast.assembly import assemble
from holdfast.errors import StoreError
from holdfast.testing import BlockingStore
from holdfast.testing.contracts.samples import Samples
from redis_servers import cluster_url, sentinel_url, until
from redis_traffic import Traffic, revived
from redis_waiting import resumed

SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
WAIT_S = 80
LIMIT_S = 2


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture
def process():
    """Opens the parts of one process, with near cache and fence."""
    opened = []

    def make(url, *, fence=True):
        settings = Settings(cache=True, store_timeout=timedelta(seconds=LIMIT_S))
        if fence:
            url += "&fence=yes" if "?" in url else "?fence=yes"
        opened.append(assemble(settings, secret=SECRET, store=url, audit=[]))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def face(parts, name):
    return parts.blocking_store if name == "threads" else BlockingStore(parts.store)


def one_failover(traffic, first, second, sentinels):
    """The node is killed under load; its replica takes over; it comes back as that one's replica."""
    until(lambda: len(traffic.ended) > 30)
    first.kill()
    until(lambda: second.info("role") == "master")
    for each in sentinels:  # one that comes back before all of them know is not made a replica
        until(lambda each=each: each.client.sentinel_master("main")["port"] == second.port)
    first.start()
    until(lambda: first.info("role") == "slave")
    before = len(traffic.ended)
    until(lambda: len(traffic.ended) > before + 20)


def _from_cache(store, record):
    try:
        return store.get(record.id, now=now()).cached
    except StoreError:
        return False


def served_again(store, record):
    return resumed(lambda: store.get(record.id, now=now()), seconds=WAIT_S).record


def none_revived(store, traffic):
    return resumed(lambda: revived(store, traffic, now), seconds=WAIT_S) == []


@pytest.mark.parametrize(("kind", "name"), [("sentinel", "threads"), ("cluster", "coroutines")])
def test_a_failover_under_load(own_servers, process, kind, name):
    """No 500; what was acknowledged as ended is refused by both processes; service resumes."""
    if kind == "sentinel":
        first = own_servers.start()
        second = own_servers.replica_of(first)
        sentinels = own_servers.sentinels(first)
        url = sentinel_url(sentinels)
    else:
        nodes = own_servers.cluster(replicas=1)
        first, second, sentinels = nodes[0], nodes[3], []
        url = cluster_url(nodes[:3])
    busy, quiet = process(url), process(url)
    store, reader = face(busy, name), face(quiet, name)
    samples = Samples(store, now)
    kept = resumed(lambda: samples.several(10), seconds=WAIT_S)
    for each in kept:
        until(lambda each=each: _from_cache(reader, each))
    ended = kept.pop()
    assert resumed(lambda: store.delete(ended.id), seconds=WAIT_S)
    with Traffic(store, samples, now) as traffic:
        one_failover(traffic, first, second, sentinels)
    assert traffic.failures == []
    for each in (store, reader):
        assert served_again(each, ended) is None
        assert none_revived(each, traffic)
        assert [served_again(each, record) for record in kept] == kept
    until(lambda: _from_cache(reader, kept[0]))
    assert busy.wrapped.outlook().away == ()


@pytest.mark.parametrize("name", ["threads", "coroutines"])
def test_who_is_alone_after_a_loss_serves_in_time(own_servers, process, name):
    """A primary whose replica is gone can prove nothing: what is owed is said, and not waited for each time."""
    primary = own_servers.start()
    replica = own_servers.replica_of(primary)
    store = face(process(f"{primary.url}/0?replicas=1", fence=False), name)
    samples = Samples(store, now)
    *ended, kept = samples.several(30)
    for each in ended:
        assert store.delete(each.id)
    replica.kill()
    for each in ended:
        primary.client.set(f"hfr{{{each.id[:2]}}}{each.id[2:]}", b"lost")
    primary.client.client_kill_filter(_type="normal")
    started = time.monotonic()
    assert resumed(lambda: store.get(kept.id, now=now())).record == kept
    assert time.monotonic() - started < 3 * LIMIT_S

    def told():
        store.get(
            samples.record().id, now=now()
        )  # whoever asks the server first tells what is owed
        return not any(
            primary.client.exists(f"hfr{{{each.id[:2]}}}{each.id[2:]}") for each in ended
        )

    until(told, 3 * LIMIT_S)
