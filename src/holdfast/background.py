"""The one thread that a process has for what no request should wait for: touches and the sweep.

It starts at first use, again after a fork, and flushes at exit. Activity is collected by session,
the latest wins, and sent every `flush_every`. The sweep runs every `sweep_every` in one process of
all: a quota of one per period in the store is the lease.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
from itertools import count, islice
from typing import TYPE_CHECKING, cast

from holdfast import probe
from holdfast.chain.outage import Outage
from holdfast.errors import StoreError, StoreUnavailable
from holdfast.faces import async_shaped, run
from holdfast.hooks import weakly
from holdfast.settings import ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.engine import Touch
    from holdfast.faces import Together
    from holdfast.protocols import Clock, Store
    from holdfast.settings import Settings

_LEASE = "lease/sweep"
_LOOK_EVERY_S = 1.0
_BATCH = 1000
_TOGETHER = 100
_BREATH_S = 0.01
_MAX_PENDING = 100_000
_log = logging.getLogger("holdfast")


class Background:
    """Collects touches and sweeps; `store` is a blocking store over the same records.

    `chore` is done in each round, before anything else. With `together` touches are sent by the
    hundred, see `holdfast.faces.Together`. While there is an `outage` the thread looks every second
    whether it is over.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        clock: Clock,
        *,
        chore: Callable[[], None] | None = None,
        together: Together | None = None,
        outage: Outage | None = None,
    ) -> None:
        self._store = store
        self._outage = outage or Outage(clock)
        self._together = together
        self._chore = chore
        self._clock = clock
        self._flush_s = settings.flush_every.total_seconds()
        self._sweep_every = ms(settings.sweep_every)
        self._begin_anew()
        os.register_at_fork(after_in_child=weakly(self._begin_anew))
        self._at_exit = weakly(self.close)
        atexit.register(self._at_exit)

    def _begin_anew(self) -> None:
        """In a child of `fork` too: what the parent has collected is the parent's to send."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pending: dict[str, Touch] = {}
        self._next_sweep = 0

    def collect(self, touch: Touch) -> None:
        """Note activity, to be sent within `flush_every`; never waits for the store.

        Beyond a bound of sessions with unsent activity further ones are dropped: they look idle for
        a moment longer, and the process does not grow without end while the store is away.
        """
        with self._lock:
            if len(self._pending) < _MAX_PENDING or touch.id in self._pending:
                self._pending[touch.id] = touch
        self.start()

    def start(self) -> None:
        """Start the thread if it is not running in this process; called at every request."""
        if self._thread is not None or self._stop.is_set():
            return
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="holdfast", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:  # no more threads, or the interpreter is going
                    _log.warning("the background thread did not start: %s", error)
                    return
                self._thread = thread

    def flush(self) -> None:
        """Send what was collected. What the store does not take is kept for the next time.

        Raises:
            StoreError: the store cannot take it now.
        """
        with self._lock:
            pending, self._pending = self._pending, {}
        try:
            while pending:
                self._send_some(pending)
        finally:
            if pending:
                with self._lock:
                    merged = {**pending, **self._pending}
                    self._pending = dict(islice(merged.items(), _MAX_PENDING))

    def _send_some(self, pending: dict[str, Touch]) -> None:
        """Send one, or many together, and take out of `pending` what the store has answered.

        What it refuses, such as a record of a newer release, is not tried for ever: all else would
        wait behind it.
        """
        some = list(islice(pending.values(), 1 if self._together is None else _TOGETHER))
        answers = [self._sent(some[0])] if self._together is None else self._sent_together(some)
        away = [each for each in answers if isinstance(each, StoreUnavailable)]
        for touch, answer in zip(some, answers, strict=True):
            if not isinstance(answer, StoreUnavailable):
                del pending[touch.id]
        refused = [each for each in answers if isinstance(each, StoreError) and each not in away]
        if refused:
            _log.warning("activity of %d sessions was refused: %s", len(refused), refused[0])
        if away:
            raise away[0]

    def _sent(self, touch: Touch) -> object:
        try:
            return run(touch.noted_in(async_shaped(self._store)))
        except StoreError as error:
            return error

    def _sent_together(self, some: Sequence[Touch]) -> list[object]:
        together = cast("Together", self._together)
        return together.run(touch.noted_in(together.store) for touch in some)

    def sweep(self) -> int | None:
        """Remove what has expired, if this process gets the lease; how many went, None without."""
        lease = self._store.take(_LEASE, limit=1, period=self._sweep_every, now=self._clock())
        if not lease.allowed:
            self._next_sweep = self._clock() + lease.retry_after
            return None
        self._next_sweep = self._clock() + self._sweep_every
        total = removed = self._store.purge(now=self._clock(), limit=_BATCH)
        while removed >= _BATCH and not self._stop.wait(_BREATH_S):
            removed = self._store.purge(now=self._clock(), limit=_BATCH)
            total += removed
        return total

    def work(self) -> None:
        """One round of the thread; what goes wrong is logged, and the next round tries again."""
        self._try(self._round)

    def look(self) -> None:
        """While an outage lasts, find out by a small write whether the store answers again."""
        if self._outage.lasts:
            self._try(self._ask)

    def _try(self, what: Callable[[], None]) -> None:
        try:
            what()
        except StoreUnavailable as error:
            self._outage.felt(error)
        except StoreError as error:
            _log.warning("background work is waiting for the store: %s", error)
        except Exception:  # noqa: BLE001 - a thread that dies would take all later activity with it
            _log.exception("background work failed")

    def _round(self) -> None:
        if self._chore is not None:
            self._chore()
        self.flush()
        if self._clock() >= self._next_sweep:
            self.sweep()

    def _ask(self) -> None:
        run(probe.write(async_shaped(self._store), self._clock()))
        self._outage.answered()

    def close(self) -> None:
        """Stop the thread and send what is left; later calls send what came since."""
        atexit.unregister(self._at_exit)
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._flush_s)
        try:
            self.flush()
        except StoreError as error:
            _log.warning("activity of the last seconds was not saved: %s", error)

    def _run(self) -> None:
        stop, looks = self._stop, math.ceil(self._flush_s / _LOOK_EVERY_S)
        for turn in count(1):
            if stop.wait(self._flush_s / looks):
                return
            if turn % looks == 0:
                self.work()
            self.look()
