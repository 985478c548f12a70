"""Whose file it is, who may read it, and what happens when something is wrong with it."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from functools import partial

import pytest

from holdfast.errors import StoreCorrupt, StoreError, StoreUnavailable
from holdfast.record import changed
from holdfast.stores.sqlite import SqliteStore, file, schema, sql
from holdfast.testing.contracts.samples import listed, together


def connect(path):
    return closing(sqlite3.connect(path, isolation_level=None, timeout=0))


# Permissions and ownership


@pytest.fixture
def open_umask():
    old = os.umask(0)
    yield
    os.umask(old)


@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_reads_the_files(store, samples, path):
    """Database, log, index and marks have mode 0600, whatever the umask."""
    samples.stored()
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == {f"{path.name}{end}": 0o600 for end in ("", "-wal", "-shm", "-marks")}


def test_nothing_is_opened_before_it_is_used(path):
    """A store that is only constructed leaves no trace."""
    SqliteStore(path).close()
    assert not path.exists()


def test_the_path_is_the_one_at_the_start(tmp_path, monkeypatch):
    """A relative path does not follow the working directory."""
    monkeypatch.chdir(tmp_path)
    store = SqliteStore("sessions.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.salt()
    store.close()
    assert (tmp_path / "sessions.db").exists()


@pytest.mark.parametrize("name", ["with space?.db", "a%20b#c.db", "ünï.db", "file:x?mode=memory"])
def test_any_name_is_a_file_name(tmp_path, name):
    """Nothing in a file name is taken for a part of a URI."""
    store = SqliteStore(tmp_path / name)
    store.salt()
    store.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == [name, f"{name}-marks"]


def test_an_empty_file_is_made_ours(path):
    """A file that somebody touched beforehand, to set its mode, is taken."""
    path.touch(0o640)
    store = SqliteStore(path)
    assert len(store.salt()) == 32
    store.close()


def test_the_file_says_whose_it_is(store, samples, path):
    """Other programs, and we, know it by its application id."""
    samples.stored()
    with connect(path) as conn:
        (application,) = conn.execute("PRAGMA application_id").fetchone()
    assert application.to_bytes(4, "big") == b"HFDS"


# Foreign, damaged, missing


def refuses(path, error):
    """The text of the error with which every kind of call is refused."""
    store = SqliteStore(path, timeout=0.2)
    calls = (store.salt, partial(store.get, "id", now=0), store.page, store.bump_epoch)
    texts = set()
    for call in calls:
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.type is error
        assert caught.value.http_status == 503
        texts.add(str(caught.value))
    store.close()
    (text,) = texts
    return text


def test_a_file_that_is_no_database(path):
    """It is refused, and stays as it is."""
    path.write_bytes(b"These are the accounts of 2024.\n" * 100)
    assert "not of SQLite" in refuses(path, StoreCorrupt)
    assert path.read_bytes() == b"These are the accounts of 2024.\n" * 100


def test_a_database_of_another_program(path):
    """It is refused, and not a byte of it is changed, not even its journal mode."""
    with connect(path) as conn:
        conn.execute("CREATE TABLE sessions (id)")
    before = path.read_bytes()
    assert "another application" in refuses(path, StoreCorrupt)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_database_of_a_newer_release(store, path):
    """It is refused with the advice to upgrade, before anything is written."""
    store.salt()
    store.close()
    with connect(path) as conn:
        conn.execute("UPDATE migrations SET done = 99")
    assert "upgrade holdfast" in refuses(path, StoreCorrupt)


def test_a_directory_that_does_not_exist(tmp_path):
    """It is not made, as its mode would be a guess; once it is there, the same store works."""
    path = tmp_path / "later" / "sessions.db"
    assert "directory" in refuses(path, StoreUnavailable)
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable) as error:
        store.salt()
    assert isinstance(error.value.__cause__, OSError)
    path.parent.mkdir()
    assert len(store.salt()) == 32
    store.close()


def test_a_directory_in_the_place_of_the_file(path):
    """The plain cause is named."""
    path.mkdir()
    refuses(path, StoreUnavailable)


def test_a_damaged_page(store, samples, clock, path):
    """The damage is reported as such with its cause, and a restored file works again by itself."""
    records = samples.several(50)
    store.close()
    shutil.copy(path, backup := path.with_suffix(".bak"))
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    damaged = SqliteStore(path)
    with pytest.raises(StoreCorrupt) as error:
        damaged.get(records[0].id, now=clock())
    assert isinstance(error.value.__cause__, sqlite3.DatabaseError)
    backup.replace(path)
    assert damaged.get(records[0].id, now=clock.advance(1000)).record == records[0]
    assert damaged.delete(records[0].id)
    damaged.close()


def test_no_message_tells_secrets(store, samples, path):
    """Errors name neither SQL nor ids nor data (§9)."""
    record = samples.stored()
    with connect(path) as conn:
        conn.execute("DROP TABLE sessions")
    for call in (partial(store.get, record.id, now=0), partial(store.delete, record.id)):
        with pytest.raises(StoreCorrupt) as error:
            call()
        assert "sessions" not in str(error.value)
        assert record.id not in str(error.value)
        assert "no such table" in str(error.value.__cause__)


def test_a_file_that_vanishes(store, samples, clock, path):
    """It is missed within a second of reading and at the next write, and not quietly made again."""
    record = samples.stored()
    assert store.get(record.id, now=clock()).record == record
    shutil.move(path.parent, away := path.parent.with_name(f"{path.parent.name}-away"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.get(record.id, now=clock.advance(1000))
        with pytest.raises(StoreUnavailable):
            store.delete(record.id)
    assert not path.parent.exists()
    shutil.move(away, path.parent)
    assert store.get(record.id, now=clock()).record == record
    assert store.delete(record.id)


@pytest.mark.parametrize("connected", [True, False])
def test_a_file_that_is_moved_away(store, samples, clock, path, connected):
    """As long as its place is empty nothing is answered and nothing made; then it goes on."""
    record = samples.stored()
    if not connected:
        store.core._hold()
        store.core._release()
    path.rename(away := path.with_suffix(".away"))
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.delete(record.id)
    with pytest.raises(StoreUnavailable):
        store.get(record.id, now=clock.advance(1000))
    assert not path.exists()
    away.rename(path)
    assert store.get(record.id, now=clock()).record == record
    assert store.delete(record.id)


def replace_with_copy(path):
    with connect(path) as conn:
        conn.execute("VACUUM INTO ?", (str(path.with_suffix(".bak")),))
    path.with_suffix(".bak").replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()


def test_a_file_that_is_replaced(store, samples, clock, path):
    """A backup put in its place is used within a second: nobody goes on in a deleted file."""
    old = samples.stored()
    store.core.write(lambda conn: None, durable=True)
    with connect(path) as conn:
        conn.execute("VACUUM INTO ?", (str(path.with_suffix(".bak")),))
    new = samples.stored()
    assert store.get(new.id, now=clock()).record == new
    path.with_suffix(".bak").replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    later = clock.advance(1000)
    assert store.get(new.id, now=later).record is None
    assert store.get(old.id, now=later).record == old
    assert store.update(changed(old, version=1), expected=old.version)
    assert store.get(old.id, now=later).record.version == 1


def test_a_list_is_never_of_a_file_that_was_replaced_or_is_gone(store, samples, open_store, path):
    """As nothing else is read where users are, or by who only looks after sessions."""
    record = samples.stored("alice")
    assert listed(store, "alice") == [record.id]
    replace_with_copy(path)
    open_store().delete(record.id)
    assert listed(store, "alice") == []
    path.unlink()
    with pytest.raises(StoreUnavailable):
        listed(store, "alice")


def test_a_read_that_outlasts_the_replacement_leaves_nothing_old(store, samples, clock, path):
    """Its connection, to the old file, is not used again: a session that has ended stays ended."""
    record = samples.stored()
    reading, go = threading.Event(), threading.Event()
    connection = store.core._readers._free[-1].connection
    connection.create_function("halt", 0, lambda: (reading.set(), go.wait(5))[1])
    slow = threading.Thread(target=store.core.read, args=("SELECT halt()",))
    slow.start()
    reading.wait(5)
    replace_with_copy(path)
    assert store.delete(record.id)
    assert store.get(record.id, now=clock()).record is None
    go.set()
    slow.join(5)
    assert store.get(record.id, now=clock()).record is None
    assert len(store.core._readers._all) == 1


def test_nobody_reads_the_old_file_while_another_turns_to_the_new(
    store, samples, clock, path, monkeypatch
):
    """Of two threads whose next read finds a new file, neither takes a connection to the old one."""
    record = samples.stored()
    replace_with_copy(path)
    assert store.delete(record.id)
    reset, seen = store.core._readers.reset, []

    def also_another():
        monkeypatch.setattr(store.core._readers, "reset", reset)
        together([lambda: seen.append(store.get(record.id, now=clock()).record)])
        reset()

    monkeypatch.setattr(store.core._readers, "reset", also_another)
    assert store.get(record.id, now=clock()).record is None
    assert seen == [None]


def test_a_lock_at_the_first_call_is_waited_for_once(open_store, path, monkeypatch):
    """Those who come next fail at once, instead of each waiting behind the one before."""
    waited, patiently = [], file._patiently
    monkeypatch.setattr(
        file, "_patiently", lambda action, for_: (waited.append(for_), patiently(action, for_))[1]
    )
    store = open_store(timeout=0.1)
    with connect(path) as conn:
        conn.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                store.salt()
    assert waited == pytest.approx([0.09, 0, 0])
    assert len(store.salt()) == 32


# Locked, full, read-only


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_locked_file(open_store, samples, clock, path, lock):
    """A write is refused within the time limit, reads go on, and writes do once it is free."""
    record = samples.stored()
    store = open_store(timeout=0.5)
    with connect(path) as conn:
        conn.execute(f"BEGIN {lock}")
        with pytest.raises(StoreUnavailable) as error:
            store.delete(record.id)
        assert "locked" in str(error.value)
        assert store.get(record.id, now=clock()).record == record
    assert store.delete(record.id)


def test_a_file_that_is_locked_from_reading(open_store, path):
    """A program that takes the file for itself alone makes reads fail in time as well."""
    store = open_store(timeout=0.1)
    with connect(path) as conn:
        conn.execute("PRAGMA locking_mode = EXCLUSIVE")
        conn.execute("BEGIN EXCLUSIVE")
        conn.execute("CREATE TABLE x (y)")
        with pytest.raises(StoreUnavailable):
            store.salt()
        conn.execute("ROLLBACK")
    assert len(store.salt()) == 32


def test_a_full_disk(store, samples, clock):
    """What does not fit is refused, what was acknowledged stays, and room makes it work again."""
    limit = "PRAGMA max_page_count = {}".format
    before = samples.several(3)
    pages = store.core.write(lambda conn: conn.execute("PRAGMA page_count").fetchone()[0])
    store.core.write(lambda conn: conn.execute(limit(pages)).fetchone())
    big = samples.record(data=b'"' + b"x" * 50_000 + b'"')
    with pytest.raises(StoreUnavailable) as error:
        store.insert(big, now=clock())
    assert "full" in str(error.value)
    assert error.value.__cause__.sqlite_errorcode == sqlite3.SQLITE_FULL
    assert listed(store) == sorted(record.id for record in before)
    assert store.delete(before[0].id)
    store.core.write(lambda conn: conn.execute(limit(2**30)).fetchone())
    assert store.insert(big, now=clock()) == ((),)


ON_A_SMALL_DISK = """
import resource, sys
from holdfast.errors import StoreUnavailable
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing import FakeClock
from holdfast.testing.contracts.samples import Samples, listed

