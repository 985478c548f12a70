"""Connections are shared by threads and coroutines, replaced when they break, and bounded."""

import asyncio
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import psycopg
import psycopg_pool
import pytest

from holdfast.errors import StoreCorrupt, StoreUnavailable, UsageError
from holdfast.stores.postgres import AsyncPostgresStore, PostgresStore, connections, exchange
from holdfast.stores.postgres.calls import Call, Function
from holdfast.stores.postgres.errors import ServerError, store_error

KILL = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'app'"


def blocked(store, server, schema):
    """Something that makes every write of the store wait, until it is called again."""
    lock = psycopg.connect(server.url)
    lock.execute(f"LOCK TABLE {schema}.sessions IN ACCESS EXCLUSIVE MODE")
    return lock


def waiting(server, count):
    """Wait until so many calls of the store wait for a lock."""
    deadline = time.monotonic() + 10
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while server.admin(sql)[0][0] < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_connection_is_used_again(store, samples, server, clock):
    """One after another needs one; it stays open."""
    for _ in range(5):
        samples.stored()
    assert len(server.backends()) == 1


def test_no_more_than_the_size(open_store, samples, server, schema, clock):
    """Threads beyond it wait in line, and all are served."""
    record = samples.stored()
    store = open_store(size=3)
    lock = blocked(store, server, schema)
    before = len(server.backends())
    with ThreadPoolExecutor(12) as threads:
        answers = [threads.submit(store.get, record.id, now=clock()) for _ in range(12)]
        waiting(server, 3)
        assert len(server.backends()) - before <= 3
        lock.close()
        assert [each.result().record for each in answers] == [record] * 12


def test_who_waits_too_long_is_told(open_store, samples, server, schema, clock):
    """A full pool is `StoreUnavailable` within the limit, and nothing of it remains."""
    record = samples.stored()
    store = open_store(size=1, timeout=0.5)
    store.salt()
    lock = blocked(store, server, schema)
    started = time.monotonic()
    with ThreadPoolExecutor(3) as threads:
        answers = [threads.submit(store.get, record.id, now=clock()) for _ in range(3)]
        for each in answers:
            with pytest.raises(StoreUnavailable):
                each.result()
    assert time.monotonic() - started < 2
    lock.close()
    assert store.get(record.id, now=clock()).record == record


def test_a_server_does_not_go_on_waiting(open_store, samples, server, schema, clock):
    """A call whose caller has given up leaves the queue of the lock, with any pooler (§5)."""
    store = open_store(timeout=0.3)
    record = samples.stored()
    store.salt()
    lock = blocked(store, server, schema)
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.delete(record.id, durable=False)
    time.sleep(0.5)  # the server's own limit, which began a moment later
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    assert server.admin(sql) == [(0,)]
    lock.close()
    assert store.get(record.id, now=clock()).record == record


def test_coroutines_wait_in_line(open_async, samples, server, schema, clock):
    """More tasks than connections are all served; one that is cancelled takes nothing with it."""
    record = samples.stored()
    store = open_async(size=2)

    async def main():
        await store.salt()
        lock = await asyncio.to_thread(blocked, store, server, schema)
        tasks = [asyncio.create_task(store.get(record.id, now=clock())) for _ in range(8)]
        await asyncio.to_thread(waiting, server, 2)
        for each in tasks[::3]:
            each.cancel()
        await asyncio.sleep(0)
        lock.close()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled = [isinstance(each, asyncio.CancelledError) for each in answers]
        assert cancelled == [True, False, False] * 2 + [True, False]
        assert all(each.record == record for each in answers if not isinstance(each, BaseException))
        more = [store.get(record.id, now=clock()) for _ in range(8)]
        assert [each.record for each in await asyncio.gather(*more)] == [record] * 8

    asyncio.run(main())


def test_loops_come_and_go(open_async, samples, clock):
    """Each `asyncio.run` is another loop over the same connections; no warning is left behind."""
    record = samples.stored()
    store = open_async()

    async def read():
        return (await store.get(record.id, now=clock())).record

    assert [asyncio.run(read()) for _ in range(3)] == [record] * 3


def test_threads_and_loops_share(open_store, open_async, samples, server, clock):
    """Both faces over one core work at the same time within one number of connections."""
    record = samples.stored()
    store = open_store(size=2)
    other = AsyncPostgresStore(store.core)

    async def read():
        return await asyncio.gather(*(other.get(record.id, now=clock()) for _ in range(20)))

    before = len(server.backends())
    with ThreadPoolExecutor(4) as threads:
        loops = [threads.submit(asyncio.run, read()) for _ in range(2)]
        calls = [threads.submit(store.get, record.id, now=clock()) for _ in range(40)]
        assert all(each.result().record == record for each in calls)
        assert all(each.record == record for loop in loops for each in loop.result())
    assert len(server.backends()) - before <= 2


