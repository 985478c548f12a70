"""Connections for event loops: one for all tasks of a loop, and a few for durable writes."""

from __future__ import annotations

import asyncio
import time
from asyncio import get_running_loop
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

from holdfast.stores.redis.core import DURABLE_WIRES
from holdfast.stores.redis.errors import Late, Lost
from holdfast.stores.redis.facts import facts_of, greeting
from holdfast.stores.redis.pace import Pace
from holdfast.stores.redis.wire import AsyncWire, pack

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from holdfast.stores.redis.core import Core
    from holdfast.stores.redis.target import Address
    from holdfast.stores.redis.wire import Replies


class LoopWires:
    """`holdfast.stores.redis.core.Wires` for any number of event loops."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._loops: dict[asyncio.AbstractEventLoop, _OneLoop] = {}
        self._inherited: list[object] = []
        self._lock = Lock()

    def send(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Awaitable[Replies]:
        """See `Wires`, as for the methods below."""
        here = self._loops.get(get_running_loop()) or self._here()
        wire = here.wires.get(address)
        if wire is None or not wire.open:
            return here.send(address, payload, count, seconds)
        return wire.ask(payload, count, seconds)

    async def send_durably(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Replies:
        """As `send`, with a bound on how many do so at the same time."""
        return await self._here().send_durably(address, payload, count, seconds)

    async def discover(self, seen: int) -> None:
        """In a thread, because it blocks; one for all tasks of a loop, whose threads are few."""
        await self._here().discover(seen)

    async def pause(self, seconds: float) -> None:
        """This task."""
        await asyncio.sleep(seconds)

    def after_fork(self) -> None:
        """Leave the parent's loops and sockets alone; closing them here would disturb its selector."""
        self._inherited.append(self._loops)
        self._loops = {}
        self._lock = Lock()

    async def close(self) -> None:
        """Close the connections of this loop, and ask other loops to close theirs."""
        running = get_running_loop()
        with self._lock:
            here = self._loops.pop(running, None)
        self.close_elsewhere()
        if here is not None:
            here.close()
            await asyncio.sleep(0)  # a transport lets go of its socket in the next tick

    def close_elsewhere(self) -> None:
        """Ask all loops to close their connections; from any thread."""
        with self._lock:
            loops, self._loops = self._loops, {}
        for loop, wires in loops.items():
            with suppress(RuntimeError):  # the loop has ended, and its connections with it
                loop.call_soon_threadsafe(wires.close)

    def _here(self) -> _OneLoop:
        loop = get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            with self._lock:  # loops of other threads begin as well
                here = _OneLoop(self._core)
                known = {each: wires for each, wires in self._loops.items() if not each.is_closed()}
                self._loops = {**known, loop: here}
        return here