store, clock = SqliteStore(sys.argv[1]), FakeClock()
samples = Samples(store, clock)
kept = []
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while True:
        kept.append(samples.stored(data=b"x" * 10_000).id)
except StoreUnavailable as error:
    assert error.__cause__ is not None
assert len(kept) > 5
assert listed(store) == sorted(kept)
try:
    store.bump_epoch()
except StoreUnavailable:
    assert listed(store) == sorted(kept)
else:
    assert listed(store) == []
    kept = []
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
kept.append(samples.stored().id)
assert listed(store) == sorted(kept)
store.close()
assert listed(SqliteStore(sys.argv[1])) == sorted(kept)
print("good")
"""

AS_NOBODY = """
import os, sys
from holdfast.errors import StoreUnavailable
from holdfast.stores.sqlite import SqliteStore
from holdfast.testing.contracts.samples import listed

os.getuid() or os.setuid(65534)
store = SqliteStore(sys.argv[1], timeout=0.2)
for call in (store.salt, lambda: store.get("x", now=0), store.bump_epoch):
    try:
        call()
    except StoreUnavailable as error:
        print(error, "|", type(error.__cause__).__name__)
    else:
        print("answered")
"""


def run(program, path):
    """What a program of its own process prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_fills_up_under_load(path):
    """The first write that does not fit is refused; those before and after it are there."""
    assert run(ON_A_SMALL_DISK, path).strip() == "good"


