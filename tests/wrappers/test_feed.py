"""The feed: what moments it vouches for, and how it opens, loses and reopens its lines."""

import threading

import pytest

from holdfast.errors import StoreCorrupt, StoreUnavailable
from holdfast.stores.changes import Whole
from holdfast.stores.delays import delays
from holdfast.stores.feed import NEVER, Feed, moment
from holdfast.stores.remote import Answered, Changed, Flushed
from wrappers.world import FakeLine, FakeRemote, World


@pytest.fixture
def world():
    return World()


class Notes:
    """A listener that notes what it is told, and what `look` gives at each change."""

    def __init__(self, look=lambda: None):
        self.changes = []
        self.moments = []
        self.cuts = threading.Semaphore(0)
        self._look = look

    def changed(self, id):
        self.changes.append(id)
        self.moments.append(self._look())

    def forget(self, channel):
        self.changes.append("all")

    def cut(self, channel):
        self.cuts.release()


def test_a_line_is_not_heard_before_its_first_answer(world):
    """An open connection proves nothing yet."""
    world.turn()
    assert world.feed.channel("x").heard_at == NEVER


def test_what_counts_is_when_the_probe_was_sent(world):
    """An answer that was long under way is as old as its question."""
    world.turn()
    sent_at = world.clock()
    world.clock.advance(0.2)
    world.line().answer()
    world.turn()
    assert world.feed.channel("x").heard_at == sent_at


def test_changes_before_an_answer_are_applied_before_it_counts(world):
    """At no moment is the node heard with a change of before the answer still to come."""
    record = world.stored()
    world.listen()
    world.get(record.id)
    channel, first = world.feed.channel(record.id), world.clock()
    world.clock.advance(0.3)
    world.turn()
    world.elsewhere.delete(record.id)
    world.line().answer()
    notes = world.feed.listener = Notes(lambda: channel.heard_at)
    world.turn()
    assert notes.moments == [first]
    assert channel.heard_at == world.clock()


def test_probes_are_sent_four_times_a_bound(world):
    """Often enough that one lost answer does not end the cache's use."""
    for _ in range(8):
        world.turn()
        world.clock.advance(0.125)
    assert len(world.line().sent) == 4


def test_a_line_without_answers_is_given_up(world):
    """A connection that died without a word is replaced by another, which may get through."""
    world.turn()
    world.clock.advance(5.1)
    with pytest.raises(StoreUnavailable):
        world.turn()


def test_the_end_of_a_line_ends_its_channel(world):
    """Nothing that was read under a lost line is believed, whatever the new one says."""
    world.listen()
    channel = world.feed.channel("x")
    world.cut()
    assert (channel.open, channel.heard_at) == (False, NEVER)
    assert world.feed.channel("x") is None
    world.open()
    world.listen()
    assert world.feed.channel("x") is not channel
    assert channel.heard_at == NEVER


def test_an_answer_from_before_a_new_channel_says_nothing_of_it(world):
    """After a flush or a move only a probe that was sent later makes the channel count."""
    world.turn()
    world.clock.advance(0.1)
    world.line().wire.append(Flushed())
    world.line().answer()
    world.turn()
    assert world.feed.channel("x").heard_at == NEVER
    world.listen()
    assert world.feed.channel("x").heard_at == world.clock()


def test_a_move_ends_all_channels_and_closes_lines_of_no_use():
    """When ids change their nodes, what was read before counts for nothing."""
    world = World("a", "b")
    for name in ("a", "b"):
        world.listen(name)
    before = {name: world.watches[name].channel for name in ("a", "b")}
    del world.remote.nodes["b"]
    world.remote.moved()
    assert not any(channel.open for channel in before.values())
    assert world.watches["a"].channel is not before["a"]
    assert world.watches["b"].channel is None


def test_ages_are_infinite_without_a_line(world):
    """The metrics show a cut line as what it is."""
    world.listen()
    world.clock.advance(0.4)
    assert world.feed.ages() == {"a": pytest.approx(0.4)}
    world.cut()
    assert world.feed.ages() == {"a": float("inf")}


def test_the_clock_moves(world):
    """The clock of production is one of seconds."""
    assert moment() <= moment()


