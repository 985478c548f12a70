"""Many at once: nothing is refused, lost, or counted twice."""

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor

from holdfast.protocols import Admitted, Cap, Replacing
from holdfast.record import changed
from holdfast.testing.contracts.samples import Samples, listed

CAP = Cap(3, "evict_oldest")


def hammer(store, clock, until):
    """Everything that locks more than one record, in any order, until then."""
    samples, chance = Samples(store, clock), random.Random(os.urandom(8))
    known = [samples.record() for _ in range(3)]
    calls = 0
    while time.monotonic() < until:
        subject, old = chance.choice(["alice", "bob"]), chance.choice(known)
        verb = chance.randrange(8)
        if verb < 4:
            replacing = Replacing(old.id, old.version) if verb % 2 else None
            new = samples.record(subject, expires_at=clock() + chance.randrange(40))
            store.insert(new, now=clock(), cap=CAP if verb < 3 else None, replacing=replacing)
            known = [*known[-20:], new]
        elif verb == 4:
            store.delete_all(subject, keep=old.id)
        elif verb == 5:
            store.purge(now=clock())
        elif verb == 6:
            store.update(changed(old, version=old.version ^ 1), expected=old.version)
        else:
            store.delete(old.id)
        calls += 1
    return calls


def test_nobody_waits_for_each_other(server, open_store, clock):
    """Inserts with caps that replace each other's sessions, log-outs, sweeps: no deadlock."""
    stores = [open_store(size=6) for _ in range(2)]
    sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'app'"
    before = server.admin(sql)
    until = time.monotonic() + 2
    with ThreadPoolExecutor(12) as threads:
        runs = [threads.submit(hammer, stores[n % 2], clock, until) for n in range(12)]
        assert sum(run.result() for run in runs) > 100
    server.admin("SELECT pg_stat_clear_snapshot()")
    assert server.admin(sql) == before


def test_a_sweep_leaves_alone_what_others_hold(server, open_store, samples, schema, clock):
    """Records in use are skipped, not waited for, and go with the next sweep (P23)."""
    import psycopg

    held, free = samples.stored(expires_at=clock()), samples.stored(expires_at=clock())
    store = open_store(timeout=1.0)
    with psycopg.connect(server.url) as other:
        other.execute(
            f"SELECT 1 FROM {schema}.sessions WHERE id = %b FOR UPDATE", (held.id.encode(),)
        )
        assert store.purge(now=clock()) == 1
        assert store.get(free.id, now=clock()).record is None
    assert store.purge(now=clock()) == 1


def test_two_sweeps_share_the_work(open_store, samples, clock):
    """Each removes other records, and together they remove all."""
    for _ in range(200):
        samples.stored(expires_at=clock())
    stores = [open_store(), open_store()]
    with ThreadPoolExecutor(2) as threads:
        went = list(threads.map(lambda store: store.purge(now=clock()), stores))
    assert sum(went) == 200
    assert listed(stores[0]) == []


def test_a_sweep_looks_at_each_record_when_it_may_have_ended(store, samples, schema, server, clock):
    """A touch does not move the index entry; the sweep does, once the old end has come."""
    record = samples.stored(expires_at=clock() + 1000)
    before = server.sql(f"SELECT due_at FROM {schema}.sessions")
    store.touch(record.id, seen_at=clock(), expires_at=clock() + 900_000)
    assert server.sql(f"SELECT due_at FROM {schema}.sessions") == before
    clock.advance(2000)
    assert store.purge(now=clock()) == 0
    assert server.sql(f"SELECT expires_at - due_at FROM {schema}.sessions") == [(0,)]
    clock.advance(900_000)
    assert store.purge(now=clock()) == 1


def test_a_touch_writes_no_index(store, samples, schema, server, clock):
    """It stays on its page (HOT): the cost of activity does not grow with the indexes."""
    record = samples.stored()
    server.sql(f"VACUUM {schema}.sessions")
    before = updates(server, schema)
    for step in range(20):
        store.touch(record.id, seen_at=clock() + step, expires_at=record.expires_at + step)
    store.core.close()  # a session of the server reports its numbers when it ends, or earlier
    deadline = time.monotonic() + 10
    while (after := updates(server, schema))[0] < before[0] + 20:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert after[1] - before[1] == 20


def updates(server, schema):
    """How many rows were updated so far, and how many of them on their page."""
    sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'"
    return server.sql(f"{sql} AND schemaname = '{schema}'")[0]


def test_everybody_out_is_one_row(store, samples, schema, server):
    """However many sessions there are, one row changes (§12)."""
    for _ in range(50):
        samples.stored(None)
    before = server.sql(f"SELECT count(*), max(xmin::text::bigint) FROM {schema}.sessions")
    store.bump_epoch()
    assert listed(store) == []
    assert server.sql(f"SELECT count(*), max(xmin::text::bigint) FROM {schema}.sessions") == before
    assert store.insert(samples.record(), now=0) == Admitted()
