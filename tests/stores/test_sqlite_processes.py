"""Several processes share one file, fork, and die at any moment (§5, §12)."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forking import ended, forked, in_a_child
from holdfast.errors import StoreCorrupt
from holdfast.protocols import Take
from holdfast.record import changed
from holdfast.stores.sqlite import SqliteStore
from holdfast.stores.sqlite.ticket import Ticket
from holdfast.testing.contracts.samples import listed

WORKER = Path(__file__).with_name("sqlite_worker.py")


def start(path, job, *args):
    return subprocess.Popen(
        [sys.executable, WORKER, path, job, *args], stdout=subprocess.PIPE, text=True
    )


def finish(workers):
    outputs = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return outputs


def test_counters_of_several_processes_lose_nothing(store, samples, clock, path):
    """Compare-and-set by four processes at once: each success is one step, none is lost (P3)."""
    record = samples.stored(data=b"0")
    outputs = finish([start(path, "count", record.id, "40") for _ in range(4)])
    found = store.get(record.id, now=clock()).record
    assert int(found.data) == sum(int(done) for (done,) in outputs) == 160


def test_the_log_does_not_grow_while_several_processes_write(samples, path):
    """It begins anew also where another process writes beside every checkpoint."""
    workers = [start(path, "write_on", samples.stored(data=b"0").id, "2000") for _ in range(2)]
    for worker in workers:
        assert worker.stdout.readline() == "2000\n"
    pages = path.with_name(f"{path.name}-wal").stat().st_size // 4096
    for worker in workers:
        worker.kill()
        worker.communicate(timeout=10)
    assert pages < 1000  # of 4000 that were written; 100 of each process between two checkpoints


def test_a_cap_holds_over_processes(store, samples, path):
    """Sign-ins of one subject in four processes leave exactly as many sessions as the cap (P10)."""
    finish([start(path, "sign_in", "alice", "25") for _ in range(4)])
    assert len(listed(store, "alice")) == 5


def test_a_quota_holds_over_processes(store, samples, clock, path):
    """Four processes together get exactly the limit, not four times as much (P59)."""
    record = samples.stored()
    outputs = finish([start(path, "spend", record.id, "40") for _ in range(4)])
    assert sum(int(done) for (done,) in outputs) == 50
    take = Take("key", 50, 3_600_000)
    assert not store.get(record.id, now=clock(), take=take).taken.allowed


def test_first_starts_of_several_processes(path):
    """All make the file at once, and all have the same salt."""
    outputs = finish([start(path, "salt") for _ in range(4)])
    assert len({salt for (salt,) in outputs}) == 1


@pytest.mark.parametrize("job", ["insert", "delete"])
@pytest.mark.parametrize("lines", [3, 40, 150])
def test_a_killed_writer_loses_nothing(store, samples, clock, path, job, lines):
    """After kill -9 under load every acknowledged write is there, and the file works (§12)."""
    records = samples.several(400) if job == "delete" else []
    worker = start(path, job, *(record.id for record in records))
    acknowledged = [worker.stdout.readline().strip() for _ in range(lines)]
    worker.send_signal(signal.SIGKILL)
    acknowledged += re.findall(r"^(\S+)\n", worker.stdout.read(), re.MULTILINE)
    worker.wait(10)
    worker.stdout.close()
    ids = set(listed(store))
    if job == "insert":
        assert ids.issuperset(acknowledged)
    else:
        assert ids.isdisjoint(acknowledged)
    assert store.core.read("PRAGMA integrity_check") == [("ok",)]
    assert samples.stored().id in listed(store)
    reopened = SqliteStore(path)
    assert listed(reopened) == listed(store)
    reopened.close()


def open_files(path):
    """The descriptors of this process on SQLite's files."""
    links = [each.resolve() for each in Path("/proc/self/fd").iterdir()]
    ours = {path.name, f"{path.name}-wal", f"{path.name}-shm"}
    return [each for each in links if each.name in ours]


proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")


@proc
def test_an_error_keeps_no_file_open(store, samples, path):
    """However long it is kept, as by who reports errors."""
    samples.several(100)
    store.core._hold()  # with its end the log goes into the file
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    store.core._release()
    with pytest.raises(StoreCorrupt) as kept:
        store.salt()
    assert kept.value.__cause__
    assert open_files(path) == []


@proc
def test_a_child_inherits_no_handle(store, samples, path):
    """SQLite's locks do not survive a fork, so nothing of it is open at that moment."""
    samples.stored()
    assert open_files(path)

    def job():
        assert open_files(path) == []

    assert in_a_child(job) == 0


def test_parent_and_child_go_on(store, samples, clock):
    """Neither notices the other's connections, and each sees the other's writes."""
    record, theirs = samples.several(2)

    def job():
        assert store.get(record.id, now=clock()).record == record
        assert store.update(changed(record, version=7), expected=record.version)
        store.bump_epoch() if record is None else store.delete(theirs.id)

    assert in_a_child(job) == 0
    assert store.get(theirs.id, now=clock()).record is None
    assert store.get(record.id, now=clock()).record.version == 7
    assert store.update(changed(record, version=8), expected=7)


def test_the_last_to_close_is_not_mistaken(store, samples, clock):
    """A parent that closes leaves the log of its child alone, which then dies without closing."""
    record = samples.stored()
    ready_read, ready_write = os.pipe()
    closed_read, closed_write = os.pipe()

    def job():
        assert store.update(changed(record, version=7), expected=record.version)
        os.write(ready_write, b"x")
        os.read(closed_read, 1)
        assert store.update(changed(record, version=8), expected=7)

    child = forked(job)
    os.read(ready_read, 1)
    store.get(record.id, now=clock())
    path = store.core._file._path
    store.close()
    os.write(closed_write, b"x")
    assert ended(child) == 0
    reopened = SqliteStore(path)
    assert reopened.get(record.id, now=clock()).record.version == 8
    reopened.close()


def test_no_thread_runs_while_forking(store, samples):
    """The writer ends before a fork and comes back with the next write, in parent and child."""
    samples.stored()
    writer = store.core._writer
    assert writer._thread.is_alive()
    seen = []
    os.register_at_fork(before=lambda: seen.append(writer._thread))

    def job():
        assert writer._thread is None
        samples.stored()

    # Handlers run in the reverse order of registration, so ours looks before the store's own.
    assert in_a_child(job) == 0
    assert seen[-1] is not None
    assert writer._thread is None
    samples.stored()
    assert writer._thread.is_alive()


def test_writes_queued_at_a_fork_happen_once(store, samples, clock):
    """Threads that write while another forks are all answered, and nothing is done twice."""
    script = Path(__file__).with_name("sqlite_worker.py")
    record = samples.stored(data=b"0")
    (output,) = finish([start(store.core._file._path, "fork_under_load", record.id, "8")])
    assert script.exists()
    assert output == ["400"]
    assert store.get(record.id, now=clock()).record.data == b"400"


def test_what_a_loop_wants_to_write_at_a_fork_happens_once(core, monkeypatch):
    """What the writer has not been told yet is the parent's, and not its child's as well."""
    core.migrate("words", ["CREATE TABLE words (word TEXT);"])
    parent, hold = os.getpid(), core._writer.hold

    async def main():
        loop = asyncio.get_running_loop()
        ticket = Ticket(
            lambda conn: conn.execute("INSERT INTO words VALUES ('once')").rowcount,
            durable=True,
            loop=loop,
        )

        def meanwhile():
            if os.getpid() == parent:
                core._batches.add(ticket, loop)
            hold()

        monkeypatch.setattr(core._writer, "hold", meanwhile)
        assert in_a_child(core.close) == 0
        return await ticket.future

    assert asyncio.run(main()) == 1
    assert core.read("SELECT word FROM words") == [("once",)]
