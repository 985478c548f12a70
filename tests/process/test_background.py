"""The one thread of a process: activity reaches the store, and one process of all sweeps."""

import gc
import logging
import sys
import threading
import weakref
from datetime import timedelta

import pytest

from holdfast import Settings, StoreUnavailable
from holdfast import background as module
from holdfast.background import Background
from holdfast.chain.outage import QUIET_MS
from holdfast.engine import Touch
from holdfast.errors import RecordReadOnly
from holdfast.protocols import Page
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.testing import FakeClock, HookedStore, MemoryStore
from holdfast.testing.contracts.samples import Samples
from process.workers import run_worker

HOUR = 3_600_000
WAIT = 20


def down():
    raise StoreUnavailable("away")


class Parts:
    def __init__(self, store=None, **settings):
        self.clock = FakeClock()
        self.memory = MemoryStore() if store is None else store
        self.store = HookedStore(self.memory)
        self.samples = Samples(self.memory, self.clock)
        self.background = self.beside(**settings)

    def beside(self, **settings):
        """The background work of one more process."""
        return Background(self.store, Settings(**settings), self.clock)

    def session(self, **fields):
        record = self.samples.record("ada", **fields)
        self.memory.insert(record, now=self.clock())
        return record

    def seen(self, record):
        return self.memory.get(record.id, now=self.clock()).record.seen_at


def touch(record, seen_at):
    return Touch(record.id, seen_at, record.expires_at + HOUR, "192.0.2.9")


@pytest.fixture
def parts():
    # No thread: each test says itself when a round of it happens.
    parts = Parts()
    parts.background.start = lambda: None
    yield parts
    parts.background.close()


# Touches


def test_activity_is_collected_and_sent(parts):
    """No request waits for it; the latest of each session goes out, once."""
    one, two = parts.session(), parts.session()
    parts.store.before("touch", down, times=0)
    for record, seen in ((one, 1), (two, 2), (one, 3)):
        parts.background.collect(touch(record, record.seen_at + seen))
    assert parts.store.calls == []
    parts.background.flush()
    assert parts.store.calls == ["touch", "touch"]
    assert (parts.seen(one), parts.seen(two)) == (one.seen_at + 3, two.seen_at + 2)
    assert parts.memory.get(one.id, now=parts.clock()).record.address == "192.0.2.9"
    parts.background.flush()
    assert parts.store.calls == ["touch", "touch"]


def test_activity_of_an_ended_session_is_forgotten(parts):
    """P1: it revives nothing, and is not tried for ever."""
    record = parts.session()
    parts.background.collect(touch(record, record.seen_at + 1))
    parts.memory.delete(record.id)
    parts.background.flush()
    assert parts.memory.get(record.id, now=parts.clock()).record is None
    parts.background.flush()
    assert parts.store.calls == ["touch"]


def test_what_the_store_does_not_take_is_kept(parts):
    """It is sent the next time; what came meanwhile is newer."""
    one, two = parts.session(), parts.session()
    for record in (one, two):
        parts.background.collect(touch(record, record.seen_at + 1))

    def fail():
        parts.background.collect(touch(two, two.seen_at + 5))
        down()

    parts.store.before("touch", lambda: None)
    parts.store.before("touch", fail)
    with pytest.raises(StoreUnavailable):
        parts.background.flush()
    assert (parts.seen(one), parts.seen(two)) == (one.seen_at + 1, two.seen_at)
    parts.background.flush()
    assert parts.seen(two) == two.seen_at + 5
    assert parts.store.calls == ["touch"] * 3


def test_what_the_store_refuses_holds_nothing_up(parts, caplog):
    """A record of a newer release is told of in the log, and left; what waits behind it is sent."""
    newer, other = parts.session(), parts.session()
    for record in (newer, other):
        parts.background.collect(touch(record, record.seen_at + 1))

    def refuse():
        raise RecordReadOnly("a newer release has written this record")

    parts.store.before("touch", refuse)
    with caplog.at_level(logging.WARNING, "holdfast"):
        parts.background.flush()
    assert parts.seen(other) == other.seen_at + 1
    assert "newer release" in caplog.text
    parts.background.flush()
    assert parts.store.calls == ["touch"] * 2