def test_a_call_that_is_cut_off_spoils_nothing(open_async, samples, server, schema, clock):
    """A cancelled call's connection is closed: its late answer is nobody else's."""
    one, other = samples.several(2)
    store = open_async(size=1)

    async def main():
        await store.salt()
        lock = await asyncio.to_thread(blocked, store, server, schema)
        task = asyncio.create_task(store.get(one.id, now=clock()))
        await asyncio.to_thread(waiting, server, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        lock.close()
        assert (await store.get(other.id, now=clock())).record == other

    losses = []
    store.core.on_loss(lambda: losses.append("lost"))
    asyncio.run(main())
    assert losses == [], "who went away has not lost the server: nothing is said again for that"


def test_a_thread_that_is_interrupted_spoils_nothing(open_store, samples, clock, monkeypatch):
    """By Ctrl-C, say, in the middle of its call: the connection is closed, and the server is not lost."""
    one, other = samples.several(2)
    store, losses = open_store(size=1), []
    store.salt()
    store.core.on_loss(lambda: losses.append("lost"))

    def interrupted(pgconn, talk, deadline):
        next(talk)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(exchange, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.get(one.id, now=clock())
    assert store.get(other.id, now=clock()).record == other
    assert losses == []


def test_a_transaction_that_could_not_begin_spoils_no_connection(open_store):
    """What another component writes durably begins with a function that may not be there yet."""
    store = open_store(size=1)
    store.salt()
    renamed = "ALTER FUNCTION @schema@.{}(text) RENAME TO {}"
    store.core.execute(renamed.format("begin_durable_1", "elsewhere"))
    for _ in range(4):  # so many connections there are for such writes
        with pytest.raises(StoreCorrupt):
            store.core.execute("SELECT 1", durable=True)
    store.core.execute(renamed.format("elsewhere", "begin_durable_1"))
    assert store.core.execute("SELECT 1::bigint", durable=True) == [(1,)]


def test_a_connection_that_died_idle_is_replaced(store, samples, server, clock):
    """The first call after the server has closed everything works, a write as well."""
    record = samples.stored()
    losses = []
    store.core.on_loss(lambda: losses.append(len(server.backends())))
    server.admin(KILL)
    assert store.touch(record.id, seen_at=clock(), expires_at=record.expires_at)
    assert losses == [0], "the loss is told before the replacement is there"


def all_at_once(source):
    """As many calls as there may be have each a connection at the same time."""
    taken = [source.take(time.monotonic() + 10) for _ in range(source._size)]
    for each in taken:
        source.give(each)


def test_connections_that_died_idle_together_are_one_loss(open_store, server):
    """After each loss everything is said again, and what is being read does not count."""
    store, losses = open_store(size=9), []
    store.core.on_loss(lambda: losses.append("lost"))
    source = store.core._sources[0]
    all_at_once(source)
    server.admin(KILL)
    all_at_once(source)
    assert losses == ["lost"]


def test_who_is_interrupted_in_the_line_leaves_it(open_store, samples, clock, monkeypatch):
    """By Ctrl-C, or a time limit of gevent: no connection is kept for somebody who has gone."""
    record = samples.stored()
    store = open_store(size=1, timeout=1.0)
    store.salt()
    source = store.core._sources[0]
    connection = source.take(time.monotonic() + 10)

    def interrupted(deadline):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(connections, "_left", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.get(record.id, now=clock())
    source.give(connection)
    assert store.get(record.id, now=clock()).record == record


def test_a_connection_that_is_closed_already_is_not_quiet(server):
    """To ask it for its socket is an error, which is told to nobody: another is opened."""
    connection = psycopg.connect(server.url)
    connection.close()
    assert not exchange.is_quiet(connection.pgconn)


def test_a_full_queue_of_notifications_passes():
    """Of who listens elsewhere in the same database and does not read: the tables are as they should be."""
    assert isinstance(store_error(ServerError("54000", "")), StoreUnavailable)


def test_a_read_whose_connection_breaks_is_asked_again(open_store, samples, server, schema, clock):
    """It only reads; a write is not repeated, as nobody knows what became of it."""
    record = samples.stored()
    store = open_store()
    store.salt()
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    for verb, outcome in ((store.get, record), (store.delete, StoreUnavailable)):
        lock = blocked(store, server, schema)
        with ThreadPoolExecutor(1) as thread:
            arguments = {"now": clock()} if outcome is record else {}
            answer = thread.submit(verb, record.id, **arguments)
            waiting(server, 1)
            server.admin(kill)
            if outcome is record:
                waiting(server, 1)
                lock.close()
                assert answer.result().record == record
            else:
                with pytest.raises(StoreUnavailable):
                    answer.result()
                lock.close()


def test_after_close(store, samples, clock):
    """A closed store says so; it does not open again."""
    record = samples.stored()
    store.close()
    with pytest.raises(UsageError):
        store.get(record.id, now=clock())


def test_what_comes_back_after_close_is_closed(open_store, samples, server, schema, clock):
    """A call that is under way at the end gets its answer, and leaves no connection."""
    record = samples.stored()
    before = len(server.backends())
    store = open_store()
    store.salt()
    lock = blocked(store, server, schema)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(store.get, record.id, now=clock())
        waiting(server, 1)
        store.close()
        lock.close()
        assert answer.result().record == record
    deadline = time.monotonic() + 5
    while len(server.backends()) > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_store_that_is_dropped_leaves_nothing(server, schema):
    """Whoever forgets to close gets no warning, and the server no idle connection."""
    before = len(server.backends())
    store = PostgresStore(server.url, schema=schema)
    store.salt()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del store
    deadline = time.monotonic() + 5
    while len(server.backends()) > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_given_pool(server, schema, samples, clock):
    """Its connections are used and given back, whatever their settings; it is never closed."""
    record = samples.stored()
    with psycopg_pool.ConnectionPool(server.url, min_size=1, max_size=2, open=True) as pool:
        store = PostgresStore(pool, schema=schema)
        for _ in range(5):
            assert store.get(record.id, now=clock()).record == record
        assert store.delete(record.id)
        store.close()
        with pool.connection() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(UsageError):
            asyncio.run(AsyncPostgresStore(pool, schema=schema).salt())


def test_a_given_pool_for_coroutines(server, schema, samples, clock):
    """As `test_a_given_pool`; a broken connection goes back too, and the pool replaces it."""
    record = samples.stored()

    async def main():
        pool = psycopg_pool.AsyncConnectionPool(server.url, min_size=1, max_size=2, open=False)
        async with pool:
            store = AsyncPostgresStore(pool, schema=schema)
            assert (await store.get(record.id, now=clock())).record == record
            server.admin(KILL)
            assert (await store.get(record.id, now=clock())).record == record
            assert await store.delete(record.id)
            await store.close()
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
            with pytest.raises(UsageError):
                PostgresStore(pool, schema=schema).salt()

    asyncio.run(main())


def test_a_given_pool_gets_back_what_a_cancelled_call_had(server, schema, samples, clock):
    """The application's pool may have to wait before it takes a connection back."""
    record = samples.stored()

    async def main():
        pool = psycopg_pool.AsyncConnectionPool(server.url, min_size=1, max_size=1, open=False)
        async with pool:
            store = AsyncPostgresStore(pool, schema=schema, timeout=1.0)
            await store.salt()
            take_back, returning, go = pool.putconn, asyncio.Event(), asyncio.Event()

            async def putconn(connection):
                returning.set()
                await go.wait()
                await take_back(connection)

            pool.putconn = putconn
            call = asyncio.create_task(store.get(record.id, now=clock()))
            await returning.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            go.set()
            assert (await store.get(record.id, now=clock())).record == record
            await store.close()

    asyncio.run(main())


def test_a_given_pool_that_is_used_up(server, schema, samples, clock):
    """Waiting for it counts against the time limit."""
    with psycopg_pool.ConnectionPool(server.url, min_size=1, max_size=1, open=True) as pool:
        store = PostgresStore(pool, schema=schema, timeout=0.2)
        store.salt()
        with pool.connection(), pytest.raises(StoreUnavailable):
            store.get("aa1" + "A" * 22, now=clock())


def test_a_wrong_call_is_corrupt_and_quotes_nothing(store):
    """What the server says may quote values, and so stays out of our message."""
    wrong = Function("page_1", ())
    with pytest.raises(Exception, match="right tables") as error:
        store.core.run(Call(wrong, (), lambda rows: rows))
    assert error.value.code == "store_corrupt"


def test_threads_of_the_library(store, samples):
    """The store starts none."""
    samples.stored()
    assert all("psycopg" not in thread.name for thread in threading.enumerate())
