"""A hot session costs no query, and what anybody changes is felt by the next read of everybody."""

import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from forking import in_a_child
from holdfast.errors import StoreUnavailable, UsageError
from holdfast.protocols import Cap, Replacing
from holdfast.record import changed
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite.ticket import answer
from holdfast.testing.contracts.samples import Samples

WORKER = Path(__file__).with_name("sqlite_worker.py")


@pytest.fixture
def other(open_store, samples):
    """Another process: its own connections and its own table of what is hot."""
    store = open_store()
    store.salt()
    return store


@pytest.fixture
def queries(store, monkeypatch):
    """The parameters of what the store has asked SQLite since."""
    asked, one = [], store.core._readers.one
    monkeypatch.setattr(
        store.core._readers, "one", lambda sql, params: (asked.append(params), one(sql, params))[1]
    )
    return asked


@pytest.fixture
def hot(store, samples, clock, other, queries):
    """A session that the store knows without a query."""
    record = samples.stored()
    for _ in range(2):
        clock.advance(1000)
        assert store.get(record.id, now=clock()).record == record
    queries.clear()
    assert store.get(record.id, now=clock()).record == record
    assert queries == []
    return record


def later(record):
    return {"seen_at": record.seen_at + 1, "expires_at": record.expires_at + 1}


CHANGES = {
    "update": lambda store, it: store.update(changed(it, version=9), expected=it.version),
    "touch": lambda store, it: store.touch(it.id, **later(it)),
    "delete": lambda store, it: store.delete(it.id),
    "delete softly": lambda store, it: store.delete(it.id, durable=False),
    "delete all": lambda store, it: store.delete_all(it.subject),
    "end everybody": lambda store, it: store.bump_epoch(),
    "purge": lambda store, it: store.purge(now=it.expires_at + 1),
}


