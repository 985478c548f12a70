"""The fence while a slot of a Cluster is half moved: both nodes of a reading must be followed."""

import time
from contextlib import ExitStack

import pytest

import redis_servers
from holdfast.errors import StoreUnavailable
from holdfast.faces import BlockingShaped, async_shaped
from holdfast.stores import open_both
from holdfast.stores.feed import Feed
from holdfast.stores.fence import Fence, wait_in_loop, wait_in_thread
from holdfast.stores.near_cache import Bounds, Table
from holdfast.stores.redis.keys import SLOT_OF
from holdfast.testing import BlockingStore
from holdfast.testing.contracts.samples import Samples
from redis_moving import HalfMoved, quota_of
from redis_servers import until

BOUND_S = 1.0


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two primaries, each followed by a replica; those come last."""
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path_factory.mktemp("redis"))
    yield servers.cluster(primaries=2, replicas=1)
    servers.close()


@pytest.fixture
def half_moved(cluster):
    """A fenced store, a record, and its slot with keys of these kinds moved."""
    primaries = cluster[:2]
    for node in primaries:
        node.client.flushall()
    with ExitStack() as after:

        def start(moved, face="threads"):
            opened = open_both(redis_servers.cluster_url(primaries) + "?fence=yes&replicas=1")
            after.callback(opened.blocking.close)
            record = Samples(opened.blocking, now).stored("ada")
            half = HalfMoved(primaries, SLOT_OF[record.id[:2]])
            after.callback(half.finish)
            half.move(moved)
            store = fenced(opened, face)
            after.callback(store.close)
            return store, record, half

        yield start


def fenced(opened, face):
    """The fence alone: a breaker would hide whether each reading is judged."""
    feed = Feed(opened.remote, Table(Bounds(), time.monotonic), bound=BOUND_S)
    if face == "threads":
        return BlockingShaped(Fence(async_shaped(opened.blocking), feed, wait_in_thread))
    return BlockingStore(Fence(opened.asynchronous, feed, wait_in_loop))


@pytest.mark.parametrize("face", ["threads", "loop"])
@pytest.mark.parametrize("moved", ["r", "e", "er"])
def test_a_session_is_believed_while_both_nodes_are_followed(half_moved, moved, face):
    """Whether it was read by redirection or apart from its epoch; at the first request already."""
    store, record, _ = half_moved(moved, face)
    reading = store.get(record.id, now=now(), take=quota_of(record))
    assert (reading.record, reading.taken.remaining) == (record, 4)
    assert store.get(record.id, now=now()).record == record


@pytest.mark.parametrize("moved", ["r", "e", "er"])
@pytest.mark.parametrize("cut_off", ["source", "target"])
def test_a_session_is_refused_while_one_of_them_is_not(cluster, half_moved, moved, cut_off):
    """An old primary would send us to a copy of what has ended, or may hold one itself."""
    store, record, half = half_moved(moved)
    assert store.get(record.id, now=now()).record == record
    replica = cluster[2 + cluster.index(getattr(half, cut_off))]
    replica.pause()
    try:
        until(lambda: _refused(store, record), seconds=10)
        assert _refused(store, record)
    finally:
        replica.resume()
    until(lambda: not _refused(store, record))


def _refused(store, record):
    try:
        store.get(record.id, now=now())
    except StoreUnavailable as error:
        return "follow" in str(error)
    return False
