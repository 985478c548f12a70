"""The server, or the way to it, fails: an error that says so, within the limit, and then it works again.

What is acknowledged holds; see also `test_durability.py` for crashes.
"""

import asyncio
import os
import signal
import time
from contextlib import suppress

import pytest

from forking import require_both_to_read
from holdfast.errors import StoreError, StoreUnavailable
from holdfast.protocols import Admitted
from holdfast.stores.postgres import AsyncPostgresStore
from holdfast.testing import BlockingStore
from postgresql import Proxy

LIMIT = 2.0


@pytest.fixture
def proxy(server):
    proxy = Proxy(server.port)
    yield proxy
    proxy.close()


@pytest.fixture(params=["threads", "coroutines"])
def make(request, open_store, schema):
    """Opens a store of either face with a short time limit; all calls block."""
    opened = []

    def make(url):
        if request.param == "threads":
            return open_store(url, timeout=LIMIT)
        opened.append(BlockingStore(AsyncPostgresStore(url, schema=schema, timeout=LIMIT)))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def outcome(call):
    """What a call comes to, and how long it took."""
    started = time.monotonic()
    try:
        result = call()
    except StoreError as error:
        result = error.code
    return result, time.monotonic() - started


def until_it_works(call):
    deadline = time.monotonic() + 10
    while (result := outcome(call)[0]) == "store_unavailable":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return result


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_the_server_restarts(server, make, samples, clock, number):
    """While it is away every call is a 503 at once, then all works by itself, with all data."""
    record, ended = samples.several(2)
    store = make(server.url)
    assert store.get(record.id, now=clock()).record == record
    assert store.delete(ended.id)
    server.stop(number)
    for call in (
        lambda: store.get(record.id, now=clock()),
        lambda: store.touch(record.id, seen_at=clock(), expires_at=clock()),
        lambda: store.delete(record.id),
        lambda: store.page("alice"),
    ):
        result, took = outcome(call)
        assert result == "store_unavailable"
        assert took < LIMIT
    server.start()
    assert until_it_works(lambda: store.get(record.id, now=clock())).record == record
    assert store.get(ended.id, now=clock()).record is None
    assert store.touch(record.id, seen_at=clock(), expires_at=record.expires_at)


def test_the_server_starts_after_the_application(server, make, clock):
    """The first calls fail, the first one after the start works: nothing has to be restarted."""
    store = make(server.url)
    server.stop()
    assert outcome(store.salt)[0] == "store_unavailable"
    server.start()
    assert len(until_it_works(store.salt)) == 32


def test_a_slow_server(server, make, samples, clock):
    """It stands still for three seconds: each call ends at its limit, and late answers are nobody's."""
    one, other = samples.several(2)
    store = make(server.url)
    assert store.get(one.id, now=clock()).record == one
    pids = [*server.backends(), server.process.pid]
    signalled(pids, signal.SIGSTOP)
    began = time.monotonic()
    try:
        for call in (lambda: store.get(one.id, now=clock()), lambda: store.delete(one.id)):
            result, took = outcome(call)
            assert result == "store_unavailable"
            assert took < LIMIT * 1.5
        time.sleep(max(3 - (time.monotonic() - began), 0))
    finally:
        signalled(pids, signal.SIGCONT)
    assert until_it_works(lambda: store.get(other.id, now=clock())).record == other
    assert store.delete(one.id) in {True, False}
    assert store.get(one.id, now=clock()).record is None


def signalled(pids, number):

    for pid in pids:
        os.kill(pid, number)


@pytest.mark.parametrize(
    ("function", "verb", "answer"),
    [
        (b"get_1", lambda store, record, clock: store.get(record.id, now=clock()).record, None),
        (b"page_of_1", lambda store, record, clock: len(store.page("alice").records), 1),
    ],
)
def test_a_reset_in_the_middle_of_a_read(make, proxy, samples, clock, function, verb, answer):
    """It is asked again over another connection; the caller feels nothing."""
    record = samples.stored()
    store = make(proxy.url)
    store.salt()
    proxy.cut_after(function)
    assert verb(store, record, clock) == (answer or record)


