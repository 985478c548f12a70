"""The line of changes: what another process changed is heard before the answer to a later probe."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import psycopg
import pytest

import postgresql
from holdfast.errors import StoreUnavailable
from holdfast.protocols import Cap, Replacing
from holdfast.record import changed
from holdfast.stores import open_both
from holdfast.stores.postgres.remote import standbys
from holdfast.stores.remote import Answered, Changed, Durability, Flushed
from postgresql import Bouncer


@pytest.fixture
def opened(schemas):
    opened = open_both(schemas.url(), timeout=5)
    yield opened
    opened.blocking.close()


@pytest.fixture
def line(opened):
    (name,) = opened.remote.lines()
    assert opened.remote.line_of("aa1" + "A" * 22) == name
    line = opened.remote.dial(name)
    yield line
    line.close()


def heard(line, serial=1):
    """What comes until the answer to a probe, without it."""
    line.probe(serial)
    deadline, found = time.monotonic() + 10, []
    while Answered(serial) not in found:
        assert time.monotonic() < deadline
        found += line.receive(1)
    return [each for each in found if not isinstance(each, Answered)]


def test_each_change_is_heard(line, store, samples, clock):
    """Update, delete, eviction, replacement and log-out everywhere, each by its id."""
    one, two, three, four = samples.several(4)
    assert heard(line) == []
    store.update(changed(one, version=1), expected=one.version)
    assert heard(line) == [Changed(one.id)]
    store.delete(one.id, durable=False)
    assert heard(line) == [Changed(one.id)]
    store.insert(samples.record(), now=clock(), cap=Cap(3, "evict_oldest"))
    assert heard(line) == [Changed(two.id)]
    store.insert(samples.record(), now=clock(), replacing=Replacing(three.id, three.version))
    assert heard(line) == [Changed(three.id)]
    gone = store.delete_all("alice")
    assert four.id in gone
    assert set(heard(line)) == {Changed(id) for id in gone}


def test_what_changes_nothing_is_not_heard(line, store, samples, clock):
    """Touches, quotas, new sessions, refused writes and sweeps are silent."""
    record = samples.stored()
    store.touch(record.id, seen_at=clock() + 9, expires_at=record.expires_at + 9)
    store.take("key", limit=1, period=1000, now=clock())
    store.update(changed(record, version=1), expected=record.version ^ 1)
    store.delete(record.id, expected=record.version ^ 1)
    store.delete("aa1" + "A" * 22)
    samples.stored(expires_at=clock())
    store.purge(now=clock())
    assert heard(line) == []


def test_everything_may_have_changed(line, store, samples, clock):
    """The end of everybody's sessions, and more at once than one message should name."""
    store.bump_epoch()
    assert heard(line) == [Flushed()]
    store.raise_epoch(9)
    assert heard(line) == [Flushed()]
    store.raise_epoch(9)
    assert heard(line) == []
    samples.several(101)
    store.delete_all("alice")
    assert heard(line) == [Flushed()]


def test_ids_of_an_odd_spelling(line, store, samples):
    """An id that does not travel well makes everything suspect, nothing is missed."""
    record = samples.stored(id="ä\\1")
    assert store.delete(record.id)
    assert heard(line) == [Flushed()]


def test_a_change_comes_before_the_answer(line, open_store, samples):
    """Whoever was told that it is done can rely on it: under load of other writers, too (§5)."""
    stores = [open_store() for _ in range(3)]
    records = samples.several(90)

    def end(number):
        stores[number % 3].delete(records[number].id, durable=False)

    with ThreadPoolExecutor(3) as threads:
        noise = [threads.submit(end, number) for number in range(60)]
        for serial, record in enumerate(records[60:], 1):
            stores[0].delete(record.id)
            assert Changed(record.id) in heard(line, serial)
        for each in noise:
            each.result()


def test_two_lines_do_not_answer_each_other(line, opened, samples):
    """Probes of another process are no answers of ours."""
    other = opened.remote.dial("changes")
    other.probe(7)
    line.probe(8)
    assert heard(other, 9) == []
    found = []
    while Answered(8) not in found:
        found += line.receive(1)
    assert found == [Answered(8)]
    other.close()


