"""Connections for threads: one for each call that is under way, kept in a stack for the next.

Taking one and putting it back are single steps that need no lock. All methods are async in shape
only and never suspend.
"""

from __future__ import annotations

import time
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from holdfast.stores.redis.core import DURABLE_WIRES
from holdfast.stores.redis.errors import Late
from holdfast.stores.redis.facts import facts_of, greeting
from holdfast.stores.redis.pace import Pace
from holdfast.stores.redis.wire import Wire, pack

if TYPE_CHECKING:
    from holdfast.stores.redis.core import Core
    from holdfast.stores.redis.target import Address
    from holdfast.stores.redis.wire import Replies


class ThreadWires:
    """`holdfast.stores.redis.core.Wires` for threads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._free: dict[Address, list[Wire]] = {}
        self._free_durable: dict[Address, list[Wire]] = {}
        self._places = BoundedSemaphore(DURABLE_WIRES)
        self._pace = Pace()

    async def send(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Replies:
        """See `Wires`, as for the methods below."""
        return self._send(self._free, address, payload, count, time.monotonic() + seconds)

    async def send_durably(
        self, address: Address, payload: bytes, count: int, *, seconds: float
    ) -> Replies:
        """As `send`, with a bound on how many do so at the same time."""
        deadline = time.monotonic() + seconds
        if not self._places.acquire(timeout=seconds):
            raise Late("too many durable writes are waiting for replicas")
        try:
            return self._send(self._free_durable, address, payload, count, deadline)
        finally:
            self._places.release()

    async def discover(self, seen: int) -> None:
        """In this thread."""
        self._core.topology.discover(seen)

    async def pause(self, seconds: float) -> None:
        """This thread."""
        time.sleep(seconds)  # noqa: ASYNC251 - async in shape only

    def after_fork(self) -> None:
        """Close the child's copies of the sockets: the parent's stay open."""
        inherited = (self._free, self._free_durable)
        self._begin_anew()
        _close_all(*inherited)

    async def close(self) -> None:
        """Close what is free; what is in use closes when it is put back."""
        free, durable = self._free, self._free_durable
        self._free, self._free_durable = {}, {}
        _close_all(free, durable)

    def _send(
        self,
        free: dict[Address, list[Wire]],
        address: Address,
        payload: bytes,
        count: int,
        deadline: float,
    ) -> Replies:
        stack = free.setdefault(address, [])
        wire = self._standing(stack, address)
        if wire is None:
            stack = free.setdefault(address, [])
            wire = self._connect(address, deadline)
        try:
            replies = wire.ask(payload, count, deadline)
        except BaseException:
            # All connections to a server that is late or gone are given up: while it was away,
            # another may have taken its place.
            wire.close()
            self._lose(address)
            raise
        if free.get(address) is stack and (free is self._free or free is self._free_durable):
            stack.append(wire)
        else:  # closed meanwhile, or given up with the others
            wire.close()
        return replies, wire.node

    def _standing(self, stack: list[Wire], address: Address) -> Wire | None:
        """A free connection that the server has not closed, if there is one."""
        while stack:
            try:
                wire = stack.pop()
            except IndexError:  # another thread was faster
                return None
            if wire.stands():
                return wire
            wire.close()
            self._lose(address)
        return None

    def _connect(self, address: Address, deadline: float) -> Wire:
        self._pace.require_due(address)
        try:
            wire = self._greeted(address, deadline)
        except BaseException:
            self._pace.failed(address)
            raise
        self._pace.succeeded(address)
        return wire

    def _greeted(self, address: Address, deadline: float) -> Wire:
        target = self._core.target
        wire = Wire(address, target.tls, deadline)
        try:
            commands = greeting(target)
            facts = facts_of(wire.ask(pack(commands), len(commands), deadline))
            self._core.topology.meet(address, facts)
        except BaseException:
            wire.close()
            raise
        wire.node = facts.node
        return wire

    def _lose(self, address: Address) -> None:
        self._core.lost(address)
        _close_all(
            {address: self._free.pop(address, [])},
            {address: self._free_durable.pop(address, [])},
        )


def _close_all(*stacks: dict[Address, list[Wire]]) -> None:
    for stack in stacks:
        for wires in stack.values():
            while wires:
                wires.pop().close()