@pytest.fixture
def readable(tmp_path):
    """The folders down to ours may be entered by anybody."""
    chain = [
        each
        for each in (tmp_path, *tmp_path.parents)
        if each.owner() != "root" or each != each.parent
    ]
    modes = {each: each.stat().st_mode for each in chain}
    for each in chain:
        if not each.stat().st_mode & 1:
            each.chmod(0o755)
    yield
    for each, mode in modes.items():
        each.chmod(mode)


@pytest.mark.usefixtures("readable")
def test_a_read_only_file(store, samples, path):
    """It is refused as unavailable: a store that cannot revoke must not serve."""
    samples.stored()
    store.close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    lines = run(AS_NOBODY, path).splitlines()
    assert len(lines) == 3
    assert all("session database" in line and "Error" in line for line in lines)


@pytest.mark.usefixtures("readable")
def test_a_directory_without_write_permission(path):
    """The file cannot be made there, and the message says where and why."""
    path.parent.chmod(0o555)
    told = f"cannot be made in {path.parent}: Permission denied | PermissionError"
    assert run(AS_NOBODY, path).count(told) == 3


# Schema


def test_an_older_schema_is_brought_forward(core, path):
    """Only the scripts that have not run do, in order, and what was there stays."""
    first = "CREATE TABLE users (name TEXT); INSERT INTO users VALUES ('a;b');"
    second = "ALTER TABLE users ADD COLUMN mail TEXT;\nUPDATE users SET mail = name || '@x';\n"
    assert core.migrate("users", [first]) == 1
    assert core.migrate("users", [first]) == 0
    assert core.migrate("users", [first, second]) == 1
    assert core.read("SELECT * FROM users") == [("a;b", "a;b@x")]
    with pytest.raises(StoreCorrupt):
        core.migrate("users", [first])


