"""What is on disk when a write returns (§5, §12, P12, P13)."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.errors import NotDurable, StoreUnavailable
from holdfast.record import changed
from holdfast.testing.contracts.samples import Samples, listed

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture
def lazy(server):
    """A server that by itself hardly puts anything on disk: only what a write waits for gets there."""
    server.admin(
        "ALTER SYSTEM SET synchronous_commit = off",
        "ALTER SYSTEM SET autovacuum = off",
        "ALTER SYSTEM SET bgwriter_lru_maxpages = 0",
        "ALTER SYSTEM SET checkpoint_timeout = '1d'",
        "ALTER SYSTEM SET wal_writer_delay = '10s'",
        "SELECT pg_reload_conf()",
    )
    until(lambda: server.admin("SHOW wal_writer_delay") == [("10s",)])
    yield server
    server.admin("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")
    until(lambda: server.admin("SHOW wal_writer_delay") == [("200ms",)])


@pytest.fixture
def still(lazy):
    """The same, and nothing at all: on a busy machine the ten seconds of the log's writer pass in a test."""
    number = hold_log_writer(lazy)
    yield lazy
    os.kill(number, signal.SIGCONT)


def hold_log_writer(server):
    """Stop it where it waits for work, and so has no lock that a commit needs; its process."""

    def idle():
        return server.admin(
            "SELECT pid FROM pg_stat_activity"
            " WHERE backend_type = 'walwriter' AND wait_event_type = 'Activity'"
        )

    while True:
        until(idle)
        for (number,) in idle():
            os.kill(number, signal.SIGSTOP)
            if idle():
                return number
            os.kill(number, signal.SIGCONT)