def test_the_node_is_the_server_process(server, opened, samples, clock):
    """Readings name the process that the line listens to, and a restart is another one."""
    record = samples.stored()
    line = opened.remote.dial("changes")
    before = opened.blocking.get(record.id, now=clock()).node
    assert before == line.node
    line.close()
    server.restart()
    line = opened.remote.dial("changes")
    after = opened.blocking.get(record.id, now=clock()).node
    assert after == line.node != before
    line.close()


def test_a_line_that_is_cut(line, server):
    """Every use of it says so; closing it is no error."""
    server.admin(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'"
    )
    with pytest.raises(StoreUnavailable):
        heard(line)
    with pytest.raises(StoreUnavailable):
        line.probe(2)
    line.close()
    line.close()


def test_probes_while_the_server_stands_still(line, server):
    """Probing never blocks; the answers come when it goes on, the latest among them."""
    pids = [*server.backends(), server.process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        for serial in (1, 2, 3):
            line.probe(serial)
        assert line.receive(0.05) == []
        assert time.monotonic() - started < 1
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    found = []
    while Answered(3) not in found:
        found += line.receive(1)
    assert found == [Answered(1), Answered(3)]


def test_switching_on_waits_for_changes_under_way(opened, store, samples, server, schema):
    """A change that looked before anybody listened is through before the first line is there."""
    record = samples.stored()
    with psycopg.connect(server.url) as other, ThreadPoolExecutor(1) as thread:
        call = f"SELECT {schema}.delete_1('5000', %b, NULL, false)"
        assert other.execute(call, (record.id.encode(),)).fetchone() == (True,)
        dialled = thread.submit(opened.remote.dial, "changes")
        sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        deadline = time.monotonic() + 10
        while server.admin(sql) != [(1,)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert not dialled.done()
        other.commit()
        dialled.result().close()
    assert server.sql(f"SELECT notifies FROM {schema}.state") == [(True,)]


def test_nobody_listens(store, samples, server, schema):
    """Without a near cache anywhere nothing is announced: it would make commits wait in line."""
    with psycopg.connect(server.url, autocommit=True) as other:
        other.execute(f"LISTEN {schema}")
        store.delete(samples.stored().id)
        store.bump_epoch()
        assert list(other.notifies(timeout=0.2)) == []


def test_behind_a_pooler(schemas, samples):
    """Calls go through it, changes come by `listen_url`; without that a line is refused (§5)."""
    bouncer = Bouncer(postgresql.server())
    try:
        pooled = open_both(schemas.url(base=bouncer.url), timeout=1)
        with pytest.raises(StoreUnavailable, match="listen_url"):
            pooled.remote.dial("changes")
        pooled.blocking.close()
        url = f"{schemas.url(base=bouncer.url)}&listen_url={quote(schemas.server.url, safe='')}"
        opened = open_both(url)
        line, record = opened.remote.dial("changes"), samples.stored()
        assert opened.blocking.get(record.id, now=0).node == line.node
        opened.blocking.delete(record.id)
        assert heard(line) == [Changed(record.id)]
        line.close()
        opened.blocking.close()
    finally:
        bouncer.remove()


def test_durability(opened, server):
    """By the settings of the server; one that never syncs proves nothing."""
    remote = opened.remote
    assert remote.durability() == Durability("memory"), "the server of the tests has fsync off"
    server.stop()
    remote._known_until = 0.0
    assert remote.durability() == Durability("memory"), "the latest that is known"
    server.start(fsync="on")
    assert remote.durability() == Durability("fsynced")
    server.admin("ALTER SYSTEM SET synchronous_standby_names = 'ANY 2 (a, b, c)'")
    server.admin("SELECT pg_reload_conf()")
    try:
        deadline = time.monotonic() + 10
        while str(remote.durability()) != "replicated 2":
            assert time.monotonic() < deadline
            remote._known_until = 0.0
    finally:
        server.admin("ALTER SYSTEM RESET ALL")
        server.restart()


@pytest.mark.parametrize(
    ("setting", "count"),
    [("", 0), (" ", 0), ("a", 1), ("a, b", 1), ("*", 1), ("2 (a, b)", 2), ("FIRST 3 (*)", 3)],
)
def test_standbys(setting, count):
    """As PostgreSQL reads `synchronous_standby_names`."""
    assert standbys(setting) == count
