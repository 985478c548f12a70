"""What the wrappers around the store are told: changes in order, the node, losses, and the fence."""

import time

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.stores.redis.keys import SLOT_OF
from holdfast.stores.remote import Answered, Changed, Flushed
from redis_servers import cluster_url, node_id, until


@pytest.fixture
def clock():
    return lambda: int(time.time() * 1000)


@pytest.fixture
def dialled():
    """Opens a store and its line to a server, and closes both."""
    opened = []

    def dial(url, **options):
        both = open_both(url, timeout=1.0, **options)
        opened.append(both.blocking)
        line = both.remote.dial(both.remote.lines()[0])
        opened.append(line)
        return both, line

    yield dial
    for each in opened:
        each.close()


def until_answered(line, serial, seconds=5):
    """All that comes up to the answer to this probe."""
    happened, deadline = [], time.monotonic() + seconds
    while Answered(serial) not in happened:
        assert time.monotonic() < deadline
        happened += line.receive(0.2)
    return happened


def test_changes_come_before_the_answer(single, store, samples, clock, dialled):
    """Every change that was made before a probe was sent is told before its answer, by anybody."""
    one, two, three = samples.several(3)
    _, line = dialled(single.url)
    for serial, change in enumerate(
        (
            lambda: store.update(changed(one, version=1), expected=one.version),
            lambda: store.delete(two.id),
            lambda: store.delete_all("alice", keep=one.id),
        )
    ):
        change()
        line.probe(serial)
        happened = until_answered(line, serial)
        assert happened[-1] == Answered(serial)
        assert Changed((one, two, three)[serial].id) in happened[:-1]
        assert Flushed() not in happened


def test_reading_and_durable_writes_flush_nothing(single, store, samples, clock, dialled):
    """Only what changed is dropped: a log-out of one does not empty the caches of all."""
    one, two = samples.several(2)
    _, line = dialled(single.url)
    store.get(one.id, now=clock())
    store.take("key", limit=5, period=1000, now=clock())
    assert store.delete(two.id)
    line.probe(1)
    assert until_answered(line, 1) == [Changed(two.id), Answered(1)]


def test_the_end_of_all_sessions_flushes(single, store, samples, dialled):
    """So does the loss of all data."""
    _, line = dialled(single.url)
    store.bump_epoch()
    line.probe(1)
    assert Flushed() in until_answered(line, 1)
    single.client.flushall()
    line.probe(2)
    assert Flushed() in until_answered(line, 2)


def test_readings_name_the_process(servers, opening, clock, dialled):
    """A reading and a line name the same server process, and another name after a restart."""
    server = servers.start()
    both, line = dialled(server.url)
    assert both.blocking.get("aa1" + "A" * 22, now=0).node == line.node == server.info("run_id")
    server.kill()
    with pytest.raises(StoreUnavailable):
        until_answered(line, 0)
    server.start()
    node = both.blocking.get("aa1" + "A" * 22, now=0).node
    assert node != line.node
    again = both.remote.dial(both.remote.lines()[0])
    assert again.node == node
    again.close()


def test_a_server_that_stands_still_answers_no_probe(servers, dialled):
    """And nothing comes in, for as long as it does."""
    server = servers.start()
    _, line = dialled(server.url)
    server.pause()
    line.probe(1)
    assert line.receive(0.2) == []
    server.resume()
    assert until_answered(line, 1) == [Answered(1)]


def test_a_replica_answers_no_probe(servers, dialled):
    """A primary that has become a replica tells so at the next probe."""
    server, other = servers.start(), servers.start()
    _, line = dialled(server.url)
    server.client.replicaof("127.0.0.1", other.port)
    line.probe(1)
    with pytest.raises(StoreUnavailable):
        until_answered(line, 1)


def test_a_slot_that_moves_away(servers, clock, opening, dialled):
    """What moves is told as changed, and where the changes come from now is another line."""
    nodes = servers.cluster(primaries=2)
    url = cluster_url(nodes)
    both, line = dialled(url)
    store, name = both.blocking, both.remote.lines()[0]
    source = next(node for node in nodes if name.endswith(f":{node.port}"))
    target = next(node for node in nodes if node is not source)
    tag = next(tag for tag in SLOT_OF if both.remote.line_of(f"{tag}1") == name)
    id, key = f"{tag}1" + "A" * 22, f"hfr{{{tag}}}1" + "A" * 22
    source.client.set(key, "x")
    source.client.execute_command("CLUSTER SETSLOT", SLOT_OF[tag], "MIGRATING", node_id(target))
    target.client.execute_command("CLUSTER SETSLOT", SLOT_OF[tag], "IMPORTING", node_id(source))
    source.client.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    for node in (target, source):
        node.client.execute_command("CLUSTER SETSLOT", SLOT_OF[tag], "NODE", node_id(target))
    assert Changed(id) in line.receive(2)
    told = []
    both.remote.on_change(lambda: told.append(1))
    store.get(id, now=clock())
    assert told
    assert both.remote.line_of(id) == f"127.0.0.1:{target.port}"


def test_the_fence(servers, dialled):
    """A probe is answered only while the replicas follow: a partitioned old primary is not believed."""
    primary = servers.start()
    replica = servers.replica_of(primary)
    both, line = dialled(f"{primary.url}?fence=yes")
    assert both.remote.fenced
    line.probe(1)
    assert until_answered(line, 1) == [Answered(1)]
    replica.pause()
    line.probe(2)
    until(lambda: primary.info("blocked_clients") == 0)  # it has waited in vain
    assert line.receive(0.2) == []
    assert line.receive(0.2) == []
    replica.resume()
    until(lambda: primary.client.wait(1, 100) == 1)
    line.probe(3)
    assert until_answered(line, 3) == [Answered(3)]


def test_raise_epoch(store, samples, clock):
    """An epoch that others have heard of is asserted again, and never lowered."""
    old = samples.stored()
    store.raise_epoch(5)
    assert store.get(old.id, now=clock()).record is None
    new = samples.stored()
    store.raise_epoch(5)
    store.raise_epoch(3)
    assert store.get(new.id, now=clock()).record == new
    assert store.bump_epoch() == 6
