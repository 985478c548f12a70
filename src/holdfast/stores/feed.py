"""Hears of changes: one thread a line, for threads and coroutines alike.

What was read from a node is believed only while the node is heard: a probe that was sent less than
a bound ago, on the very connection that carries its changes, has been answered, and everything that
came before the answer was applied. Whatever stalls, the process, the thread, the network or the
node, the moment of the last such probe grows old, and nothing more is believed.

A thread, not a task of an event loop: it serves both faces of a store, and a loop that stalls does
not delay it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Protocol

from holdfast.errors import StoreUnavailable
from holdfast.stores.delays import LONGEST, Failures, delays
from holdfast.stores.remote import Answered, Changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.stores.remote import Happening, Line, Remote

NEVER = float("-inf")
PROBES_PER_BOUND = 4
_PATIENCE = 5.0
_log = logging.getLogger("holdfast")

moment: Callable[[], float] = partial(
    time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
)
"""Seconds of a clock that also runs while the machine is suspended."""


class Channel:
    """A line while nothing interrupts it. What was read under one channel counts for no other.

    `heard_at` is when the last answered probe was sent; `NEVER` before the first answer, and again
    from the end of the channel. `last_heard_at` is kept beyond that end, for bounded stale reads.
    """

    __slots__ = ("heard_at", "last_heard_at", "node", "open", "opened_at")

    def __init__(self, node: str, opened_at: float) -> None:
        self.node = node
        self.opened_at = opened_at
        self.open = True
        self.heard_at = NEVER
        self.last_heard_at = NEVER

    def heard(self, sent_at: float) -> None:
        """A probe of that moment was answered; one from before the channel says nothing of it."""
        if self.open and sent_at >= max(self.opened_at, self.heard_at):
            self.last_heard_at = self.heard_at = sent_at

    def end(self) -> None:
        """Nothing is believed under this channel from now on."""
        self.open = False
        self.heard_at = NEVER


class Listener(Protocol):
    """Is told what a feed hears, from any thread; never blocks for long and never raises."""

    def changed(self, id: str) -> None:
        """The record of this id is another one now, or gone."""
        ...

    def forget(self, channel: Channel) -> None:
        """Anything that was read under this channel may have changed."""
        ...

    def cut(self, channel: Channel) -> None:
        """The connection is lost: what was read under this channel is no longer watched."""
        ...


class Feed:
    """Holds the lines of a store open, each from its first use in this process.

    Args:
        remote: the back end.
        listener: is told what is heard.
        bound: seconds for which an answered probe is good; `PROBES_PER_BOUND` are sent in this time.
        clock: seconds; must not stand still while the machine is suspended.
    """

    def __init__(
        self,
        remote: Remote,
        listener: Listener,
        *,
        bound: float,
        clock: Callable[[], float] = moment,
    ) -> None:
        self.remote = remote
        self.listener = listener
        self.bound = bound
        self.clock = clock
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._inherited: list[Watch] = []
        self._start_at = NEVER
        self._pid = os.getpid()
        remote.on_change(self.moved)

    def channel(self, id: str) -> Channel | None:
        """The channel that carries the changes of this id; None: nothing may be kept of it now."""
        return self.channel_of(self.remote.line_of(id))

    def channel_of(self, name: str) -> Channel | None:
        """The channel of this line, which is opened if it is not yet."""
        watch = self._watches.get(name) or self._started(name)
        return watch.channel

    def moved(self) -> None:
        """Ids may be served by other nodes now: all channels end, and lines of no use are closed."""
        names = self.remote.lines()
        with self._lock:
            gone = [self._watches.pop(name) for name in list(self._watches) if name not in names]
            kept = list(self._watches.values())
        for watch in gone:
            watch.stop()
        for watch in kept:
            watch.renew()

    def require_used(self, name: str, watch: Watch) -> None:
        """Give up a line that was begun just when it went out of use: `moved` knew nothing of it.

        Raises:
            StoreUnavailable: it was.
        """
        names = self.remote.lines()
        if not names or name in names:
            return
        with self._lock:
            if self._watches.get(name) is watch:
                del self._watches[name]
        watch.stop()
        raise StoreUnavailable("the node of this line serves nothing any more")

    def ages(self) -> dict[str, float]:
        """How old, in seconds, what is believed may be, by line; infinite while it is cut."""
        now = self.clock()
        watches = dict(self._watches)
        return {name: now - _heard_at(watch.channel) for name, watch in watches.items()}

    def after_fork(self) -> None:
        """In the child: forget the parent's lines, without closing what the parent still uses."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._inherited += self._watches.values()
        self._watches = {}

    def close(self) -> None:
        """Close the lines; a later use opens them again."""
        with self._lock:
            watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.stop()
        for watch in watches.values():
            watch.join()

    def _started(self, name: str) -> Watch:
        with self._lock:
            watch = self._watches.get(name)
            if watch is None:
                watch, now = Watch(self, name), self.clock()
                if now < self._start_at:  # or each request would ask for a thread in vain
                    return watch
                if watch.started():
                    self._watches[name] = watch
                else:
                    self._start_at = now + LONGEST
            return watch


