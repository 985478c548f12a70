"""A Cluster loses a primary, and moves slots, while sessions are used."""

import threading
import time

import pytest
from msgspec.structs import replace

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.stores import open_both
from holdfast.stores.redis.keys import SLOT_OF
from holdfast.testing.contracts.samples import Samples, listed
from redis_moving import HalfMoved, quota_of
from redis_servers import cluster_url, node_id, until
from redis_traffic import Traffic, revived
from redis_waiting import resumed


@pytest.fixture
def clock():
    return lambda: int(time.time() * 1000)


def move_slot(source, target, others, slot):
    """Move one slot as redis-cli does, key by key; what is in it is asked for all the while."""
    source_id, target_id = node_id(source), node_id(target)
    target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source_id)
    source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target_id)
    while keys := source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 3):
        source.client.execute_command(
            "MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys
        )
        time.sleep(0.005)  # requests meet the slot half moved
    for node in (target, source, *others):
        node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", target_id)


def home(nodes, record):
    """The node that holds a record."""
    key = f"hfr{{{record.id[:2]}}}{record.id[2:]}"
    return next(node for node in nodes if _holds(node, key))


def _holds(node, key):
    try:
        return node.client.exists(key)
    except Exception:
        return False


@pytest.mark.parametrize("face", ["threads", "loop"])
def test_a_primary_is_killed_under_load(servers, opening, clock, face):
    """Its replica takes over; nothing that was acknowledged as ended comes back."""
    nodes = servers.cluster(replicas=1)
    store = opening(cluster_url(nodes[:3]), face, timeout=2.0)
    samples = Samples(store, clock)
    with Traffic(store, samples, clock) as traffic:
        until(lambda: len(traffic.ended) > 100)
        nodes[0].kill()
        until(lambda: nodes[3].info("role") == "master")
        nodes[0].start()
        until(lambda: nodes[0].info("role") == "slave")
        before = len(traffic.ended)
        until(lambda: len(traffic.ended) > before + 100)
    assert traffic.failures == []
    assert resumed(lambda: revived(store, traffic, clock)) == []
    assert store.bump_epoch() == 1


@pytest.mark.parametrize("face", ["threads", "loop"])
def test_a_slot_moves_under_load(servers, opening, clock, face):
    """Redirections are followed; no session is lost, none seen twice, none comes back."""
    nodes = servers.cluster()
    store = opening(cluster_url(nodes), face, timeout=5.0)
    samples = Samples(store, clock)
    ended = samples.several(10, "alice")
    store.bump_epoch()
    mine = samples.several(60, "alice")
    slot = SLOT_OF[mine[0].id[:2]]
    source = home(nodes, mine[0])
    target = next(node for node in nodes if node is not source)
    others = [node for node in nodes if node not in {source, target}]
    reading = ReadAll(store, mine, ended, clock)
    with reading, Traffic(store, samples, clock) as traffic:
        move_slot(source, target, others, slot)
        until(lambda: reading.rounds > 2)
        move_slot(target, source, others, slot)
        until(lambda: len(traffic.ended) > 20)
    assert traffic.failures == []
    assert reading.failures == []
    assert reading.missing == reading.revived == []
    assert listed(store, "alice") == sorted(record.id for record in mine)
    assert revived(store, traffic, clock) == []
    assert len(store.delete_all("alice")) == 60


@pytest.mark.parametrize("moved", ["s", "l", "d", "x", "dx", "sldx", "er", "ersldx"])
def test_a_session_is_read_and_ended_in_a_slot_half_moved(cluster, opening, clock, moved):
    """Wherever its lists are, it ends; what is left on them is passed over when the slot has moved."""
    for node in cluster:
        node.client.flushall()
    store = opening(cluster_url(cluster), timeout=1.0)
    samples = Samples(store, clock)
    records = samples.several(4, "alice")
    half = HalfMoved(cluster, SLOT_OF[records[0].id[:2]])
    half.move(moved)
    assert [store.get(record.id, now=clock()).record for record in records] == records
    assert store.touch(records[1].id, seen_at=clock(), expires_at=records[1].expires_at)
    assert store.delete(records[0].id)
    assert store.get(records[1].id, now=clock()).record is not None
    half.finish()
    assert resumed(lambda: listed(store, "alice")) == sorted(record.id for record in records[1:])
    assert listed(store) == sorted(record.id for record in records[1:])
    assert sorted(store.delete_all("alice")) == sorted(record.id for record in records[1:])
    assert listed(store) == []


@pytest.mark.parametrize("moved", ["e", "r", "s", "l", ""])
def test_what_needs_all_lists_waits_for_the_end_of_the_move(cluster, opening, clock, moved):
    """Nobody is told that all sessions of a subject have ended while some are on another node."""
    for node in cluster:
        node.client.flushall()
    store = opening(cluster_url(cluster), timeout=0.4)
    samples = Samples(store, clock)
    records = samples.several(4, "alice")
    half = HalfMoved(cluster, SLOT_OF[records[0].id[:2]])
    half.move(moved)
    for verb in (
        lambda: store.delete_all("alice"),
        lambda: store.page("alice"),
        store.page,
        samples.stored,
        store.bump_epoch,
    ):
        with pytest.raises(StoreUnavailable):
            verb()
    half.finish()
    assert sorted(resumed(lambda: store.delete_all("alice"))) == sorted(r.id for r in records)


APART = ["", "r", "e", "er", "q", "rq", "eq", "ersldx"]


