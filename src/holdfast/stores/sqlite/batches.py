"""What coroutines write, handed to the writer once for each turn of their event loop.

Whoever wakes the writer pays twice: for another thread, and for passing Python's lock there and
back. So what the coroutines of one turn want to write is gathered, and wakes it once; they share a
commit, too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from holdfast.errors import StoreError, UsageError
from holdfast.stores.sqlite.ticket import answer

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from holdfast.stores.sqlite.ticket import Ticket

    Batch = deque[Ticket[Any]]


class Batches:
    """One batch for each event loop that writes. `submit` queues a ticket, if the writer is open."""

    def __init__(self, submit: Callable[[Ticket[Any]], None]) -> None:
        self._submit = submit
        self._of: dict[AbstractEventLoop, Batch] = {}

    def add(self, ticket: Ticket[Any], loop: AbstractEventLoop) -> None:
        """Queue the ticket at the end of this turn of its loop, which is the one that runs."""
        batch = self._of.get(loop)
        if batch is None:
            batch = self._meet(loop)
        if not batch:
            loop.call_soon(self._hand_over, batch)
        batch.append(ticket)

    def flush(self) -> None:
        """Queue what there is now, from any thread: the writer is about to finish."""
        for batch in list(self._of.values()):
            self._hand_over(batch)

    def after_fork(self) -> None:
        """Begin anew in a child: what tasks of the parent want to write is the parent's to write."""
        self._of = {}

    def _meet(self, loop: AbstractEventLoop) -> Batch:
        for other in list(self._of):
            if other.is_closed():
                self._of.pop(other, None)
        return self._of.setdefault(loop, deque())

    def _hand_over(self, batch: Batch) -> None:
        """One by one, and never the batch itself: its loop may add to it at the same time."""
        while batch:
            try:
                ticket = batch.popleft()
            except IndexError:  # another thread was faster
                return
            try:
                self._submit(ticket)
            except (UsageError, StoreError) as error:
                ticket.fail(error)
                answer([ticket])