def _heard_at(channel: Channel | None) -> float:
    return NEVER if channel is None else channel.heard_at


class Watch:
    """One line, reopened whenever it is lost, and its channel, None while there is none."""

    def __init__(self, feed: Feed, name: str) -> None:
        self.channel: Channel | None = None
        self._feed = feed
        self._name = name
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="holdfast-feed", daemon=True)
        self._every = feed.bound / PROBES_PER_BOUND
        self._patience = max(_PATIENCE, 2 * feed.bound)
        self._sent: dict[int, float] = {}
        self._serial = 0
        self._due = NEVER
        self._answered = False
        self._failures = Failures(feed.clock)

    def started(self) -> bool:
        """Open the line in a thread of its own; False: there was none to be had."""
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is going
            _log.warning("a thread that hears of changes did not start: %s", error)
            return False
        return True

    def stop(self) -> None:
        """End the channel now, and the thread soon."""
        self._stop.set()
        self.end()

    def join(self) -> None:
        """Wait for the thread, for as long as it may take to notice."""
        self._thread.join(self._every + 1)

    def renew(self) -> None:
        """End the channel and begin another on the same connection."""
        with self._lock:
            old = self.channel
            if old is None:
                return
            old.end()
            self.channel = Channel(old.node, self._feed.clock())
            self._due = NEVER
        self._feed.listener.forget(old)

    def follow(self, line: Line) -> None:
        """Apply what the line brings until it is lost or this watch is stopped.

        Raises:
            StoreUnavailable: it is lost.
        """
        self.begin(line)
        try:
            while not self._stop.is_set():
                self.turn(line)
        finally:
            self.end()

    def begin(self, line: Line) -> None:
        """A line was opened: begin its channel."""
        self._sent.clear()
        self._due = NEVER
        with self._lock:
            self.channel = Channel(line.node, self._feed.clock())

    def turn(self, line: Line) -> None:
        """Send a probe if one is due, then apply what comes until the next one is."""
        now = self._feed.clock()
        if now >= self._due:
            self._require_answers(now)
            self._due = now + self._every
            self._serial += 1
            self._sent[self._serial] = now
            line.probe(self._serial)
        for happening in line.receive(max(self._due - now, 0.001)):
            self._apply(happening)

    def _apply(self, happening: Happening) -> None:
        if isinstance(happening, Changed):
            self._feed.listener.changed(happening.id)
        elif isinstance(happening, Answered):
            self._hear(happening.serial)
        else:
            self.renew()

    def _hear(self, serial: int) -> None:
        """A probe was answered; one that was sent before it and never is matters no more."""
        sent_at = self._sent.get(serial, NEVER)
        self._sent = {later: at for later, at in self._sent.items() if later > serial}
        self._answered = True
        with self._lock:
            if self.channel is not None:
                self.channel.heard(sent_at)

    def _require_answers(self, now: float) -> None:
        """A connection may die without a word; then a new one may still get through."""
        if self._sent and now - min(self._sent.values()) > self._patience:
            raise StoreUnavailable("a node of the store does not answer on the line for changes")

    def end(self) -> None:
        """The line is lost: end its channel."""
        with self._lock:
            channel, self.channel = self.channel, None
            if channel is not None:
                channel.end()
        if channel is not None:
            self._feed.listener.cut(channel)

    def _run(self) -> None:
        waits = delays()
        while not self._stop.is_set():
            self._answered = False
            try:
                self._dial_and_follow()
            except StoreUnavailable as error:
                _log.info("the line for changes is lost: %s", error)
            except Exception as error:  # noqa: BLE001 - without this thread nothing would be cached again
                self._failures.note(error, again=not self._answered)
            waits = delays() if self._answered else waits
            self._stop.wait(next(waits))

    def _dial_and_follow(self) -> None:
        self._feed.require_used(self._name, self)
        line = self._feed.remote.dial(self._name)
        try:
            self.follow(line)
        finally:
            line.close()