def test_a_failing_migration_changes_nothing(core):
    """Half a script is no schema: everything is taken back and the next start tries again."""
    with pytest.raises(StoreCorrupt):
        core.migrate("users", ["CREATE TABLE users (name TEXT); CREATE TABLE users (name TEXT);"])
    assert core.migrate("users", ["CREATE TABLE users (name TEXT);"]) == 1


def test_session_tables_of_an_older_release(store, samples, clock, path, monkeypatch, tmp_path):
    """Opening brings the session tables forward, and the records in them are as before."""
    record = samples.stored()
    store.close()
    script = "ALTER TABLE sessions ADD COLUMN later TEXT;"
    original = schema._text
    monkeypatch.setattr(schema, "_SESSIONS", (*schema._SESSIONS, "next.sql"))
    monkeypatch.setattr(
        schema, "_text", lambda name: script if name == "next.sql" else original(name)
    )
    newer = SqliteStore(path)
    assert newer.get(record.id, now=clock()).record == record
    assert newer.core.read("SELECT later FROM sessions") == [(None,)]
    assert newer.delete(record.id)
    newer.close()


def test_many_first_starts_at_once(path):
    """However many open a new file together, they agree on one salt."""
    stores = [SqliteStore(path) for _ in range(8)]
    assert len(set(together([store.salt for store in stores]))) == 1
    for each in stores:
        each.close()


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (sql.GET, "sqlite_autoindex_sessions_1"),
        (sql.PAGE, "sqlite_autoindex_sessions_1"),
        (sql.PAGE_OF, "sessions_by_subject (subject=? AND id>?)"),
        (sql.LIVE, "sessions_by_subject"),
        (sql.IDS_OF, "sessions_by_subject"),
        (sql.PURGES[0], "COVERING INDEX sessions_by_end (epoch=? AND expires_at<?)"),
        (sql.PURGES[1], "COVERING INDEX sessions_by_end (epoch<?)"),
        (sql.PURGES[2], "COVERING INDEX quotas_by_end (expires_at<?)"),
    ],
)
def test_work_does_not_grow_with_the_table(core, statement, index):
    """Every query finds its rows through an index, and none but one small list is sorted (§12)."""
    named = {"now": 0, "limit": 1}
    params = named if ":limit" in statement else (1,) * statement.count("?")
    plan = [row[3] for row in core.read(f"EXPLAIN QUERY PLAN {statement}", params)]
    assert any(index in line for line in plan), plan
    assert not any(line.startswith("SCAN sessions") or line == "SCAN quotas" for line in plan)
    assert statement is sql.LIVE or not any("TEMP B-TREE" in line for line in plan)