class _OneLoop:
    """The connections of one event loop."""

    def __init__(self, core: Core) -> None:
        self.wires: dict[Address, AsyncWire] = {}
        self._core = core
        self._durable: dict[Address, list[AsyncWire]] = {}
        self._places = asyncio.Semaphore(DURABLE_WIRES)
        self._connecting: dict[Address, asyncio.Task[AsyncWire]] = {}
        self._discovery: asyncio.Future[None] | None = None
        self._pace = Pace()
        self._closed = False

    async def discover(self, seen: int) -> None:
        """Wait for the discovery that is under way, or begin one.

        All threads of the loop may be busy with what the application has them do, for any time.
        """
        if self._discovery is None:
            discover = self._core.topology.discover
            self._discovery = get_running_loop().run_in_executor(None, discover, seen)
            self._discovery.add_done_callback(self._discovered)
        try:
            async with asyncio.timeout(self._core.seconds):
                await asyncio.shield(self._discovery)
        except TimeoutError as error:
            raise Late("nobody has found the Redis servers in time") from error

    def _discovered(self, discovery: asyncio.Future[None]) -> None:
        self._discovery = None
        if not discovery.cancelled():
            discovery.exception()  # is noted, though nobody may wait for it any more

    async def send(self, address: Address, payload: bytes, count: int, seconds: float) -> Replies:
        """Over the connection that all tasks use, once it is open."""
        deadline = time.monotonic() + seconds
        wire = await self.shared(address, seconds)
        return await wire.ask(payload, count, deadline - time.monotonic())

    async def shared(self, address: Address, seconds: float) -> AsyncWire:
        """The connection that all tasks use; the first one opens it for all who wait."""
        task = self._connecting.get(address)
        if task is None:
            task = get_running_loop().create_task(self._open_shared(address, seconds))
            task.add_done_callback(_seen)
            self._connecting[address] = task
        return await asyncio.shield(task)

    async def send_durably(
        self, address: Address, payload: bytes, count: int, seconds: float
    ) -> Replies:
        """Over a connection that nobody else uses meanwhile."""
        deadline = time.monotonic() + seconds
        await self._place(seconds)
        try:
            free = self._durable.setdefault(address, [])
            wire = await self._durable_wire(free, address, deadline - time.monotonic())
            try:
                replies = await wire.ask(payload, count, deadline - time.monotonic())
            except asyncio.CancelledError:
                wire.node = ""  # its end is no loss
                wire.close()
                raise
            if self._closed or self._durable.get(address) is not free:  # given up with the others
                wire.node = ""
                wire.close()
            else:
                free.append(wire)
            return replies
        finally:
            self._places.release()

    async def _place(self, seconds: float) -> None:
        """Wait for one of the few places; whoever waited in vain knows nothing of the server."""
        try:
            async with asyncio.timeout(seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise Late("too many durable writes are waiting for replicas") from error

    async def _durable_wire(
        self, free: list[AsyncWire], address: Address, seconds: float
    ) -> AsyncWire:
        while free:
            wire = free.pop()
            if wire.open:
                return wire
        return await self._connect(address, seconds)

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        for wire in [
            *self.wires.values(),
            *(each for some in self._durable.values() for each in some),
        ]:
            wire.close()

    async def _open_shared(self, address: Address, seconds: float) -> AsyncWire:
        try:
            wire = await self._connect(address, seconds)
            if self._closed:
                wire.close()
                raise Lost("the store was closed meanwhile")
            self.wires[address] = wire
            return wire
        finally:
            del self._connecting[address]

    async def _connect(self, address: Address, seconds: float) -> AsyncWire:
        self._pace.require_due(address)
        try:
            async with asyncio.timeout(seconds):
                wire = await self._greeted(address, seconds)
        except TimeoutError as error:
            self._pace.failed(address)
            raise Late(f"the Redis server at {address} does not answer") from error
        except (OSError, UnicodeError) as error:
            self._pace.failed(address)
            raise Lost(f"the Redis server at {address} cannot be reached") from error
        except Exception:
            self._pace.failed(address)
            raise
        self._pace.succeeded(address)
        return wire

    async def _greeted(self, address: Address, seconds: float) -> AsyncWire:
        target = self._core.target
        host = address.host if target.tls else None
        _, wire = await get_running_loop().create_connection(
            lambda: AsyncWire(address, lambda wire: self._gone(address, wire)),
            address.host,
            address.port,
            ssl=target.tls,
            server_hostname=host,
        )
        try:
            commands = greeting(target)
            replies, _ = await wire.ask(pack(commands), len(commands), seconds)
            facts = facts_of(replies)
            self._core.topology.meet(address, facts)
        except BaseException:
            wire.close()
            raise
        wire.node = facts.node
        return wire

    def _gone(self, address: Address, wire: AsyncWire) -> None:
        """All connections to a server that is late or gone are given up, see `ThreadWires`."""
        if self._closed or not wire.node:
            return
        self._core.lost(address)
        shared = self.wires.pop(address, None)
        if shared is not None and shared is not wire:
            shared.close()
        for each in self._durable.pop(address, []):
            each.close()


def _seen(task: asyncio.Task[AsyncWire]) -> None:
    """Take note of a failure that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