@pytest.mark.parametrize("function", [b"insert_1", b"update_1", b"delete_1", b"take_1"])
def test_a_reset_in_the_middle_of_a_write(make, proxy, samples, clock, function):
    """Nobody knows whether it was carried out: 503, never a guess, and not twice."""
    record, new = samples.stored(), samples.record()
    store = make(proxy.url)
    store.salt()
    calls = {
        b"insert_1": lambda: store.insert(new, now=clock()),
        b"update_1": lambda: store.update(record, expected=record.version),
        b"delete_1": lambda: store.delete(record.id),
        b"take_1": lambda: store.take("key", limit=2, period=60_000, now=clock()),
    }
    proxy.cut_after(function)
    with pytest.raises(StoreUnavailable):
        calls[function]()
    if function == b"insert_1":
        assert store.get(new.id, now=clock()).record == new
    if function == b"delete_1":
        assert store.delete(record.id) is False
    if function == b"take_1":
        assert store.take("key", limit=2, period=60_000, now=clock()).allowed
        assert not store.take("key", limit=2, period=60_000, now=clock()).allowed


def test_all_connections_are_reset_between_calls(make, proxy, samples, clock):
    """What was open and idle is replaced before it is used: also a write works at once."""
    store = make(proxy.url)
    record = samples.stored()
    assert store.get(record.id, now=clock()).record == record
    proxy.cut()
    assert store.insert(samples.record(), now=clock()) == Admitted()


def test_a_standby_takes_no_writes(server, make, samples, clock):
    """A server that has become read-only is `StoreUnavailable`: a failover may be under way."""
    record = samples.stored()
    server.admin("ALTER ROLE app SET default_transaction_read_only = on")
    try:
        store = make(server.url)
        assert store.get(record.id, now=clock()).record == record
        with pytest.raises(StoreUnavailable):
            store.delete(record.id)
    finally:
        server.admin("ALTER ROLE app RESET default_transaction_read_only")


def test_a_connection_to_what_has_become_a_standby_is_not_kept(server, make, samples, clock):
    """The same address leads to the new primary by now, for whoever connects anew; reads went on."""
    record = samples.stored()
    server.admin("ALTER ROLE app SET default_transaction_read_only = on")
    try:
        store, losses = make(server.url), []
        getattr(store, "_store", store).core.on_loss(lambda: losses.append(1))
        with pytest.raises(StoreUnavailable, match="read-only standby"):
            store.touch(record.id, seen_at=record.seen_at + 1, expires_at=record.expires_at)
        with pytest.raises(StoreUnavailable, match="read-only standby"):
            store.delete(record.id)
        assert store.get(record.id, now=clock()).record == record
    finally:
        server.admin("ALTER ROLE app RESET default_transaction_read_only")
    with suppress(StoreUnavailable):  # over the connection that still leads to the standby
        store.insert(samples.record(), now=clock())
    assert store.insert(samples.record(), now=clock()) == Admitted()
    assert store.delete(record.id)
    assert losses == []  # nobody owes it anything who did not before


def test_a_full_server(server, make, samples, clock):
    """No connection left on the server: 503, and all is well when there is one again."""
    record = samples.stored()
    server.admin("ALTER ROLE app CONNECTION LIMIT 0")
    try:
        store = make(server.url)
        assert outcome(lambda: store.get(record.id, now=clock()))[0] == "store_unavailable"
    finally:
        server.admin("ALTER ROLE app CONNECTION LIMIT -1")
    assert store.get(record.id, now=clock()).record == record


def test_an_address_where_nobody_answers(make, clock):
    """Neither a refusal nor an answer: the limit holds (a name that leads nowhere, P20)."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://app@127.0.0.1:{silent.getsockname()[1]}/app"
        result, took = outcome(make(url).salt)
        assert result == "store_unavailable"
        assert took < LIMIT * 1.5


def test_an_outage_names_the_server_and_no_password(make):
    """Whoever reads the log knows where to look."""
    url = "postgresql://app:hunter2@127.0.0.1:1,localhost:2/app"
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1, localhost:2") as error:
        make(url).salt()
    assert "hunter2" not in str(error.value)


def test_a_fork_after_connecting(make, server, samples, clock):
    """Parent and child use the store at the same time, and nobody reads the other's answers."""
    store = make(server.url)
    records = samples.several(20)
    assert store.get(records[0].id, now=clock()).record == records[0]
    require_both_to_read(store, records, clock)


def test_coroutines_are_not_held_up(server, open_async, samples, clock):
    """While the server stands still the event loop does not."""
    record = samples.stored()
    store = open_async(timeout=0.5)

    async def main():
        await store.salt()
        pids = await asyncio.to_thread(lambda: [*server.backends(), server.process.pid])
        signalled(pids, signal.SIGSTOP)
        try:
            calls = [asyncio.create_task(store.get(record.id, now=clock())) for _ in range(30)]
            longest, last = 0.0, time.monotonic()
            while not all(each.done() for each in calls):
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
        finally:
            signalled(pids, signal.SIGCONT)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in outcomes} == {StoreUnavailable}
        assert longest < 0.4

    asyncio.run(main())
