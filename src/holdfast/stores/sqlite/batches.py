"""What coroutines write, handed to the writer once for each turn of their event loop.

Whoever wakes the writer pays twice: for another thread, and for passing Python's lock there and
back. So what the coroutines of one turn want to write is gathered, and wakes it once; they share a
commit, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.errors import UsageError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from holdfast.stores.sqlite.ticket import Ticket


class Batches:
    """One batch for each event loop that is writing. `submit` queues a ticket, if the writer is open."""

    def __init__(self, submit: Callable[[Ticket[Any]], None]) -> None:
        self._submit = submit
        self._open: dict[AbstractEventLoop, list[Ticket[Any]]] = {}

    def add(self, ticket: Ticket[Any], loop: AbstractEventLoop) -> None:
        """Queue the ticket at the end of this turn of its loop, which is the one that runs."""
        batch = self._open.get(loop)
        if batch is None:
            batch = self._begin(loop)
        batch.append(ticket)

    def flush(self) -> None:
        """Queue what there is now: the writer is about to finish."""
        for loop in list(self._open):
            self._hand_over(loop)

    def _begin(self, loop: AbstractEventLoop) -> list[Ticket[Any]]:
        for other in list(self._open):
            if other.is_closed():  # it ended in the middle of a turn
                self._open.pop(other, None)
        batch = self._open[loop] = []
        loop.call_soon(self._hand_over, loop)
        return batch

    def _hand_over(self, loop: AbstractEventLoop) -> None:
        for ticket in self._open.pop(loop, ()):
            try:
                self._submit(ticket)
            except UsageError as closed:
                ticket.fail(closed)
                ticket.settle()
