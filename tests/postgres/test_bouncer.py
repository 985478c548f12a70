"""Behind PgBouncer in transaction mode: the whole contract, and nothing that needs one session."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

import postgresql
from holdfast.protocols import Cap, Take
from holdfast.stores.postgres import AsyncPostgresStore, PostgresStore
from holdfast.testing import BlockingStore, StoreContract
from holdfast.testing.contracts.samples import Samples, listed
from postgresql import Bouncer

HOUR = 3_600_000


@pytest.fixture(scope="module")
def bouncer():
    bouncer = Bouncer(postgresql.server())
    yield bouncer
    bouncer.remove()


class TestBehindPgBouncer(StoreContract):
    examples = 5

    @pytest.fixture
    def clock(self, clock):
        return clock

    @pytest.fixture
    def open_store(self, schemas, bouncer):
        opened = []

        def open_handle(name="default"):
            opened.append(PostgresStore(bouncer.url, schema=schemas.name(name)))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()


class TestBehindPgBouncerAsync(StoreContract):
    examples = 5

    @pytest.fixture
    def clock(self, clock):
        return clock

    @pytest.fixture
    def open_store(self, schemas, bouncer):
        opened = []

        def open_handle(name="default"):
            store = AsyncPostgresStore(bouncer.url, schema=schemas.name(name))
            opened.append(BlockingStore(store))
            return opened[-1]

        yield open_handle
        for each in opened:
            each.close()


def test_many_connections_over_few(bouncer, server, open_store, clock):
    """20 connections of two stores take turns on two sessions of the server."""
    stores = [open_store(bouncer.url, size=10) for _ in range(2)]
    samples = Samples(stores[0], clock)
    records = samples.several(20, "bob")
    take = Take("key", 30, HOUR)

    def visit(number):
        store, record = stores[number % 2], records[number % 20]
        reading = store.get(record.id, now=clock(), take=take)
        assert reading.record.id == record.id
        store.touch(record.id, seen_at=clock(), expires_at=record.expires_at)
        store.insert(samples.record("carol"), now=clock(), cap=Cap(4, "evict_oldest"))
        return reading.taken.allowed

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(visit, range(60))) == 30
    assert len(listed(stores[0], "carol")) == 4


def test_no_setting_stays_behind(bouncer, server, open_store, samples, clock):
    """The light commit of a touch and the limit for locks end with the call (P12)."""
    record = samples.stored()
    store = open_store(bouncer.url)
    for _ in range(4):
        store.touch(record.id, seen_at=clock(), expires_at=record.expires_at)
        store.take("key", limit=100, period=HOUR, now=clock())
    for setting, value in (("synchronous_commit", "on"), ("lock_timeout", "0")):
        seen = {postgresql.query(bouncer.url, f"SHOW {setting}")[0][0] for _ in range(4)}
        assert seen == {value}
    prepared = [postgresql.query(bouncer.url, "SELECT name FROM pg_prepared_statements")] * 4
    assert prepared == [[]] * 4


def test_the_pooler_restarts(bouncer, open_store, open_async, samples, clock):
    """Reads and writes go on over new connections, without an error between."""
    record = samples.stored()
    store, other = open_store(bouncer.url), open_async(bouncer.url)
    store.salt()
    asyncio.run(other.salt())
    bouncer.stop()
    bouncer.start()
    assert store.touch(record.id, seen_at=clock(), expires_at=record.expires_at)
    assert asyncio.run(other.get(record.id, now=clock())).record.id == record.id


@pytest.mark.parametrize("take", [None, Take("key", 30, HOUR)])
def test_another_server_behind_the_pooler_is_a_loss(
    server, bouncer, open_store, open_async, samples, clock, take
):
    """The connection to the pooler stands, and shows nothing: the answer names another process (P14)."""
    record = samples.stored()
    losses = []
    for store in (open_store(bouncer.url), BlockingStore(open_async(bouncer.url))):
        core = store.core if isinstance(store, PostgresStore) else store._store.core
        core.on_loss(lambda: losses.append("lost"))
        losses.clear()
        store.get(record.id, now=clock(), take=take)
        assert losses == [], "the first one is no other"
        server.restart()
        assert store.get(record.id, now=clock(), take=take).record == record
        store.get(record.id, now=clock(), take=take)
        assert losses == ["lost"]
