"""Audit events on their way out of the service: written beside the event loop, in order.

A reader of standard output that has stopped reading must stop no sign-in (R164). So a thread writes,
and events wait for it in a bounded queue. What does not fit is refused, which the auditor counts.
"""

from __future__ import annotations

import atexit
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.events import Event
    from holdfast.protocols import Sink

_MOST = 10_000
_AT_EXIT_S = 2.0


class AuditOutput:
    """A sink that hands events over to another one, `sink`, which may block or fail.

    `failures` counts what that one did not take.
    """

    def __init__(self, sink: Sink, most: int = _MOST) -> None:
        self.failures = 0
        self._sink = sink
        self._queue: Queue[Event | None] = Queue(most)
        self._thread = Thread(target=self._run, name="holdfast-audit", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __call__(self, event: Event) -> None:
        """Queue an event; never waits.

        Raises:
            queue.Full: so many wait already that this one is lost.
        """
        self._queue.put_nowait(event)

    def close(self) -> None:
        """Write what is left, for two seconds at most: perhaps nobody reads any more."""
        atexit.unregister(self.close)
        while self._thread.is_alive():
            try:
                self._queue.put_nowait(None)
                break
            except Full:
                self._drop_one()
        self._thread.join(_AT_EXIT_S)

    def _drop_one(self) -> None:
        with suppress(Empty):
            self._queue.get_nowait()
            self.failures += 1

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._sink(event)
            except Exception:  # noqa: BLE001 - a reader that went away must not end the thread
                self.failures += 1
