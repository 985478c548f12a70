"""A cable is pulled: servers and processes on its two sides cannot reach each other, and nobody is told."""

import time

import pytest

from holdfast.errors import NotDurable
from holdfast.stores import open_both
from holdfast.testing.contracts.samples import Samples
from networks import far_network
from redis_servers import sentinel_url, until
from wrappers.processes import Process

BOUND_S = 1.0


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture
def network(own_servers):
    network = far_network()
    yield network
    own_servers.close()
    network.close()


@pytest.fixture
def process():
    """Starts neighbours, and ends them."""
    started = []

    def start(*arguments, **more):
        started.append(Process(*arguments, **more))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def opening():
    opened = []

    def open_one(url, **options):
        opened.append(open_both(url, **options).blocking)
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def test_a_replica_that_is_cut_off_proves_nothing(own_servers, network, opening):
    """503 in time, carried out all the same; readings go on; plugged in again, a retry proves."""
    primary = own_servers.start(host=network.near)
    own_servers.replica_of(primary, host=network.far, within=network.within)
    store = opening(primary.url, timeout=1.0)
    ended, other = Samples(store, now).several(2)
    network.pull()
    began = time.monotonic()
    with pytest.raises(NotDurable):
        store.delete(ended.id)
    assert time.monotonic() - began < 2
    assert store.get(ended.id, now=now()).record is None
    assert store.get(other.id, now=now()).record == other
    network.plug_in()
    until(lambda: _proved(store, ended.id))


def _proved(store, id):
    try:
        return not store.delete(id)
    except NotDurable:
        return False


@pytest.mark.parametrize("cache", ["yes", "no"])
def test_behind_a_partition_the_old_primary_is_not_believed(
    own_servers, network, opening, process, cache
):
    """Its process still reaches it, and refuses within the bound what ends where the replica was promoted."""
    primary = own_servers.start(host=network.far, within=network.within)
    replica = own_servers.replica_of(primary, host=network.near)
    sentinels = own_servers.sentinels(primary, host=network.near, down_after_ms=1500)
    url = f"{sentinel_url(sentinels)}?fence=yes"
    record = Samples(opening(url), now).stored("ada")
    there = process(url, "threads", cache, within=network.within)
    if cache == "yes":
        assert there.ask("warm", record.id)["warm"]
    assert there.ask("watch", record.id)["watching"]
    network.pull()
    until(lambda: replica.info("role") == "master")
    for each in sentinels:
        until(lambda each=each: each.client.sentinel_master("main")["port"] == replica.port)
    here = process(url, "threads", "no")
    revoked = here.ask("revoke", record.id)
    seen = there.answer()
    assert revoked["done"]
    assert seen["served"] > 0
    assert seen["refused"] == "unavailable"
    assert seen["last"] - revoked["acknowledged"] < BOUND_S
    assert there.ask("watch", record.id)["served"] == 0
    network.plug_in()
    until(lambda: primary.info("role") == "slave")
    until(lambda: there.ask("watch", record.id)["refused"] == "unknown")