@pytest.fixture
def half_moved(cluster, opening, clock, face):
    """A store, four records of which one's quota was used, and their slot with some of its keys moved."""
    for node in cluster:
        node.client.flushall()
    left = []

    def start(moved, *, ended=False, timeout=1.0):
        store = opening(cluster_url(cluster), face, timeout=timeout)
        records = Samples(store, clock).several(4, "alice")
        assert store.get(records[0].id, now=clock(), take=quota_of(records[0])).taken.remaining == 4
        if ended:
            store.bump_epoch()
        left.append(HalfMoved(cluster, SLOT_OF[records[0].id[:2]]))
        if moved:
            left[0].move(moved)
        return store, records, left[0]

    yield start
    left[0].finish()


@pytest.mark.parametrize("moved", APART)
def test_a_quota_is_spent_wherever_it_and_the_record_are(half_moved, clock, moved):
    """A quota that nobody has used has no key yet, which a script over both would wait for."""
    store, (used, fresh, *_), _ = half_moved(moved)
    spent = [store.get(used.id, now=clock(), take=quota_of(used)).taken for _ in range(5)]
    assert [each.allowed for each in spent] == [True] * 4 + [False]
    assert store.get(fresh.id, now=clock(), take=quota_of(fresh, b"n" * 32)).taken is None
    reading = store.get(fresh.id, now=clock(), take=quota_of(fresh))
    assert (reading.record, reading.taken.remaining) == (fresh, 4)


@pytest.mark.parametrize("moved", APART)
def test_a_session_is_changed_and_ended_while_its_epoch_is_on_another_node(
    half_moved, clock, moved
):
    store, (first, second, third, last), half = half_moved(moved)
    changed = replace(first, version=5, data=b'{"a":1}')
    assert store.touch(second.id, seen_at=clock(), expires_at=second.expires_at + 1000)
    assert not store.update(changed, expected=first.version + 1)
    assert store.update(changed, expected=first.version)
    assert store.update(replace(second, version=6), expected=second.version, durable=True)
    assert not store.delete(third.id, expected=third.version + 1)
    assert store.delete(third.id, expected=third.version)
    assert store.delete(last.id)
    found = [store.get(each.id, now=clock()).record for each in (first, second, third, last)]
    assert (found[0], found[2:]) == (changed, [None, None])
    assert (found[1].version, found[1].expires_at) == (6, second.expires_at + 1000)
    assert store.get("zz".join((third.id[:2], third.id[4:])), now=clock()).record is None
    half.finish()
    assert resumed(lambda: listed(store, "alice")) == sorted((first.id, second.id))


@pytest.mark.parametrize("moved", APART)
def test_what_ended_with_everybodys_sessions_stays_so_while_its_slot_moves(
    half_moved, clock, moved
):
    """The record is still there, and tells its epoch; the epoch of today is on another node."""
    store, records, _ = half_moved(moved, ended=True)
    for each in records:
        assert store.get(each.id, now=clock()).record is None
        assert store.get(each.id, now=clock(), take=quota_of(each)).record is None
        assert not store.touch(each.id, seen_at=clock(), expires_at=each.expires_at + 1000)
        assert not store.update(replace(each, version=5), expected=each.version)


@pytest.mark.parametrize("moved", ["r", "e"])
def test_an_end_that_no_write_proves_is_not_acknowledged(half_moved, moved):
    """Of a record that is gone already there is nothing to write on the node that it would be on."""
    store, (record, *_), half = half_moved(moved, timeout=0.4)
    assert store.delete(record.id)
    with pytest.raises(StoreUnavailable, match="moved"):
        store.delete(record.id)
    half.finish()
    assert not resumed(lambda: store.delete(record.id))


@pytest.mark.parametrize("moved", ["", "er", "ersldx"])
def test_a_sign_in_waits_for_a_slot_as_long_as_there_is_time(half_moved, clock, moved):
    """However often it is sent from the one node to the other and back meanwhile."""
    store, records, half = half_moved(moved, timeout=5.0)
    wires = (store.shaped if hasattr(store, "shaped") else store._store).client.wires
    pauses = []

    async def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 12:
            half.finish()

    wires.pause = pause
    new = Samples(store, clock).stored("alice")
    assert listed(store, "alice") == sorted(each.id for each in (*records, new))
    assert len(pauses) == 12
    assert len(set(pauses)) == 12
    assert max(pauses) <= 0.2


class ReadAll:
    """Reads some records over and over; notes which were ever missing, and which of the ended not."""

    def __init__(self, store, records, ended, clock):
        self.store, self.clock = store, clock
        self.expected = {**{r.id: r for r in records}, **{r.id: None for r in ended}}
        self.rounds, self.missing, self.revived, self.failures = 0, [], [], []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        self._thread.join(30)

    def _run(self):
        while not self._stop.is_set():
            for id, record in self.expected.items():
                try:
                    found = self.store.get(id, now=self.clock()).record
                except StoreUnavailable:
                    continue
                except Exception as error:
                    self.failures.append(error)
                    return
                if found != record:
                    (self.missing if record else self.revived).append(id)
            self.rounds += 1


def test_one_of_the_nodes_is_enough_to_begin_with(cluster, opening):
    """The others are found; those that are not there do no harm."""
    assert opening(f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster[2].port}").salt()


def test_the_url_must_say_what_the_server_is(cluster, single):
    """A Cluster behind a plain URL, and the other way about, is an error at the start (P25)."""
    with pytest.raises(ConfigurationError, match=r"redis\+cluster://"):
        open_both(cluster[0].url)
    with pytest.raises(ConfigurationError, match="redis://"):
        open_both(cluster_url([single]))


def test_a_line_for_each_primary(cluster, opening):
    """The feed of changes holds one line to each, and knows whose changes come over which."""
    remote = open_both(cluster_url(cluster[:1])).remote
    lines = remote.lines()
    assert sorted(lines) == sorted(f"127.0.0.1:{node.port}" for node in cluster)
    assert {remote.line_of(f"{tag}1") for tag in SLOT_OF} == set(lines)
