"""Looks for one request that is served, past the bound, what another process had already ended.

Bytes, threads, requests and time move one step at a time, in any order that Hypothesis likes: loops
stall, channels are cut without anybody noticing, answers come late, nodes restart and fail over,
ids move, changes arrive while reads are under way.
"""

from collections import deque
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from holdfast.errors import StoreUnavailable
from holdfast.stores.feed import Feed, Watch
from holdfast.stores.near_cache import Bounds, NearCache, Table
from holdfast.stores.remote import Flushed
from wrappers.world import FakeLine, World, rewritten

BOUND = 1.0
LINES = st.sampled_from(["a", "b"])
INDEX = st.integers(0, 2)


class HeldLine(FakeLine):
    """Bytes on the wire arrive when the test lets them."""

    def __init__(self, node):
        super().__init__(node)
        self.arrived = deque()

    def receive(self, timeout):
        self._require_open()
        came, self.arrived = list(self.arrived), deque()
        return came

    def deliver(self, count):
        while self.wire and count:
            self.arrived.append(self.wire.popleft())
            count -= 1


class Gap:
    """The way of a command to the server, or of its answer back."""

    def __await__(self):
        yield


class Slow:
    """A store for coroutines, each of whose reads waits on its way out and on its way back."""

    def __init__(self, server):
        self.server = server
        self.salt = self.page = self.purge = self.take = None

    async def get(self, id, *, now, take=None):
        await Gap()
        reading = self.server.get(id, now=now, take=take)
        await Gap()
        return reading


