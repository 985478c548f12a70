"""Audit events on their way out of the service: written beside the event loop, in order.

A reader of standard output that has stopped reading must stop no sign-in (R164). So a thread writes,
and events wait for it in a bounded queue. What does not fit is refused, which the auditor counts.

The thread is woken for the first of some events and writes all that have come a moment later at once:
woken for each, it would take as much of the loop's time as the event itself.
"""

from __future__ import annotations

import atexit
import logging
import time
from queue import Empty, Full, SimpleQueue
from threading import Thread
from typing import IO, TYPE_CHECKING

from holdfast.sinks import line

if TYPE_CHECKING:
    from holdfast.events import Event

_MOST = 10_000
_AT_EXIT_S = 2.0
_GATHER_S = 0.01
_log = logging.getLogger("holdfast")


class AuditOutput:
    """A sink that writes events as JSON lines to `stream`, which may block or fail.

    `failures` counts what the stream did not take; `most` events may wait for it.
    """

    def __init__(self, stream: IO[str], most: int = _MOST) -> None:
        self.failures = 0
        self._stream = stream
        self._most = most
        self._queue: SimpleQueue[Event | None] = SimpleQueue()
        self._hand: list[Event] = []
        self._thread = Thread(target=self._run, name="holdfast-audit", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __call__(self, event: Event) -> None:
        """Queue an event; never waits.

        Raises:
            queue.Full: so many wait already that this one is lost.
        """
        if self._queue.qsize() >= self._most:
            raise Full
        self._queue.put(event)

    def close(self) -> None:
        """Write what is left, for two seconds at most: perhaps nobody reads any more.

        What is left behind, in the queue and in the thread's hand, is counted, and said in the log.
        """
        atexit.unregister(self.close)
        self._queue.put(None)
        self._thread.join(_AT_EXIT_S)
        if self._thread.is_alive():
            queued = max(self._queue.qsize() - 1, 0)  # the last one is no event
            self._lose(len(self._hand) + queued)

    def _lose(self, count: int) -> None:
        self.failures += count
        _log.warning("nobody reads the audit log: its last %d events were not written", count)

    def _run(self) -> None:
        going = True
        while going:
            going = self._gather()
            if not self._write(self._hand):
                self.failures += sum(not self._write([event]) for event in self._hand)

    def _write(self, events: list[Event]) -> bool:
        """Write all of them; False: not all. A reader that went away must not end the thread."""
        try:
            self._stream.write("".join(f"{line(event)}\n" for event in events))
            self._stream.flush()
        except Exception:  # noqa: BLE001 - whatever it is, it is counted
            return False
        return True

    def _gather(self) -> bool:
        """Take the events that are there a moment after the first; False: these are the last."""
        events: list[Event] = []
        self._hand = events
        event = self._queue.get()
        if event is not None:
            time.sleep(_GATHER_S)
        while event is not None:
            events.append(event)
            try:
                event = self._queue.get_nowait()
            except Empty:
                return True
        return False
