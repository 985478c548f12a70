"""One thread writes, in groups, and a group is no community of fate."""

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.errors import StoreCorrupt, StoreUnavailable, UsageError
from holdfast.stores.sqlite import AsyncSqliteStore, SqliteStore
from holdfast.stores.sqlite.writer import Writer
from holdfast.testing.contracts.samples import together
from stores.words import WORDS, add, words


class Recorded:
    """A connection that notes its statements, and may fail one of them."""

    error = sqlite3.OperationalError("disk I/O error")

    def __init__(self, conn, log, fail_on):
        self._conn, self._log, self._fail_on = conn, log, fail_on

    def execute(self, sql, *args):
        word = sql.split()[0]
        self._log.append(word)
        if word in self._fail_on:
            self._fail_on.discard(word)
            self._conn.execute("ROLLBACK") if self._conn.in_transaction else None
            raise self.error
        return self._conn.execute(sql, *args)

    def __getattr__(self, name):
        return getattr(self._conn, name)


@pytest.fixture
def recorded(core, monkeypatch):
    """The statements of the writer from here on, and the words of those to fail once."""
    log, fail_on, connect = [], set(), core._file.writer
    monkeypatch.setattr(core._file, "writer", lambda: Recorded(connect(), log, fail_on))
    core._writer.hold()
    core._writer.release()
    return log, fail_on


def as_group(core, ops, *, durable=False):
    """The outcomes of operations that the writer finds in its queue together."""
    with ThreadPoolExecutor(len(ops) + 1) as pool:
        waiting, go = threading.Event(), threading.Event()
        pool.submit(core.write, lambda conn: (waiting.set(), go.wait()))
        waiting.wait()
        futures = [pool.submit(core.write, op, durable=durable) for op in ops]
        while core._writer._queue.qsize() < len(ops):
            pass
        go.set()
        return [future.exception() or future.result() for future in futures]


def test_waiting_operations_share_one_commit(table, recorded):
    """Twenty callers who come while a commit is under way are served by the next one."""
    log, _ = recorded
    assert as_group(table, [add(f"{n:02}") for n in range(20)]) == [1] * 20
    assert log.count("COMMIT") == 2
    assert len(words(table)) == 20


def test_a_failing_operation_fails_alone(table):
    """Its neighbours are carried out, and its own changes are taken back, also those before."""

    def spoil(conn):
        add("half")(conn)
        raise ValueError("mine")

    results = as_group(table, [add("a"), spoil, add("b"), add("a"), add("c")])
    assert [type(result) for result in results] == [int, ValueError, int, StoreCorrupt, int]
    assert isinstance(results[3].__cause__, sqlite3.IntegrityError)
    assert words(table) == ["a", "b", "c"]


def test_a_failing_commit_fails_all(table, recorded):
    """Nobody is told that it worked, each has an error of its own, and nothing is there (P13)."""
    _, fail_on = recorded
    table.write(add("first"))

    def last(conn):
        fail_on.add("COMMIT")

    results = as_group(table, [add("a"), add("b"), last])
    assert [type(result) for result in results] == [StoreUnavailable] * 3 or [
        type(result) for result in results
    ] == [StoreCorrupt] * 3
    assert len({id(result) for result in results}) == 3
    assert words(table) == ["first"]
    assert table.write(add("later")) == 1


def test_a_failing_begin_fails_the_group_and_no_more(table, recorded):
    """The next write opens a new connection and goes on."""
    _, fail_on = recorded
    fail_on.add("BEGIN")
    with pytest.raises((StoreUnavailable, StoreCorrupt)):
        table.write(add("a"))
    assert table.write(add("b")) == 1
    assert words(table) == ["b"]


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])
def test_the_level_of_the_group(table, durable, level):
    """A durable operation runs in a FULL transaction, an ordinary one in a NORMAL one."""
    synchronous = table.write(
        lambda conn: conn.execute("PRAGMA synchronous").fetchone()[0], durable=durable
    )
    assert synchronous == level


