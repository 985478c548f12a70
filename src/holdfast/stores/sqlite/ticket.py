"""One operation on its way through the writer, and how its caller learns the outcome."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from holdfast.errors import StoreError, StoreUnavailable
from holdfast.stores.sqlite.errors import FAILURES, store_error

if TYPE_CHECKING:
    import sqlite3
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable

T = TypeVar("T")


class Ticket(Generic[T]):
    """An operation for the writer. With a `loop` its caller awaits `future`, otherwise `wait`s."""

    __slots__ = ("_done", "_error", "_result", "abandoned", "durable", "future", "loop", "op")

    def __init__(
        self,
        op: Callable[[sqlite3.Connection], T],
        *,
        durable: bool,
        loop: AbstractEventLoop | None = None,
    ) -> None:
        self.op = op
        self.durable = durable
        self.loop = loop
        self.abandoned = False
        self._error: Exception | None = None
        if loop is None:
            self._done = Lock()
            self._done.acquire()
        else:
            self.future: Future[T] = loop.create_future()

    def run(self, conn: sqlite3.Connection) -> None:
        """Run the operation in the writer's transaction; its result counts from the commit on."""
        self._result = self.op(conn)

    def fail(self, error: Exception) -> None:
        """Note a failure. Each caller gets an exception of its own, with the common cause."""
        if isinstance(error, FAILURES):
            self._error = store_error(error)
        elif isinstance(error, StoreError):
            self._error = type(error)(*error.args)
        else:
            self._error = error
            return
        self._error.__cause__ = error.__cause__ or error

    def wait(self, seconds: float) -> T:
        """Block until the writer has answered, at most that long."""
        if not self._done.acquire(timeout=seconds):
            raise self._late()
        if self._error is not None:
            raise self._error
        return self._result

    def signal(self) -> None:
        """Let `wait` go on; called by the writer."""
        self._done.release()

    def settle(self) -> None:
        """Resolve `future`; called in its loop. Whoever awaited it may have been cancelled."""
        if self.future.done():
            return
        if self._error is not None:
            self.future.set_exception(self._error)
        else:
            self.future.set_result(self._result)

    def expire(self) -> None:
        """Give up waiting for the writer; called in the loop of `future` when time is up."""
        if not self.future.done():
            self.future.set_exception(self._late())

    def _late(self) -> StoreUnavailable:
        self.abandoned = True
        return StoreUnavailable("the session database did not answer in time")


def answer(group: list[Ticket[Any]]) -> None:
    """Tell all callers, and wake each event loop only once."""
    loops: dict[AbstractEventLoop, list[Ticket[Any]]] = {}
    for ticket in group:
        if ticket.loop is None:
            ticket.signal()
        else:
            loops.setdefault(ticket.loop, []).append(ticket)
    for loop, tickets in loops.items():
        with suppress(RuntimeError):  # a closed loop has nobody left who waits
            loop.call_soon_threadsafe(_settle, tickets)


def _settle(tickets: list[Ticket[Any]]) -> None:
    for ticket in tickets:
        ticket.settle()