def test_a_store_that_is_away_does_not_fill_the_memory(parts, monkeypatch):
    """Beyond a bound, activity of further sessions is dropped; of known ones it is not."""
    monkeypatch.setattr(module, "_MAX_PENDING", 3)
    records = [parts.session() for _ in range(8)]
    for record in records[:5]:
        parts.background.collect(touch(record, record.seen_at + 1))
    parts.background.collect(touch(records[0], records[0].seen_at + 2))
    assert len(parts.background._pending) == 3

    def meanwhile():
        for record in records[5:]:
            parts.background.collect(touch(record, record.seen_at + 1))
        down()

    for _ in range(3):
        parts.store.before("touch", meanwhile)
        with pytest.raises(StoreUnavailable):
            parts.background.flush()
        assert len(parts.background._pending) == 3
    parts.background.flush()
    assert parts.seen(records[0]) == records[0].seen_at + 2


# The sweep


def test_one_of_several_processes_sweeps(parts):
    """A quota of one per period is the lease; who does not get it asks again when it ends."""
    others = [parts.beside() for _ in range(3)]
    parts.session(expires_at=parts.clock() - 1)
    everybody = [parts.background, *others]
    assert [each.sweep() for each in everybody] == [1, None, None, None]
    parts.store.calls.clear()
    for each in everybody:
        each.work()
    assert parts.store.calls == []
    parts.clock.advance(2 * HOUR)
    for each in everybody:
        each.work()
    assert parts.store.calls.count("purge") == 1
    assert parts.store.calls.count("take") == 4
    for each in others:
        each.close()


def test_the_lease_holds_over_processes(tmp_path):
    """Four processes on one SQLite file: exactly one of them has swept."""
    url = f"sqlite:///{tmp_path}/sessions.db"
    store = open_both(url).blocking
    samples = Samples(store, FakeClock())
    store.insert(samples.record("ada", expires_at=1), now=0)
    store.close()
    answers = run_worker("sweep", url, times=4)
    assert sorted(answers) == ["1", "None", "None", "None"]


def test_a_sweep_goes_on_until_nothing_is_left(parts, monkeypatch):
    """In batches, so that nobody waits behind it (P23), and never a living session (R42)."""
    monkeypatch.setattr(module, "_BATCH", 2)
    living = parts.session()
    for _ in range(5):
        parts.session(expires_at=parts.clock() - 1)
    assert parts.background.sweep() == 5
    assert parts.store.calls == ["take", "purge", "purge", "purge"]
    assert parts.memory.page() == Page((living,), None)


def test_a_sweep_stops_when_the_process_ends(parts, monkeypatch):
    """Nobody waits for a long one at exit."""
    monkeypatch.setattr(module, "_BATCH", 1)
    for _ in range(5):
        parts.session(expires_at=parts.clock() - 1)
    parts.store.after("purge", parts.background.close)
    assert parts.background.sweep() == 1


def test_the_schedule_is_that_of_the_settings():
    """`sweep_every`, from the first round on (R42)."""
    parts = Parts(sweep_every=timedelta(minutes=5))
    for minutes, purges in ((0, 1), (4, 1), (2, 2), (4, 2), (2, 3)):
        parts.clock.advance(minutes * 60_000)
        parts.background.work()
        assert parts.store.calls.count("purge") == purges, minutes
    parts.background.close()


# The thread


@pytest.mark.parametrize("error", [StoreUnavailable("away"), ZeroDivisionError()])
def test_a_round_that_fails_is_not_the_last(parts, caplog, error):
    """It is logged, and the next one tries again (P20)."""
    record = parts.session()
    parts.background.collect(touch(record, record.seen_at + 1))

    def fail():
        raise error

    parts.store.before("touch", fail)
    with caplog.at_level(logging.WARNING, "holdfast"):
        parts.background.work()
    assert len(caplog.records) == 1
    assert record.id not in caplog.text
    parts.background.work()
    assert parts.seen(record) == record.seen_at + 1


def test_it_finds_out_that_an_outage_is_over(parts, caplog):
    """By a small write, which it makes at no other time: to read may go well on a full disk."""
    parts.background.look()
    assert parts.store.calls == []
    record = parts.session()
    parts.background.collect(touch(record, record.seen_at + 1))
    parts.store.before("touch", down)
    parts.background.work()
    parts.clock.advance(QUIET_MS)
    parts.store.before("take", down)
    parts.background.look()
    parts.background.look()  # the store answers, but has failed a moment ago
    assert len(caplog.records) == 1
    parts.clock.advance(QUIET_MS)
    parts.background.look()
    assert "answers again" in caplog.messages[-1]
    asked = len(parts.store.calls)
    parts.background.look()
    assert len(parts.store.calls) == asked


