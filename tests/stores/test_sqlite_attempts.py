"""Small changes are carried out by the caller at once, unless that could hold the caller up."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from holdfast.errors import StoreError
from holdfast.protocols import Take
from holdfast.record import changed
from holdfast.rules import quota
from holdfast.stores.sqlite import AsyncSqliteStore
from holdfast.testing.contracts.samples import together

SET = "INSERT OR REPLACE INTO meta (key, value) VALUES ('mine', ?)"
GET = "SELECT value FROM meta WHERE key = 'mine'"


@pytest.fixture(autouse=True)
def _at_work(monkeypatch):
    """The log is not cut, and no turn missed, because a test was slow."""
    monkeypatch.setattr("holdfast.stores.sqlite.writer._IDLE", 600)
    monkeypatch.setattr("holdfast.stores.sqlite.writer._TURN", 600)


@pytest.fixture
def begun(core):
    """A core whose log has been begun, so that the next change needs no sync."""
    core.write(lambda conn: None)
    return core


@pytest.fixture
def queued(store, monkeypatch):
    """The operations that were handed to the thread from here on."""
    seen, submit = [], store.core._writer.submit
    monkeypatch.setattr(
        store.core._writer, "submit", lambda ticket: (seen.append(ticket), submit(ticket))
    )
    return seen


def test_a_small_change_happens_at_once(begun):
    """It is committed when the call returns: another connection sees it."""
    assert begun.attempt(SET, (1,), wait=False) == 1
    assert begun.read(GET) == [(1,)]
    assert begun.attempt("UPDATE meta SET value = 2 WHERE key = 'none'", (), wait=False) == 0


def test_the_first_change_of_a_log_is_the_threads(store, core):
    """It syncs the disk, which an event loop must not wait for; so does the one after a checkpoint."""
    assert core.attempt(SET, (1,), wait=True) is None
    core.write(lambda conn: None)
    assert core.attempt(SET, (2,), wait=True) == 1
    core._writer.hold()
    core._writer.release()
    assert core.attempt(SET, (3,), wait=True) is None
    assert core.read(GET) == [(2,)]


def test_a_due_checkpoint_is_the_threads(begun, monkeypatch):
    """The log does not grow for ever by small changes: after so many one goes to the thread."""
    monkeypatch.setattr("holdfast.stores.sqlite.writer._CHECKPOINT_AFTER", 4)
    answers = [begun.attempt(SET, (each,), wait=True) for each in range(6)]
    assert answers == [1, 1, 1, None, None, None]
    begun.write(lambda conn: None)
    begun.write(lambda conn: None)
    assert begun.attempt(SET, (9,), wait=True) == 1


def test_a_loop_does_not_wait_for_the_thread(begun):
    """While the thread writes, the answer is «not now», and a blocking caller gets its turn."""
    busy, go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(begun.write, lambda conn: (busy.set(), go.wait()))
        busy.wait()
        assert begun.attempt(SET, (1,), wait=False) is None
        waiting = pool.submit(begun.attempt, SET, (2,), wait=True)
        go.set()
        writing.result()
        assert waiting.result() == 1


def test_another_process_is_not_waited_for(begun, path, store, samples, clock):
    """While it holds the lock the answer is «not now»; the verb itself waits in the thread."""
    record = samples.stored()
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        assert begun.attempt(SET, (1,), wait=True) is None
        assert begun.attempt(SET, (1,), wait=False) is None
        with ThreadPoolExecutor(1) as pool:
            new = changed(record, version=1)
            waiting = pool.submit(store.update, new, expected=record.version)
            conn.execute("COMMIT")
            assert waiting.result()
    assert store.get(record.id, now=clock()).record == new


def test_a_thread_does_not_wait_twice(begun, monkeypatch):
    """Without its turn it soon queues like the others: there is one time limit, and not two."""
    monkeypatch.setattr("holdfast.stores.sqlite.writer._TURN", 0.001)
    busy, go = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(begun.write, lambda conn: (busy.set(), go.wait()))
        busy.wait()
        assert begun.attempt(SET, (1,), wait=True) is None
        go.set()
        writing.result()


def test_no_change_goes_to_a_file_that_was_replaced(store, samples, clock, path):
    """Also before any read has noticed it; and what is ended there has ended for every read (promise 1)."""
    old, gone = samples.stored(), samples.stored()
    assert store.get(old.id, now=clock()).record == old
    store.core.write(lambda conn: None)
    assert store.core.attempt(SET, (1,), wait=True) == 1
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("VACUUM INTO ?", (str(path.with_suffix(".bak")),))
    path.with_suffix(".bak").replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    assert store.update(changed(old, version=1), expected=old.version)
    assert store.delete(gone.id)
    assert store.get(gone.id, now=clock()).record is None
    assert [each.version for each in store.page(old.subject).records] == [1]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_who_has_nothing_to_spend_waits_for_nobody(open_store, path, clock, asynchronous):
    """An unknown session is an answer, also while another process holds the lock."""
    open_store().core.write(lambda conn: None)
    store = open_store()
    store = AsyncSqliteStore(store.core) if asynchronous else store
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        found = store.get("aa1nobody", now=clock(), take=Take("q", 1, 1000))
        found = asyncio.run(found) if asynchronous else found
    assert (found.record, found.taken) == (None, None)


def test_an_operation_that_raises_leaves_nothing_open(begun):
    """Whatever it raises comes out; what it did is taken back, and the next one works."""

    def broken(conn):
        conn.execute("BEGIN")
        conn.execute(SET, (7,))
        raise ZeroDivisionError

    assert begun.attempt(SET, (1,), wait=True) == 1
    with pytest.raises(ZeroDivisionError):
        begun.attempt_all(broken, wait=True)
    assert begun.attempt_all(lambda conn: conn.in_transaction, wait=True) is False
    assert begun.attempt(SET, (2,), wait=True) == 1


def test_a_change_that_fails_is_an_error(begun):
    """Nothing has changed, nobody tries again, and the next change works."""
    with pytest.raises(StoreError):
        begun.attempt("UPDATE nonsense SET x = 1", (), wait=True)
    assert begun.attempt(SET, (1,), wait=True) == 1


def test_an_update_in_place_needs_no_thread(store, samples, clock, queued):
    """While neither owner nor eviction hint move, which is nearly always; otherwise the thread does it."""
    store.core.write(lambda conn: None)
    record = samples.stored()
    queued.clear()
    new = changed(record, version=1, seen_at=record.seen_at + 1, data=b'{"n":1}')
    assert store.update(new, expected=record.version)
    assert not queued
    later = changed(new, version=2, expires_at=new.expires_at + 1)
    assert store.update(later, expected=1)
    assert len(queued) == 1
    assert store.get(record.id, now=clock()).record == later
    assert not store.update(record, expected=1)


def test_a_quota_needs_no_thread(store, clock, queued):
    """Neither the first unit, nor the next, nor one in a later part of the window."""
    store.core.write(lambda conn: None)
    queued.clear()
    left = [store.take("q", limit=9, period=16_000, now=clock()).remaining for _ in range(3)]
    left.append(store.take("q", limit=9, period=16_000, now=clock.advance(1000)).remaining)
    assert left == [8, 7, 6, 5]
    assert not queued


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("since", [None, 0, 1000])
def test_a_quota_that_another_process_spends_meanwhile(
    open_store, clock, asynchronous, since, monkeypatch
):
    """Between reading and writing another takes one: both count (R148).

    The first two of a quota, the next ones in the same part of the window, and those in a later part.
    """
    ours, theirs = open_store(), open_store()
    for each in (ours, theirs):
        each.core.write(lambda conn: None)
    store = AsyncSqliteStore(ours.core) if asynchronous else ours
    already = 0
    if since is not None:
        already = theirs.take("q", limit=1, period=16_000, now=clock()).allowed
        clock.advance(since)
    take, others, spent = quota.take, [theirs], []

    def late(*args, **options):
        while others:
            spent.append(others.pop().take("q", limit=3, period=16_000, now=clock()).remaining)
        return take(*args, **options)

    monkeypatch.setattr(quota, "take", late)
    taken = store.take("q", limit=3, period=16_000, now=clock())
    taken = asyncio.run(taken) if asynchronous else taken
    assert (spent, taken.remaining) == ([2 - already], 1 - already)


def test_threads_take_turns(store, clock):
    """Many threads spend one quota at once: no unit is lost and none is spent twice."""
    store.core.write(lambda conn: None)

    def spend():
        return sum(
            store.take("q", limit=100, period=60_000, now=clock()).allowed for _ in range(30)
        )

    assert sum(together([spend] * 6)) == 100