@pytest.mark.parametrize("by", ["itself", "another process"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_felt_at_once(store, other, hot, clock, change, by):
    """Whatever changes a session, no time passes until every process reads that (promise 1)."""
    CHANGES[change](store if by == "itself" else other, hot)
    found = store.get(hot.id, now=clock()).record
    assert found != hot
    assert found == other.get(hot.id, now=clock()).record


@pytest.mark.parametrize("how", ["replaced", "evicted"])
def test_a_sign_in_that_ends_another_is_felt_at_once(store, other, hot, clock, how):
    """The session whose place a new one takes, and the oldest of too many."""
    new = Samples(other, clock).record(hot.subject)
    more = (
        {"replacing": Replacing(hot.id, hot.version)}
        if how == "replaced"
        else {"cap": Cap(1, "evict_oldest")}
    )
    other.insert(new, now=clock(), **more)
    assert store.get(hot.id, now=clock()).record is None


def test_the_others_stay_hot(store, other, hot, clock, queries):
    """A change of one session costs the others no query, but for those that share its place."""
    samples = Samples(other, clock)
    for each in samples.several(5, "bob"):
        other.update(changed(each, version=9), expected=each.version)
    assert store.get(hot.id, now=clock()).record == hot
    assert queries == []


def test_what_was_read_before_the_commit_is_read_again(store, other, hot, clock):
    """Somebody who reads while the change is under way keeps nothing of what was before."""
    under_way, go = threading.Event(), threading.Event()

    def op(conn):
        conn.execute("DELETE FROM sessions WHERE id = ?", (hot.id,))
        under_way.set()
        go.wait()

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(other.core.write, op)
        under_way.wait()
        assert store.get(hot.id, now=clock()).record == hot
        assert store.get(hot.id, now=clock()).record == hot
        go.set()
        ending.result()
    assert store.get(hot.id, now=clock()).record is None


def test_what_changes_behind_the_reading_is_read_again(store, other, samples, clock, monkeypatch):
    """Between the query and its entry in the table somebody ends the session."""
    record, one = samples.stored(), store.core._readers.one
    clock.advance(1000)

    def overtaken(sql, params):
        row = one(sql, params)
        other.delete(record.id)
        return row

    with monkeypatch.context() as patch:
        patch.setattr(store.core._readers, "one", overtaken)
        assert store.get(record.id, now=clock()).record == record
    assert store.get(record.id, now=clock()).record is None


def test_what_another_program_changes_is_felt_within_ten_seconds(store, hot, clock, path):
    """It leaves no marks."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("DELETE FROM sessions")
        conn.commit()
    clock.advance(10_000)
    assert store.get(hot.id, now=clock()).record is None


def test_a_closed_store_knows_nothing(store, hot, clock):
    """Also nothing that was hot."""
    store.close()
    with pytest.raises(UsageError):
        store.get(hot.id, now=clock())


def test_ten_seconds_bound_what_is_kept(store, samples, clock):
    """What was hot and is not asked for any more takes no memory."""
    for each in samples.several(20):
        clock.advance(1000)
        store.get(each.id, now=clock())
    assert len(store.core._hot._known) <= 10


def test_the_memory_that_is_taken_is_bounded(
    store, other, hot, samples, clock, monkeypatch, queries
):
    """What finds no room is read each time; what has found it stays hot."""
    monkeypatch.setattr("holdfast.stores.sqlite.hot._ROOM", 3000)
    clock.advance(10_000)
    big = samples.stored(data=b"x" * 3000)
    for each in (hot, big, big, big):
        assert store.get(each.id, now=clock()).record == each
    last = samples.stored()
    queries.clear()
    for _ in range(2):
        for each in (hot, big, last):
            assert store.get(each.id, now=clock()).record == each
    assert queries == [(last.id,)] * 2


def test_a_child_is_felt_too(store, hot, clock):
    """A fork shares the marks, and no number that one of both has used comes from the other."""
    assert in_a_child(lambda: store.delete(hot.id)) == 0
    assert store.get(hot.id, now=clock()).record is None


def test_real_processes_one_after_another(store, path, clock):
    """Two hundred sessions, each ended by another process while it is hot here."""
    worker = subprocess.Popen(
        [sys.executable, WORKER, path, "end_what_is_hot", "200"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    for _ in range(200):
        id = worker.stdout.readline().strip()
        assert all(store.get(id, now=clock()).record for _ in range(3))
        worker.stdin.write("\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "ended\n"
        assert store.get(id, now=clock()).record is None
    worker.communicate(timeout=60)
    assert worker.returncode == 0


def test_one_file_by_two_names(store, hot, clock, path, tmp_path):
    """A link to the database leads to the same marks."""
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with closing(SqliteStore(link)) as other:
        other.delete(hot.id)
    assert store.get(hot.id, now=clock()).record is None


def test_who_may_use_the_database_may_use_the_marks(path):
    """Whoever was first, such as an operator with a command."""
    path.touch()
    path.chmod(0o660)
    with closing(SqliteStore(path)) as store:
        store.salt()
    assert stat.S_IMODE(path.with_name("sessions.db-marks").stat().st_mode) == 0o660


def test_without_marks_nothing_is_written_and_nothing_kept(path, clock, open_store):
    """A change that cannot be told is not made; it works by itself as soon as there can be marks."""
    marks = path.with_name("sessions.db-marks")
    marks.mkdir()
    store = open_store()
    record = Samples(store, clock).record()
    with pytest.raises(StoreUnavailable, match=r"sessions\.db-marks"):
        store.insert(record, now=clock())
    assert store.get(record.id, now=clock()).record is None
    marks.rmdir()
    store.insert(record, now=clock())
    assert store.get(record.id, now=clock()).record == record


def test_the_mark_comes_before_the_answer(store, hot, monkeypatch):
    """Nobody is told of an end that some process may not feel yet."""
    order, mark = [], store.core._file.mark
    monkeypatch.setattr(store.core._file, "mark", lambda: (order.append("mark"), mark()))
    monkeypatch.setattr(
        "holdfast.stores.sqlite.writer.answer",
        lambda group: (order.append("answer"), answer(group)),
    )
    store.delete(hot.id)
    assert order[:2] == ["mark", "answer"]


def test_who_finds_it_ended_is_believed(store, other, open_store, hot, clock, monkeypatch):
    """Whoever ended it died between commit and mark; the next one who ends it changes nothing."""
    monkeypatch.setattr(other.core._file, "mark", lambda: None)
    other.delete(hot.id)
    assert open_store().delete(hot.id) is False
    assert store.get(hot.id, now=clock()).record is None


def test_a_late_mark_covers_nobody_elses_change(store, other, open_store, hot, clock, monkeypatch):
    """One has committed and not marked yet; another begins, and dies between its commit and its mark."""
    dying, late = open_store(), other.core._file.mark
    dying.salt()
    under_way, go = threading.Event(), threading.Event()
    monkeypatch.setattr(dying.core._file, "mark", lambda: None)

    def op(conn):
        conn.execute("DELETE FROM sessions WHERE id = ?", (hot.id,))
        under_way.set()
        go.wait()

    with ThreadPoolExecutor(1) as pool:
        ending = []

        def mark():
            if not ending:
                ending.append(pool.submit(dying.core.write, op))
                under_way.wait()
            late()

        monkeypatch.setattr(other.core._file, "mark", mark)
        other.touch(hot.id, **later(hot))
        for _ in range(2):  # it still lives, and would be kept
            assert store.get(hot.id, now=clock()).record == changed(hot, **later(hot))
        go.set()
        ending[0].result()
    assert open_store().delete(hot.id) is False  # this one is told that it has ended
    assert store.get(hot.id, now=clock()).record is None


def test_the_marks_of_two_that_overlap_leave_nothing_wrong(
    store, other, open_store, hot, clock, monkeypatch, queries
):
    """The one whose mark is late leaves the place unsettled; the next change settles it."""
    late, second = other.core._file.mark, open_store()
    second.salt()

    def mark():
        monkeypatch.setattr(other.core._file, "mark", late)
        assert second.touch(hot.id, seen_at=hot.seen_at + 2, expires_at=hot.expires_at + 2)
        late()

    monkeypatch.setattr(other.core._file, "mark", mark)
    other.touch(hot.id, **later(hot))
    for _ in range(2):
        assert store.get(hot.id, now=clock()).record.seen_at == hot.seen_at + 2
    assert len(queries) == 2
    other.touch(hot.id, seen_at=hot.seen_at + 3, expires_at=hot.expires_at + 3)
    for _ in range(2):
        assert store.get(hot.id, now=clock()).record.seen_at == hot.seen_at + 3
    assert len(queries) == 3


def test_marks_are_put_into_no_linked_file(path, tmp_path):
    """A command of root would overwrite whatever the owner of the directory has chosen."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path.with_name("sessions.db-marks").symlink_to(victim)
    with closing(SqliteStore(path)) as store, pytest.raises(StoreUnavailable, match="-marks"):
        store.core.write(lambda conn: None)
    assert victim.read_text() == "precious"


@pytest.fixture
def replaced(store, hot, path):
    """Another file lies in the place of the opened one, with nobody signed in."""
    restored = path.with_suffix(".bak")
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("VACUUM INTO ?", (str(restored),))
    with closing(sqlite3.connect(restored)) as conn:
        conn.execute("DELETE FROM sessions")
        conn.commit()
    restored.replace(path)
    for end in ("-wal", "-shm"):
        path.with_name(path.name + end).unlink()
    return hot


def test_nothing_stays_hot_of_a_file_that_was_replaced(store, replaced, clock):
    """As soon as a write has noticed it."""
    store.core.write(lambda conn: None)
    assert store.get(replaced.id, now=clock()).record is None


def test_no_thread_reads_the_old_file_beside_one_that_turns_over(
    store, replaced, clock, monkeypatch
):
    """While one thread closes the old connections, another one asks."""
    store.core.write(lambda conn: None)
    found, reset = [], store.core._readers.reset

    def beside():
        monkeypatch.setattr(store.core._readers, "reset", reset)
        found.append(store.get(replaced.id, now=clock()).record)
        reset()

    monkeypatch.setattr(store.core._readers, "reset", beside)
    assert store.get(replaced.id, now=clock()).record is None
    assert found == [None]


def test_marks_that_somebody_has_removed_are_shared_anew(store, open_store, samples, clock, path):
    """Within a second, as with who sweeps away old files; only a process that starts meanwhile is not heard."""
    record = samples.stored()
    assert store.get(record.id, now=clock()).record == record
    path.with_name("sessions.db-marks").unlink()
    late = open_store()
    for now in (clock.advance(1000), clock.advance(1000)):
        assert store.get(record.id, now=now).record == record
    assert late.delete(record.id)
    assert store.get(record.id, now=clock()).record is None
