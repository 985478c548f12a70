"""Tells watchers in this process of changes: those of a feed, or of a store in its memory.

A watcher that does not ask keeps a bounded number of ids; beyond that it is told that everything
may have changed.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Lock, Thread
from typing import TYPE_CHECKING

from holdfast.protocols import Told
from holdfast.stores.feed import NEVER, moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.protocols import Watcher
    from holdfast.stores.feed import Channel, Feed, Listener

MOST_KEPT = 10_000
"""Ids that a watcher keeps between two questions."""

Heard = tuple[float, tuple[str, ...]]


class Pending:
    """A watcher: what it was not asked about yet. `heard` is read before what it is a bound for."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lock = Lock()
        self._ids: set[str] = set()
        self._everything = False

    def changed(self, id: str) -> None:
        """Keep one id."""
        with self._lock:
            if len(self._ids) >= MOST_KEPT:
                self._everything = True
                self._ids.clear()
            if not self._everything:
                self._ids.add(id)

    def changed_all(self) -> None:
        """Everything may have changed."""
        with self._lock:
            self._everything = True
            self._ids.clear()

    async def take(self) -> Told:
        """What was heard since the last call."""
        heard_at, nodes = self._hub.heard()
        with self._lock:
            ids, self._ids = self._ids, set()
            everything, self._everything = self._everything, False
        return Told(tuple(ids), everything, heard_at, nodes)

    def close(self) -> None:
        """Stop listening."""
        self._hub.drop(self)


class Hub:
    """The watchers of a source that tells by itself; also a `holdfast.stores.feed.Listener`.

    `heard` says up to which moment everything was told, and by which nodes; it is asked before a
    watcher hands out what it has, and a change is told before `heard` moves past it.
    """

    def __init__(self, heard: Callable[[], Heard] | None = None) -> None:
        self.heard: Callable[[], Heard] = heard or _now
        self._watchers: tuple[Pending, ...] = ()
        self._lock = Lock()

    def watch(self) -> Watcher:
        """A new watcher."""
        pending = Pending(self)
        with self._lock:
            self._watchers = (*self._watchers, pending)
        return pending

    def drop(self, pending: Pending) -> None:
        """Forget a watcher."""
        with self._lock:
            self._watchers = tuple(each for each in self._watchers if each is not pending)

    def changed(self, id: str) -> None:
        """The record of this id is another one now, or gone."""
        for each in self._watchers:
            each.changed(id)

    def changed_all(self) -> None:
        """Any record may be gone."""
        for each in self._watchers:
            each.changed_all()

    def forget(self, channel: Channel) -> None:  # noqa: ARG002 - a watcher knows no channels
        """Anything of this channel may have changed."""
        self.changed_all()

    def cut(self, channel: Channel) -> None:  # noqa: ARG002 - a watcher knows no channels
        """Changes under this channel are no longer heard."""
        self.changed_all()

    def after_fork(self) -> None:
        """In the child: its parent's watchers are the parent's; another thread may have held a lock."""
        self._lock = Lock()
        self._watchers = ()


class Whole:
    """All lines of a feed as one source; they are opened when it is first asked."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._finder: Thread | None = None
        self._found = False

    def heard(self) -> Heard:
        """When the oldest probe that is believed was sent, and the nodes; `NEVER` while one is cut."""
        if not self._found:
            self._find()
            return NEVER, ()
        channels = [self._feed.channel_of(name) for name in self._feed.remote.lines()]
        known = [channel for channel in channels if channel is not None]
        if not known or len(known) < len(channels):
            return NEVER, ()
        return min(each.heard_at for each in known), tuple(each.node for each in known)

    def after_fork(self) -> None:
        """In the child: a thread of the parent is not here."""
        self._finder = None

    def _find(self) -> None:
        """Have the servers found, which may take as long as a call, by a thread."""
        if self._finder is None or not self._finder.is_alive():
            finder = Thread(target=self._look, name="holdfast-lines", daemon=True)
            with suppress(RuntimeError):  # no more threads: another question tries again
                finder.start()
                self._finder = finder

    def _look(self) -> None:
        self._found = bool(self._feed.remote.lines())


class Both:
    """A listener that passes on to two."""

    def __init__(self, first: Listener, second: Listener) -> None:
        self._each = (first, second)

    def changed(self, id: str) -> None:
        """Pass on, as all of this."""
        for each in self._each:
            each.changed(id)

    def forget(self, channel: Channel) -> None:
        """Pass on."""
        for each in self._each:
            each.forget(channel)

    def cut(self, channel: Channel) -> None:
        """Pass on."""
        for each in self._each:
            each.cut(channel)


def _now() -> Heard:
    """A source inside this process tells before it acknowledges."""
    return moment(), ()


UNKNOWN = Told((), everything=True, heard_at=NEVER)
"""What is told when a source cannot be asked."""
