"""The connections of one process, shared by its threads and coroutines, up to a number.

A connection serves one statement at a time and then goes back. Whoever finds none waits in line, a
thread or a coroutine alike; a connection that breaks makes room for a new one. Nothing here belongs
to an event loop, so that one process may have several, and nothing runs in the background.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from holdfast.errors import UsageError
from holdfast.stores.postgres.errors import Late
from holdfast.stores.postgres.exchange import is_quiet

if TYPE_CHECKING:
    from collections.abc import Callable

Connection = psycopg.BaseConnection[Any]


class Dialler(Protocol):
    """Opens connections until `deadline`, on the clock `time.monotonic`."""

    def dial(self, deadline: float) -> Connection:
        """One more, for a thread."""
        ...

    async def dial_async(self, deadline: float) -> Connection:
        """One more, for a coroutine."""
        ...


class _Waiter:
    """A place in the line. What it gets is a connection, or None: leave to open one."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.served = False
        self.got: Connection | None = None
        self._loop = loop
        if loop is None:
            self.gate = Lock()
            self.gate.acquire()
        else:
            self.future: asyncio.Future[None] = loop.create_future()

    def serve(self, connection: Connection | None) -> bool:
        """Hand it over and wake the waiter; False: nobody is there any more."""
        self.served, self.got = True, connection
        if self._loop is None:
            self.gate.release()
            return True
        with suppress(RuntimeError):  # its event loop is closed
            self._loop.call_soon_threadsafe(self._wake)
            return True
        return False

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class Connections:
    """At most `size` connections. `lost` is called whenever one that had worked is found broken."""

    def __init__(self, dialler: Dialler, size: int, lost: Callable[[], None]) -> None:
        self._dialler = dialler
        self._size = size
        self._lost = lost
        self._inherited: list[Connection] = []
        self._closed = False
        self._begin()

    def take(self, deadline: float) -> Connection:
        """A working connection of one's own, to be given back or dropped.

        Raises:
            Late: there is none until `deadline`.
            Unreachable: none can be opened.
        """
        waiter = _Waiter()
        if not self._line_up(waiter):
            self._wait_here(waiter, deadline)
        if waiter.got is not None and self._works(waiter.got):
            return waiter.got
        try:
            return self._dialler.dial(deadline)
        except BaseException:
            self._serve(None)
            raise

    async def take_async(self, deadline: float) -> Connection:
        """As `take`, for coroutines."""
        waiter = _Waiter(asyncio.get_running_loop())
        if not self._line_up(waiter):
            await self._wait(waiter, deadline)
        if waiter.got is not None and self._works(waiter.got):
            return waiter.got
        try:
            return await self._dialler.dial_async(deadline)
        except BaseException:
            self._serve(None)
            raise

    def give(self, connection: Connection) -> None:
        """Take a connection back for others."""
        if self._closed:
            self._shut(connection)
        else:
            self._serve(connection)

    def drop(self, connection: Connection, *, lost: bool) -> None:
        """Close a connection that must not be used again, and make room for another.

        `lost`: that is the server's doing.
        """
        self._shut(connection)
        if lost:
            self._lose()
        self._serve(None)

    async def give_async(self, connection: Connection) -> None:
        """As `give`; never suspends."""
        self.give(connection)

    async def drop_async(self, connection: Connection, *, lost: bool) -> None:
        """As `drop`; never suspends."""
        self.drop(connection, lost=lost)

    def after_fork(self) -> None:
        """Begin anew in a child; what is the parent's is neither used nor closed here."""
        self._inherited += self._idle
        self._begin()

    def close(self) -> None:
        """Close all connections, those in use when they come back; final."""
        self._closed = True
        with self._lock:
            while self._idle:
                self._shut(self._idle.pop())

    def _begin(self) -> None:
        self._lock = Lock()
        self._idle: list[Connection] = []
        self._line: deque[_Waiter] = deque()
        self._places = self._size

    def _line_up(self, waiter: _Waiter) -> bool:
        """Whether there is something at once."""
        if self._closed:
            raise UsageError("the session store is closed")
        with self._lock:
            if self._idle:
                waiter.got = self._idle.pop()
                return True
            if self._places:
                self._places -= 1
                return True
            self._line.append(waiter)
            return False

    def _serve(self, connection: Connection | None) -> None:
        """Hand a connection, or the leave to open one, to the next in line, or keep it."""
        with self._lock:
            while self._line:
                if self._line.popleft().serve(connection):
                    return
            if connection is None:
                self._places += 1
            else:
                self._idle.append(connection)

    def _leave(self, waiter: _Waiter) -> None:
        """Step out of the line; what came at the last moment goes to the next."""
        with self._lock:
            if not waiter.served:
                self._line.remove(waiter)
                return
        self._serve(waiter.got)

    def _wait_here(self, waiter: _Waiter, deadline: float) -> None:
        served = False
        try:
            served = waiter.gate.acquire(timeout=_left(deadline))
        finally:  # also when it is interrupted
            if not served:
                self._leave(waiter)
        if not served:
            raise Late

    async def _wait(self, waiter: _Waiter, deadline: float) -> None:
        try:
            async with asyncio.timeout(_left(deadline)):
                await waiter.future
        except TimeoutError:
            self._leave(waiter)
            raise Late from None
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def _works(self, connection: Connection) -> bool:
        """Whether the server has not hung up meanwhile; if it has, there is room for a new one."""
        if is_quiet(connection.pgconn):
            return True
        self._shut(connection)
        self._lose()
        return False

    def _lose(self) -> None:
        """Tell of a loss, and close what was lost with it: each one found alone would be another."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle:
            if is_quiet(each.pgconn):
                self.give(each)
            else:
                self._shut(each)
                self._serve(None)
        self._lost()

    def _shut(self, connection: Connection) -> None:
        with suppress(psycopg.Error):
            connection.pgconn.finish()


def _left(deadline: float) -> float:
    return max(deadline - monotonic(), 0)