def test_one_durable_operation_makes_the_group_durable(table, recorded):
    """Whoever asked for less gets more."""
    levels = []

    def look(conn):
        levels.append(conn.execute("PRAGMA synchronous").fetchone()[0])

    with ThreadPoolExecutor(3) as pool:
        waiting, go = threading.Event(), threading.Event()
        pool.submit(table.write, lambda conn: (waiting.set(), go.wait()))
        waiting.wait()
        futures = [pool.submit(table.write, look), pool.submit(table.write, look, durable=True)]
        while table._writer._queue.qsize() < 2:
            pass
        go.set()
        [future.result() for future in futures]
    assert levels == [2, 2]


def test_readers_see_what_was_acknowledged(table):
    """The very next read of any thread has it."""

    def write_then_read(word):
        table.write(add(word))
        return table.read_one("SELECT 1 FROM words WHERE word = ?", (word,)) == (1,)

    calls = [lambda n=n: all(write_then_read(f"{n}/{m}") for m in range(20)) for n in range(4)]
    assert all(together(calls))


def test_a_caller_does_not_wait_for_ever(open_store):
    """Past the time limit the caller is told, and what has not begun does not happen later."""
    table = open_store().core
    table.migrate("words", WORDS)
    core = open_store(timeout=0.3).core
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        busy = threading.Event()
        pool.submit(_quietly, core.write, lambda conn: (busy.set(), go.wait()))
        busy.wait()
        with pytest.raises(StoreUnavailable):
            core.write(add("late"))
        go.set()
    table.write(add("next"))
    assert words(core) == ["next"]


def _quietly(call, *args):
    with suppress(StoreUnavailable):
        call(*args)


