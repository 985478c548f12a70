"""Connections of an event loop, where calls are cancelled and stores close at any moment."""

import asyncio
import gc
import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from forking import in_a_child
from holdfast.errors import StoreError, StoreUnavailable
from holdfast.stores import open_both
from holdfast.stores.redis import loops, pace, wire
from holdfast.testing.contracts.samples import Samples
from redis_servers import until


def now():
    return time.time_ns() // 1_000_000


@pytest.fixture
def server(servers):
    return servers.start()


@pytest.fixture
def both(server):
    opened = open_both(server.url, timeout=2.0)
    yield opened
    opened.blocking.close()


def connections(server):
    return [each["name"] for each in server.client.client_list()].count("holdfast")


async def begun(coroutine, turns):
    """A call that had so many turns of the loop."""
    task = asyncio.ensure_future(coroutine)
    for _ in range(turns):
        await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("turns", [1, 2, 4, 8])
@pytest.mark.parametrize("verb", ["get", "delete"])
def test_closing_leaves_no_connection(server, both, verb, turns):
    """Neither one that is only being opened, nor one on which a durable write is under way."""
    record, other = Samples(both.blocking, now).several(2)
    both.blocking.get(other.id, now=now())
    both.blocking.delete(other.id)  # the server knows the scripts
    both.blocking.close()
    store = both.asynchronous

    async def close_early():
        call = store.delete(record.id) if verb == "delete" else store.get(record.id, now=now())
        task = await begun(call, turns)
        await store.close()
        with suppress(StoreError):
            await task
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, until, lambda: not connections(server), 2)

    asyncio.run(close_early())


@pytest.mark.parametrize("turns", [1, 2, 4, 8])
def test_a_caller_who_leaves_while_a_connection_opens_is_no_failure(both, monkeypatch, turns):
    """The browser went away; the next sign-out need not wait until the server may be tried again."""
    monkeypatch.setattr(pace.random, "uniform", lambda _, most: most)
    record, other = Samples(both.blocking, now).several(2)
    store = both.asynchronous

    async def leave_early():
        task = await begun(store.delete(record.id), turns)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert await store.delete(other.id)
        await store.close()

    asyncio.run(leave_early())


def test_loops_that_begin_at_once_are_all_known(server, both, monkeypatch):
    """Each closes its connections; none is forgotten because another thread's loop began that moment."""
    meeting = threading.Barrier(2)
    made = loops._OneLoop.__init__

    def late(self, core):
        with suppress(threading.BrokenBarrierError):
            meeting.wait(0.5)
        made(self, core)

    monkeypatch.setattr(loops._OneLoop, "__init__", late)
    store = both.asynchronous
    asked, done, closed = threading.Barrier(3), threading.Event(), threading.Barrier(2)

    async def work():
        await store.salt()
        await asyncio.to_thread(asked.wait, 10)
        await asyncio.to_thread(done.wait, 10)
        await store.close()
        await asyncio.to_thread(closed.wait, 10)
        for _ in range(8):  # what the other loop asked this one to close
            await asyncio.sleep(0)

    with ThreadPoolExecutor(2) as threads:
        works = [threads.submit(asyncio.run, work()) for _ in range(2)]
        asked.wait(10)
        known = len(store.client.wires._loops)
        done.set()
        for each in works:
            each.result()
    assert known == 2


def test_all_tasks_wait_for_one_discovery(both, monkeypatch):
    """An application's own work in threads does not wait behind a hundred of them."""
    record = Samples(both.blocking, now).stored()
    store = both.asynchronous
    topology = store.core.topology
    discover, seen = topology.discover, []
    monkeypatch.setattr(topology, "discover", lambda looks: seen.append(looks) or discover(looks))
    topology.homes = {}

    async def main():
        one = asyncio.ensure_future(store.get(record.id, now=now()))
        await asyncio.sleep(0)
        one.cancel()  # who began it goes away
        found = await asyncio.gather(*(store.get(record.id, now=now()) for _ in range(100)))
        assert [each.record for each in found] == [record] * 100
        await store.close()

    asyncio.run(main())
    assert len(seen) == 1


def test_busy_threads_of_the_application_hold_no_call_up(server):
    """The servers are looked for in one of them; a call has a time limit all the same."""
    store = open_both(server.url, timeout=0.3).asynchronous
    over = threading.Event()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, over.wait, 5)
        store.core.topology.homes = {}
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable):
                await store.salt()
        over.set()
        await busy
        await store.salt()
        await store.close()

    try:
        asyncio.run(main())
    finally:
        over.set()


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_connection_that_a_thread_uses_is_given_up_with_the_others(both, monkeypatch, verb):
    """While one was away another server may have taken its place: what stayed open may lead to the old one."""
    first, second = Samples(both.blocking, now).several(2)
    wires, told = both.blocking.shaped.client.wires, []
    ((address, _),) = wires._free.items()
    ask = wire.Wire.ask

    def ask_while_others_lose(self, *args):
        told.append(self)
        wires._lose(address)
        return ask(self, *args)

    def call(record):
        return (
            both.blocking.delete(record.id)
            if verb == "delete"
            else both.blocking.get(record.id, now=now())
        )

    call(first)
    monkeypatch.setattr(wire.Wire, "ask", ask_while_others_lose)
    call(second)
    assert told
    assert not any([*wires._free.values(), *wires._free_durable.values()])