def test_delays_double_and_are_spread():
    """Processes that lost the same node do not all come back at the same moment."""
    longest = delays(0.1, 1.0, lambda low, high: high)
    assert [next(longest) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    shortest = delays(0.1, 1.0, lambda low, high: low)
    assert [next(shortest) for _ in range(3)] == [0.05, 0.1, 0.2]


class PlayedLine(FakeLine):
    """A line of a real thread: `receive` waits for what the test plays."""

    def __init__(self, node):
        super().__init__(node)
        self.arrived = threading.Condition()

    def probe(self, serial):
        super().probe(serial)
        self.play(Answered(serial))

    def receive(self, timeout):
        with self.arrived:
            self.arrived.wait_for(lambda: self.wire or self.lost, timeout)
            return super().receive(timeout)

    def play(self, *happenings, lost=False):
        with self.arrived:
            self.wire.extend(happenings)
            self.lost = self.lost or lost
            self.arrived.notify()


class PlayedRemote(FakeRemote):
    """Dials lines that a test plays; `dialled` counts them."""

    def __init__(self):
        super().__init__()
        self.dialled = threading.Semaphore(0)
        self.fails = 0

    def dial(self, line):
        self.dialled.release()
        if self.fails:
            self.fails -= 1
            raise StoreUnavailable("not yet")
        self.opened.append(PlayedLine(self.nodes[line]))
        return self.opened[-1]


@pytest.fixture
def played():
    return PlayedRemote()


@pytest.fixture
def feed(played):
    feed = Feed(played, Notes(), bound=1.0)
    yield feed
    feed.close()


def heard(feed):
    """Wait until the line is open and heard."""
    wait = threading.Event()
    for _ in range(2000):
        channel = feed.channel("x")
        if channel is not None and channel.heard_at > NEVER:
            return channel
        wait.wait(0.005)
    pytest.fail("the line was never heard")


def test_the_thread_opens_the_line_at_first_use(feed, played):
    """Who never reads never connects."""
    assert not played.opened
    heard(feed)
    assert len(played.opened) == 1


def test_the_thread_tries_until_the_node_is_back(feed, played):
    """A node that cannot be reached costs the cache, and nothing else."""
    played.fails = 2
    heard(feed)
    assert played.dialled.acquire(timeout=5)


def test_the_thread_reopens_a_lost_line(feed, played):
    """A lost connection ends the channel, is closed, and is replaced."""
    first = heard(feed)
    played.opened[0].play(lost=True)
    assert feed.listener.cuts.acquire(timeout=5)
    second = heard(feed)
    assert second is not first
    assert played.opened[0].closed
    assert len(played.opened) == 2


def test_a_defect_of_the_back_end_does_not_end_the_thread(feed, played, caplog):
    """What a line raises by mistake is logged, and the line reopened."""
    heard(feed)
    played.opened[0].play("nonsense", Changed("y"))
    played.opened[0].receive = None
    assert feed.listener.cuts.acquire(timeout=5)
    heard(feed)
    assert "the line for changes failed" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [StoreCorrupt("no rights"), ZeroDivisionError("oh")])
def test_what_fails_at_each_attempt_is_said_once(feed, played, caplog, monkeypatch, error):
    """Rights that are missing stay so for hours, and each attempt would have had a stack."""
    monkeypatch.setattr("holdfast.stores.feed.delays", lambda: iter(lambda: 0.001, None))
    dial, failed = played.dial, []

    def refused(line):
        failed.append(line)
        if len(failed) <= 20:
            raise error
        return dial(line)

    played.dial = refused
    heard(feed)
    assert caplog.text.count("the line for changes failed") == 1
    assert caplog.text.count("Traceback") == (not isinstance(error, StoreCorrupt))
    for _ in range(3):
        channel = heard(feed)
        played.opened[-1].receive = None
        assert feed.listener.cuts.acquire(timeout=5)
        assert not channel.open
    assert caplog.text.count("the line for changes failed") == 1


def test_without_a_thread_it_is_tried_again(played, monkeypatch, caplog):
    """A machine may be short of threads for a moment: the cache comes back, and no request fills the log."""
    now = [0.0]
    feed = Feed(played, Notes(), bound=1.0, clock=lambda: now[0])
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", _no_thread)
        assert [feed.channel("x") for _ in range(3)] == [None] * 3
    assert caplog.text.count("did not start") == 1
    assert feed.channel("x") is None
    now[0] += 2
    heard(feed)
    feed.close()


def _no_thread(self):
    raise RuntimeError("can't start new thread")


def test_close_ends_thread_and_line(feed, played):
    """Nothing of a closed feed is left running, and it can be used again."""
    others = set(threading.enumerate())
    heard(feed)
    assert [each.name for each in set(threading.enumerate()) - others] == ["holdfast-feed"]
    feed.close()
    assert played.opened[0].closed
    assert not set(threading.enumerate()) - others
    heard(feed)


def test_after_a_fork_the_lines_of_the_parent_stay_open(feed, played, monkeypatch):
    """A child opens lines of its own; closing an inherited one could end the parent's."""
    heard(feed)
    parents = list(feed._watches.values())
    monkeypatch.setattr("os.getpid", lambda: -1)
    feed.after_fork()
    heard(feed)
    assert len(played.opened) == 2
    assert not played.opened[0].closed
    for watch in parents:
        watch.stop()
        watch.join()


def test_a_line_that_went_out_of_use_meanwhile_is_given_up():
    """A request had looked its name up, and the lines moved before it was opened: else it is cut for ever."""
    feed = Feed(FakeRemote("a"), Notes(), bound=1.0)
    watch = feed._started("gone")
    watch._thread.join(5)
    ages = feed.ages()
    feed.close()
    assert ages == {}


def test_without_a_thread_nothing_is_known_yet(played, monkeypatch):
    """A watcher never raises, and looks again."""
    feed = Feed(played, Notes(), bound=1.0)
    whole = Whole(feed)
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", _no_thread)
        assert whole.heard() == (NEVER, ())
    whole.heard()
    whole._finder.join(5)
    whole.heard()
    assert list(feed.ages()) == ["a"]
    feed.close()