async def _queued():
    """Until what the tasks of this turn want to write is in the writer's queue."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_a_new_connection_gets_its_level_anew(table, monkeypatch):
    """SQLite may have been built so that one begins with less than a durable write needs."""
    connect = table._file.writer

    def built_otherwise():
        conn = connect()
        conn.execute("PRAGMA synchronous = OFF")
        return conn

    monkeypatch.setattr(table._file, "writer", built_otherwise)

    def level():
        return table.write(
            lambda conn: conn.execute("PRAGMA synchronous").fetchone()[0], durable=True
        )

    table.write(add("a"), durable=True)
    table._writer.hold()
    table._writer.release()
    assert level() == 2


def test_the_thread_outlives_whatever_keeps_it_from_beginning(core, monkeypatch):
    """Such as a file of the package that cannot be read, with as many files open as there may be."""
    with monkeypatch.context() as patch:
        patch.setattr(core._file, "writer", Path("/nowhere/at/all").open)
        with pytest.raises(FileNotFoundError):
            core.write(lambda conn: None)
    assert core.write(lambda conn: 1) == 1


@pytest.mark.parametrize(("statement", "after"), [("COMMIT", 1000), ("PRAGMA", 1)])
def test_the_thread_outlives_a_lack_of_memory(table, recorded, monkeypatch, statement, after):
    """It is an outage: at a commit the caller's, at a checkpoint nobody's."""
    monkeypatch.setattr("holdfast.stores.sqlite.writer._CHECKPOINT_AFTER", after)
    monkeypatch.setattr(Recorded, "error", MemoryError())
    table.write(add("before"))
    recorded[1].add(statement)
    with suppress(StoreUnavailable):
        table.write(add("short of memory"))
    table.write(add("after"))
    assert not recorded[1]
    assert "after" in words(table)


def test_coroutines_do_not_wait_for_ever(open_store):
    """The same limit holds for who awaits, also for one whose group has begun."""
    table = open_store().core
    table.migrate("words", WORDS)
    core = open_store(timeout=0.3).core
    busy, first, second = threading.Event(), threading.Event(), threading.Event()

    async def main():
        before = asyncio.create_task(core.awrite(lambda conn: (busy.set(), first.wait())))
        await _queued()
        busy.wait()
        stuck = asyncio.create_task(core.awrite(lambda conn: second.wait()))
        late = asyncio.create_task(core.awrite(add("late")))
        await _queued()
        first.set()
        return await asyncio.gather(before, stuck, late, return_exceptions=True)

    results = asyncio.run(main())
    second.set()
    assert [type(result) for result in results] == [tuple, StoreUnavailable, StoreUnavailable]
    table.write(add("next"))
    assert words(core) == ["next"]


def test_a_loop_is_woken_once_a_group(table, monkeypatch):
    """A hundred coroutines that write together cost one wake-up, not a hundred."""

    async def main():
        loop, woken = asyncio.get_running_loop(), []
        wake = loop.call_soon_threadsafe
        monkeypatch.setattr(
            loop, "call_soon_threadsafe", lambda *args: (woken.append(1), wake(*args))
        )
        busy, go = threading.Event(), threading.Event()
        first = asyncio.create_task(table.awrite(lambda conn: (busy.set(), go.wait())))
        await _queued()
        busy.wait()
        rest = [asyncio.create_task(table.awrite(add(f"{n:03}"))) for n in range(100)]
        await _queued()
        go.set()
        await asyncio.gather(first, *rest)
        return len(woken)

    assert asyncio.run(main()) == 2
    assert len(words(table)) == 100


def test_a_cancelled_wait_harms_nobody(table):
    """Who was cancelled gets nothing, the operation happens, and the others are answered."""

    async def main():
        go = threading.Event()
        first = asyncio.create_task(table.awrite(lambda conn: go.wait()))
        left = asyncio.create_task(table.awrite(add("left")))
        stays = asyncio.create_task(table.awrite(add("stays")))
        await asyncio.sleep(0)
        left.cancel()
        await _queued()
        go.set()
        return await asyncio.gather(first, stays)

    assert asyncio.run(main()) == [True, 1]
    assert words(table) == ["left", "stays"]


def test_a_closed_loop_harms_nobody(table):
    """A loop that ended while its write was under way has no one left to wake."""
    go = threading.Event()

    async def main():
        asyncio.create_task(table.awrite(lambda conn: go.wait()))  # noqa: RUF006
        await _queued()

    asyncio.run(main())
    go.set()
    assert table.write(add("next")) == 1


def test_close_finishes_what_was_queued(open_store):
    """Nothing that was accepted is dropped, and the store says that it is closed."""
    store = open_store()
    store.core.migrate("words", WORDS)

    async def main():
        tasks = [asyncio.create_task(store.core.awrite(add(f"{n}"))) for n in range(9)]
        await asyncio.sleep(0)
        store.close()
        return await asyncio.gather(*tasks)

    assert asyncio.run(main()) == [1] * 9
    with pytest.raises(UsageError):
        store.core.write(add("x"))
    with pytest.raises(UsageError):
        store.get("x", now=0)
    assert words(open_store().core) == [f"{n}" for n in range(9)]


def test_a_closed_file_is_one_file(store, samples, path):
    """The log has gone into the database, so that a copy of the file is a backup."""
    samples.stored()
    store.close()
    assert sorted(path.parent.iterdir()) == [path, path.with_name(f"{path.name}-marks")]


def test_the_log_is_cut_when_nothing_is_to_do(store, samples, path, monkeypatch):
    """A service at rest keeps no log of its busy hours."""
    monkeypatch.setattr("holdfast.stores.sqlite.writer._IDLE", 0.001)
    samples.several(20)
    log = path.with_name(f"{path.name}-wal")
    for _ in range(2000):
        if log.stat().st_size == 0:
            break
        store.core.write(lambda conn: None)
        threading.Event().wait(0.005)
    assert log.stat().st_size == 0


def test_the_log_does_not_grow_for_ever(store, samples, path, monkeypatch):
    """Under load, checkpoints let the log begin anew."""
    monkeypatch.setattr("holdfast.stores.sqlite.writer._CHECKPOINT_AFTER", 20)
    log = path.with_name(f"{path.name}-wal")
    samples.several(60)
    size = log.stat().st_size
    samples.several(200)
    assert log.stat().st_size <= 2 * size


def test_a_store_that_is_forgotten_is_closed(path, samples, store):
    """Neither thread nor file handle outlives the last reference."""
    other = AsyncSqliteStore(path)
    asyncio.run(other.salt())
    asyncio.run(other.bump_epoch())
    thread = other.core._writer._thread
    del other
    thread.join(5)
    assert not thread.is_alive()


def test_the_writer_starts_with_the_first_write(store):
    """Who only reads has no thread."""
    store.salt()
    assert store.core._writer._thread is None
    assert isinstance(store.core._writer, Writer)


def test_purge_leaves_room_for_others(store, samples, clock):
    """Many ended records go in several transactions, between which others write."""
    samples.several(250, None)
    store.bump_epoch()
    before = store.core._writer._since_checkpoint
    assert store.purge(now=clock()) == 250
    assert store.core._writer._since_checkpoint - before == 3
    assert store.core.read("SELECT count(*) FROM sessions") == [(0,)]


def test_readers_take_one_connection_each(store, samples, clock):
    """As many connections as simultaneous reads, and all of them are used again."""
    record = samples.stored()
    calls = [lambda: [store.get(record.id, now=clock()) for _ in range(50)]] * 6
    together(calls)
    together(calls)
    assert 1 <= len(store.core._readers._all) <= 6
    assert len(store.core._readers._free) == len(store.core._readers._all)


def test_readers_cannot_write(core):
    """A statement that changes something is refused where it does not belong."""
    with pytest.raises(StoreUnavailable):
        core.read("DELETE FROM sessions")


def test_a_failed_read_costs_no_connection(store, core):
    """Whatever goes wrong in a read, the next one works, and nothing is left open."""
    for _ in range(3):
        with pytest.raises(StoreCorrupt):
            core.read("SELECT nonsense")
        with pytest.raises(UnicodeEncodeError):
            store.get("\ud800", now=0)
    assert len(store.salt()) == 32
    assert len(core._readers._all) == 1


def test_a_store_may_be_forgotten_anywhere(path):
    """Even if the garbage collector closes it in its own writer thread, that thread ends."""
    store = SqliteStore(path)
    store.salt()
    close = store.core._finish
    thread = store.core.write(lambda conn: (close(), threading.current_thread())[1])
    thread.join(5)
    assert not thread.is_alive()


@pytest.mark.parametrize("statement", ["PRAGMA synchronous", "BEGIN IMMEDIATE", "PRAGMA wal_auto"])
def test_a_lock_in_the_way_of_the_first_statements_is_waited_for(
    open_store, monkeypatch, statement
):
    """Another process that opens or leaves the file holds it for a moment: no reason to answer 503."""
    table = open_store().core
    table.migrate("words", WORDS)
    core = open_store().core
    file, met = core._writer._file, []
    connect = file._connect
    monkeypatch.setattr(file, "_connect", lambda busy: Locked(connect(busy), statement, met))
    assert core.write(add("word")) == 1
    assert len(met) == 1


class Locked:
    """A connection that is locked the first time that a statement with this in it comes."""

    def __init__(self, conn, statement, met):
        self._conn, self._statement, self._met = conn, statement, met

    def __getattr__(self, name):
        return getattr(self._conn, name)

    def execute(self, text, *params):
        self._meet(text)
        return self._conn.execute(text, *params)

    def executescript(self, text):
        self._meet(text)
        return self._conn.executescript(text)

    def _meet(self, text):
        if self._statement in text and not self._met:
            self._met.append(text)
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