def test_a_durable_connection_in_use_is_given_up_with_the_others(server, both, monkeypatch):
    """On an event loop, too; its end is no loss that would be told once more."""
    first, second = Samples(both.blocking, now).several(2)
    both.blocking.close()
    store, losses = both.asynchronous, []
    ask = wire.AsyncWire.ask

    async def main():
        await store.delete(first.id)
        (here,) = store.client.wires._loops.values()
        (address,) = here._durable

        def ask_while_others_lose(self, *args):
            here._gone(address, self)
            losses.clear()
            return ask(self, *args)

        store.core.on_loss(lambda: losses.append(1))
        monkeypatch.setattr(wire.AsyncWire, "ask", ask_while_others_lose)
        await store.delete(second.id)
        monkeypatch.undo()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not any(here._durable.values())
        await store.close()

    asyncio.run(main())
    assert losses == []


def test_who_leaves_takes_nobody_along(both):
    """All tasks share a connection: the answer of one that was cancelled is nobody's, and no loss."""
    first, second, third = Samples(both.blocking, now).several(3)
    store, losses = both.asynchronous, []

    async def main():
        await store.get(first.id, now=now())
        store.core.on_loss(lambda: losses.append(1))
        gone, there = (
            asyncio.ensure_future(store.get(id, now=now())) for id in (second.id, third.id)
        )
        await asyncio.sleep(0)
        gone.cancel()
        assert (await there).record == third
        assert gone.cancelled()
        assert (await store.get(second.id, now=now())).record == second
        assert losses == []
        await store.close()

    asyncio.run(main())


def test_who_leaves_a_durable_write_leaves_no_connection_behind(server, both):
    """Nor is it a loss, after which all that this process has ended would be said again."""
    first, second, third = Samples(both.blocking, now).several(3)
    both.blocking.close()
    store, losses = both.asynchronous, []

    async def main():
        await store.delete(first.id)
        store.core.on_loss(lambda: losses.append(1))
        server.pause()
        task = await begun(store.delete(second.id), 3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        server.resume()
        assert await store.delete(third.id)
        assert losses == []
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, until, lambda: connections(server) == 1, 10)
        await store.close()

    asyncio.run(main())


@pytest.mark.parametrize("turns", [1, 2, 4])
def test_who_opens_the_connection_for_all_may_leave(both, turns):
    """The others go on waiting for it."""
    record = Samples(both.blocking, now).stored()
    store = both.asynchronous

    async def main():
        await store.get(record.id, now=now())
        (here,) = store.client.wires._loops.values()
        _, old = here.wires.popitem()
        old.node = ""  # nobody hears of its end
        old.close()
        first = await begun(store.get(record.id, now=now()), turns)
        second = await begun(store.get(record.id, now=now()), 1)
        first.cancel()
        assert (await second).record == record
        await store.close()

    asyncio.run(main())


def test_closing_in_one_loop_closes_the_connections_of_all(server, both):
    """Also behind a loop that has ended without closing its own."""
    store, wires = both.asynchronous, both.asynchronous.client.wires
    asked, closed = threading.Event(), threading.Event()

    async def ask_and_go_on():
        await store.salt()
        asked.set()
        await asyncio.to_thread(closed.wait, 10)

    async def close():
        await store.close()
        await asyncio.to_thread(until, lambda: not connections(server), 5)

    both.blocking.close()
    ended = asyncio.new_event_loop()
    ended.close()
    wires._loops = {ended: loops._OneLoop(both.blocking.core)}
    keep = wires._loops
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(asyncio.run, ask_and_go_on())
        asked.wait(10)
        wires._loops = {**keep, **wires._loops}
        try:
            asyncio.run(close())
        finally:
            closed.set()
        other.result()


@pytest.fixture
def parent(both):
    """A loop of the parent with a connection, at rest while it forks."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(both.asynchronous.salt())
    yield loop
    loop.run_until_complete(both.asynchronous.close())
    loop.close()


def test_a_child_is_not_held_by_a_lock_that_a_thread_of_its_parent_had(both, parent):
    """That thread is not there to let it go."""
    with both.asynchronous.client.wires._lock:
        assert in_a_child(lambda: asyncio.run(_ask_and_close(both.asynchronous))) == 0


def test_a_child_that_closes_says_nothing_to_the_loops_of_its_parent(both, parent, monkeypatch):
    """The pipe that would wake them is the parent's as well."""
    monkeypatch.setattr(parent, "call_soon_threadsafe", lambda *_: os._exit(3))
    assert in_a_child(both.asynchronous.client.wires.close_elsewhere) == 0


def test_a_child_lets_no_loop_of_its_parent_go(both):
    """One that is collected takes its pipe out of the selector, which is the parent's as well."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(both.asynchronous.salt())
    known = weakref.ref(loop)

    def collect():
        nonlocal loop
        del loop
        gc.collect()
        assert known() is not None

    assert in_a_child(collect) == 0
    loop.run_until_complete(both.asynchronous.close())
    loop.close()


async def _ask_and_close(store):
    await store.salt()
    await store.close()