def until(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def written(server):
    """The place up to which the log was written."""
    return server.admin("SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0]


def on_disk(server):
    """The place up to which the log is on disk."""
    return server.admin("SELECT pg_current_wal_flush_lsn() - '0/0'")[0][0]


DURABLE = {
    "delete": lambda store, record: store.delete(record.id),
    "delete of what is gone": lambda store, record: store.delete("aa1" + "A" * 22),
    "delete_all": lambda store, record: store.delete_all("alice"),
    "delete_all of nobody": lambda store, record: store.delete_all("nobody"),
    "bump_epoch": lambda store, record: store.bump_epoch(),
    "raise_epoch": lambda store, record: store.raise_epoch(5),
    "raise_epoch to less": lambda store, record: store.raise_epoch(0),
    "update": lambda store, record: store.update(
        changed(record, version=1), expected=record.version, durable=True
    ),
}
LIGHT = {
    "touch": lambda store, record: store.touch(record.id, seen_at=2**50, expires_at=2**50),
    "take": lambda store, record: store.take("key", limit=5, period=60_000, now=0),
    "update": lambda store, record: store.update(
        changed(record, version=1), expected=record.version
    ),
    "delete": lambda store, record: store.delete(record.id, durable=False),
}


@pytest.mark.parametrize("verb", DURABLE)
def test_a_durable_write_is_on_disk(still, open_store, clock, verb):
    """Whatever the server's settings are, and with everything that was written before it."""
    store = open_store()
    record = Samples(store, clock).stored()
    store.touch(record.id, seen_at=clock(), expires_at=clock())
    before = written(still)
    assert on_disk(still) < before, "nothing is on disk by itself"
    DURABLE[verb](store, record)
    assert on_disk(still) >= before


@pytest.mark.parametrize("verb", LIGHT)
def test_other_writes_do_not_wait(still, open_store, clock, verb):
    """Activity and quotas never wait for the disk, the rest as the server is set."""
    store = open_store()
    record = Samples(store, clock).stored()
    LIGHT[verb](store, record)
    assert on_disk(still) < written(still)


@pytest.mark.parametrize("verb", ["touch", "take"])
def test_activity_is_light_by_itself(still, open_store, clock, verb):
    """On a server that waits for every commit, too."""
    still.admin("ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")
    until(lambda: still.admin("SHOW synchronous_commit") == [("on",)])
    store = open_store()
    record = Samples(store, clock).stored()
    LIGHT[verb](store, record)
    assert on_disk(still) < written(still)


@pytest.mark.crash
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGKILL])
def test_a_crash_undoes_no_acknowledged_revocation(lazy, open_store, schema, clock, number):
    """The server dies under load, at once; what was acknowledged as ended stays ended (§12)."""
    store = open_store()
    records = Samples(store, clock).several(300)
    command = [sys.executable, WORKER, lazy.url, schema, "delete"]
    worker = subprocess.Popen(
        [*command, *(record.id for record in records)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    acknowledged = [worker.stdout.readline().strip() for _ in range(50)]
    lazy.restart(number)
    worker.kill()
    with worker:  # `communicate` would lose what `readline` has read ahead
        acknowledged += worker.stdout.read().split()
    left = set(listed(store))
    assert left.isdisjoint(acknowledged)
    assert len(left) + len(acknowledged) >= 299, "and nothing else is gone"


@contextmanager
def standby_away(server):
    """The server waits for a standby that there is not."""
    server.admin("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    try:
        until(lambda: server.admin("SHOW synchronous_standby_names") == [("nobody",)])
        yield
    finally:
        server.admin("ALTER SYSTEM RESET ALL", "SELECT pg_reload_conf()")


def not_replicated(server, write, *args):
    """What a write raises when somebody ends its wait for the standby."""
    with standby_away(server), ThreadPoolExecutor(1) as thread:
        answer = thread.submit(write, *args)
        until(lambda: _syncing(server))
        server.admin(f"SELECT pg_cancel_backend({_syncing(server)[0][0]})")
        with pytest.raises(NotDurable) as unproved:
            answer.result()
    return unproved.value


def test_a_standby_that_does_not_answer(server, open_store, samples, clock):
    """A durable write waits for synchronous standbys, ordinary ones are not held up by it."""
    record, other = samples.several(2)
    store = open_store(timeout=1.0)
    store.salt()
    with standby_away(server), ThreadPoolExecutor(4) as threads:
        started = time.monotonic()
        answers = [threads.submit(store.delete, record.id) for _ in range(4)]
        until(lambda: _syncing(server))
        assert store.get(other.id, now=clock()).record == other
        assert time.monotonic() - started < 1
        for answer in answers:
            with pytest.raises(StoreUnavailable):
                answer.result()
    until(lambda: not _syncing(server))
    assert store.delete(record.id) is False, "a retry is safe, and proves"


def test_a_write_that_was_not_replicated_is_told(server, open_store, samples, clock):
    """Somebody ends the wait for the standby: done here, not proved, so `NotDurable` (P13)."""
    record = samples.stored()
    store = open_store()
    store.salt()
    not_replicated(server, store.delete, record.id)
    assert store.get(record.id, now=clock()).record is None
    assert store.delete(record.id) is False


def test_what_was_refused_does_not_pass_for_done(server, open_store, samples, clock):
    """A session that somebody else has changed is as it was: who takes it for ended signs somebody out."""
    record = samples.stored()
    store = open_store()
    store.salt()
    with standby_away(server), ThreadPoolExecutor(1) as thread:
        answer = thread.submit(store.delete, record.id, expected=record.version + 1)
        until(lambda: _syncing(server))
        server.admin(f"SELECT pg_cancel_backend({_syncing(server)[0][0]})")
        assert answer.result() is False
    assert store.get(record.id, now=clock()).record == record


def test_what_was_not_replicated_is_named(server, open_store, samples):
    """Whoever must say it again after a loss is told which sessions those are."""
    gone = samples.several(3)
    store = open_store()
    store.salt()
    unproved = not_replicated(server, store.delete_all, gone[0].subject)
    assert sorted(unproved.ended) == sorted(each.id for each in gone)
    assert not_replicated(server, store.bump_epoch).epoch == 1
    assert not_replicated(server, store.raise_epoch, 5).epoch is None


def _syncing(server):
    return server.admin("SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