class Watchful(RuleBasedStateMachine):
    """One process with a near cache; everything else happens to it."""

    table_class = Table
    watch_class = Watch

    @initialize()
    def begin(self):
        self.world = World("a", "b")
        self.clock = self.world.clock
        self.remote = self.world.remote
        self.server = self.world.server
        self.table = self.table_class(Bounds(20, 10**6, BOUND), self.clock)
        self.feed = Feed(self.remote, self.table, bound=BOUND, clock=self.clock)
        self.feed._started = lambda name: self.watches[name]
        self.watches = {name: self.watch_class(self.feed, name) for name in ("a", "b")}
        self.near = NearCache(Slow(self.server), self.table, self.feed)
        self.lines, self.server.lines = {}, {}
        self.home, self.believed = {}, {}
        self.remote.home_of = lambda of: self.home.get(of, "a")
        self.remote.line_of = lambda of: self.believed.get(of, "a")
        self.restarts = 0
        self.reads = []
        self.current = {}
        self.outdated = {}
        for name in ("a", "b"):
            self.all_is_well(name)
            self.somebody_signs_in(name)

    @invariant()
    def nothing_is_served_past_the_bound(self):
        for id in getattr(self, "outdated", ()):
            known = self.table.find(id)
            self.judge(id, self.clock(), known and known.record)

    def judge(self, id, began, record):
        if record is not None:
            ended = self.outdated[id].get(record.version, float("inf"))
            assert ended > began - BOUND, "served past the bound"

    # Time, and what the feed's threads and the network do

    @rule(seconds=st.sampled_from([0.1, 0.26, 0.5, 0.99, 1.0]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @rule(name=LINES)
    def all_is_well(self, name):
        if name not in self.lines:
            line = HeldLine(self.remote.nodes[name])
            self.lines[name] = self.server.lines[name] = line
            self.watches[name].begin(line)
        for _ in range(2):
            self.a_probe_is_answered(name)
            self.bytes_arrive(name, 1000)

    @rule(name=LINES)
    def a_probe_is_answered(self, name):
        """If it is due and the node is still there; the answer is on its way."""
        self.run(name)
        line = self.lines.get(name)
        if line is not None and self.server.lines.get(name) is line:
            line.answer()

    @rule(name=LINES, count=st.sampled_from([1, 2, 1000]))
    def bytes_arrive(self, name, count):
        if name in self.lines:
            self.lines[name].deliver(count)
            self.run(name)

    def run(self, name):
        """One turn of this line's thread."""
        if name in self.lines:
            try:
                self.watches[name].turn(self.lines[name])
            except StoreUnavailable:
                self.watches[name].end()
                del self.lines[name]

    # Faults

    @rule(name=LINES, noticed=st.booleans())
    def the_line_is_cut(self, name, noticed):
        """Or only falls silent, as when a cable is pulled."""
        self.server.lines.pop(name, None)
        if name in self.lines and noticed:
            self.lines[name].lost = True

    @rule(name=LINES)
    def the_node_is_replaced(self, name):
        """A fail-over or restart: the old process answers no probe, the new one serves at once."""
        self.server.lines.pop(name, None)
        self.restarts += 1
        self.remote.nodes[name] = f"{name}-process-{self.restarts + 1}"

    @precondition(lambda self: self.outdated)
    @rule(which=INDEX, told=st.booleans())
    def an_id_moves(self, which, told):
        """Its old node says so with the next probe at the latest."""
        id = self.pick(which, self.outdated)
        old = self.home[id]
        self.home[id] = "b" if old == "a" else "a"
        if old in self.server.lines:
            self.server.lines[old].wire.append(Flushed())
        if told:
            self.believed.update(self.home)
            for watch in self.watches.values():
                watch.renew()

    # What other processes do

    @rule(name=LINES)
    def somebody_signs_in(self, name):
        record = self.world.stored()
        self.home[record.id] = self.believed[record.id] = name
        self.current[record.id] = record
        self.outdated[record.id] = {}
        read = self.request(-1)
        while self.go_on(read):
            pass

    @precondition(lambda self: self.current)
    @rule(which=INDEX)
    def a_session_is_changed(self, which):
        old = self.current[self.pick(which, self.current)]
        new = rewritten(old)
        assert self.server.update(new, expected=old.version)
        self.outdated[old.id][old.version] = self.clock()
        self.current[old.id] = new

    @precondition(lambda self: self.current)
    @rule(which=INDEX)
    def a_session_is_revoked(self, which):
        old = self.current.pop(self.pick(which, self.current))
        assert self.server.delete(old.id)
        self.outdated[old.id][old.version] = self.clock()

    @rule()
    def everyone_is_revoked(self):
        self.server.bump_epoch()
        for old in self.current.values():
            self.outdated[old.id][old.version] = self.clock()
        self.current.clear()

    # Requests of this process

    @precondition(lambda self: self.outdated)
    @rule(which=INDEX)
    def a_request_comes(self, which):
        """It is answered from memory, or its read is on its way to the server."""
        self.request(which)

    def request(self, which):
        id = self.pick(which, self.outdated)
        read = SimpleNamespace(id=id, began=self.clock(), call=self.near.get(id, now=0))
        self.reads.append(read)
        self.go_on(read)
        return read

    @precondition(lambda self: self.outdated)
    @rule(which=INDEX)
    def a_request_reads(self, which):
        """The server has answered; the answer is on its way."""
        self.go_on(self.request(which))

    @precondition(lambda self: self.reads)
    @rule(which=INDEX)
    def a_read_goes_on(self, which):
        self.go_on(self.reads[which % len(self.reads)])

    def go_on(self, read):
        """Whether the read is still under way."""
        if read not in self.reads:
            return False
        try:
            read.call.send(None)
        except StopIteration as done:
            self.reads.remove(read)
            self.judge(read.id, read.began, done.value.record)
        return read in self.reads

    def pick(self, which, some):
        return list(some)[which % len(some)]

    def teardown(self):
        for read in getattr(self, "reads", ()):
            read.call.close()


def test_nothing_is_served_past_the_bound():
    """Whatever happens, and in whatever order."""
    run_state_machine_as_test(
        Watchful,
        settings=settings(
            max_examples=200,
            stateful_step_count=30,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


class BelievesArrival(Watch):
    """Takes the moment of the answer for that of the probe."""

    def _apply(self, happening):
        self._sent = dict.fromkeys(self._sent, self._feed.clock())
        super()._apply(happening)


class ForgetsTickets(Table):
    """Keeps what was read although a change came meanwhile."""

    def _invalidate(self, id):
        pass


class BelievesAnybody(Table):
    """Keeps what another server answered."""

    def _entry(self, reading, channel):
        node = None if channel is None else channel.node
        return super()._entry(replace(reading, node=node), channel)


class IgnoresFlushes(Watch):
    """Believes on after an id has moved."""

    def renew(self):
        pass


class IgnoresAge(Table):
    """Believes what was heard at any time."""

    def __init__(self, bounds, clock):
        super().__init__(bounds._replace(age=30.0), clock)


PATHS = {
    BelievesArrival: (
        ("time_passes", 0.26),
        ("a_probe_is_answered", "a"),
        ("a_session_is_revoked", 0),
        ("time_passes", 1.0),
        ("bytes_arrive", "a", 1),
    ),
    ForgetsTickets: (
        ("time_passes", 1.0),
        ("a_request_reads", 0),
        ("a_session_is_revoked", 0),
        ("all_is_well", "a"),
        ("a_read_goes_on", 0),
        ("time_passes", 1.0),
        ("all_is_well", "a"),
    ),
    BelievesAnybody: (
        ("time_passes", 1.0),
        ("an_id_moves", 0, False),
        ("all_is_well", "a"),
        ("a_request_reads", 0),
        ("a_read_goes_on", 0),
        ("a_session_is_revoked", 0),
        ("time_passes", 1.0),
        ("all_is_well", "a"),
    ),
    IgnoresFlushes: (
        ("everyone_is_revoked",),
        ("time_passes", 1.0),
        ("all_is_well", "a"),
    ),
    IgnoresAge: (
        ("a_session_is_revoked", 0),
        ("time_passes", 1.0),
    ),
}


def walk(machine, path):
    machine.begin()
    for step, *arguments in path:
        getattr(machine, step)(*arguments)
        machine.nothing_is_served_past_the_bound()
    machine.teardown()


@pytest.mark.parametrize("part", PATHS)
def test_the_machine_tells_right_from_wrong(part):
    """For each part of the cache there is a way on which its defect is seen, and only then."""
    field = "table_class" if issubclass(part, Table) else "watch_class"
    walk(Watchful(), PATHS[part])
    with pytest.raises(AssertionError, match="served past the bound"):
        walk(type("Broken", (Watchful,), {field: part})(), PATHS[part])