@pytest.mark.parametrize("flush", [0.005, 1, 1.5, 10])
def test_it_sends_at_the_pace_that_sessions_are_judged_by(flush, monkeypatch):
    """`touch_slack` counts on `flush_every`: sent later than that, somebody active would idle out."""
    background = Parts(flush_every=timedelta(seconds=flush)).background
    waited, sent = [], []

    class Stop:
        def wait(self, seconds):
            waited.append(seconds)
            return len(sent) == 2

    monkeypatch.setattr(background, "_stop", Stop())
    monkeypatch.setattr(background, "work", lambda: sent.append(sum(waited)))
    background._run()
    assert sent == pytest.approx([flush, 2 * flush])
    assert max(waited) <= 1  # so soon it looks whether an outage is over


def test_the_thread_sends_by_itself():
    """From the first activity on; one thread, a daemon, that ends with `close`."""
    parts = Parts(flush_every=timedelta(milliseconds=5))
    record, sent = parts.session(), threading.Event()
    parts.store.after("touch", sent.set)
    before = set(threading.enumerate())
    for seen in range(3):
        parts.background.collect(touch(record, record.seen_at + seen))
        parts.background.start()
    (thread,) = [each for each in set(threading.enumerate()) - before if each.name == "holdfast"]
    assert thread.daemon
    assert sent.wait(WAIT)
    parts.background.close()
    assert not thread.is_alive()


def test_nothing_runs_before_the_first_use():
    """An import or an idle application has no thread."""
    before = set(threading.enumerate())
    parts = Parts()
    assert not set(threading.enumerate()) - before
    parts.background.close()
    parts.background.start()
    assert not set(threading.enumerate()) - before


def test_no_thread_is_no_error(parts, monkeypatch, caplog):
    """A process at its limit of threads serves on; the next request tries again."""
    del parts.background.start
    record = parts.session()

    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "holdfast"):
        patched.setattr(threading.Thread, "start", refuse)
        parts.background.collect(touch(record, record.seen_at + 1))
    assert "did not start" in caplog.text
    parts.background.start()
    assert parts.background._thread.is_alive()
    parts.background.close()
    assert parts.seen(record) == record.seen_at + 1


def test_closing_sends_what_is_left(parts, caplog):
    """Also a second time; a store that is away at the end makes a line in the log, no error."""
    record = parts.session()
    for seen in (1, 2):
        parts.background.collect(touch(record, record.seen_at + seen))
        parts.background.close()
        assert parts.seen(record) == record.seen_at + seen
    parts.background.collect(touch(record, record.seen_at + 3))
    parts.store.before("touch", down)
    with caplog.at_level(logging.WARNING, "holdfast"):
        parts.background.close()
    assert "not saved" in caplog.text


def test_it_keeps_nothing_alive():
    """The hooks for fork and exit hold it weakly, so an application that is made anew leaves none."""
    parts = Parts()
    gone = weakref.ref(parts.background)
    del parts.background
    gc.collect()
    assert gone() is None


# Processes


def test_activity_is_sent_at_exit(tmp_path):
    """A process that just ends has sent what it collected."""
    url = f"sqlite:///{tmp_path}/sessions.db"
    store = open_both(url).blocking
    record = changed(Samples(store, FakeClock()).record("ada"), seen_at=1)
    store.insert(record, now=0)
    store.close()
    assert run_worker("touch_and_exit", url, record.id) == ["collected"]
    store = open_both(url).blocking
    assert store.get(record.id, now=0).record.seen_at == 7
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_after_a_fork_each_process_sends_its_own(tmp_path):
    """The child starts with nothing collected and a thread of its own; the parent's is the parent's."""
    url = f"sqlite:///{tmp_path}/sessions.db"
    store = open_both(url).blocking
    samples = Samples(store, FakeClock())
    records = [changed(samples.record("ada"), seen_at=1) for _ in range(2)]
    for record in records:
        store.insert(record, now=0)
    store.close()
    said = run_worker("touch_and_fork", url, *(record.id for record in records))
    assert sorted(said) == ["child: 0 pending, sent by its thread", "parent: 1 pending"]
    store = open_both(url).blocking
    assert [store.get(record.id, now=0).record.seen_at for record in records] == [7, 8]
    store.close()
