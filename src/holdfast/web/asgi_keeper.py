"""Ends what is open when its session ends: in every process, within the staleness bound.

A keeper follows the changes of the store, as the near cache does, and reads a session again when it
was changed, when its time may be over, and when nothing was heard for half of the bound. A store
that tells no changes is asked at that pace. If nobody can say whether a session lives, what it has
open ends before the bound is over, or as much later as `stale_reads` allows.

What has just been opened costs nothing: it is first looked at after a quarter of the bound. Streams of
events end when the server is about to stop, too.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from holdfast.errors import StoreError
from holdfast.protocols import Told
from holdfast.stores.changes import UNKNOWN
from holdfast.stores.feed import PROBES_PER_BOUND, moment
from holdfast.web.asgi_kept import Kept, events_of, hears
from holdfast.web.asgi_leaving import server_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from holdfast.chain import Chain
    from holdfast.protocols import Watcher
    from holdfast.web.asgi_kept import Open

_AT_ONCE = 100  # sessions that are read at the same time
_log = logging.getLogger("holdfast")


class Keeper:
    """Keeps what is open in one event loop; `at_end` is called when nothing is any more."""

    def __init__(self, chain: Chain, at_end: Callable[[], object]) -> None:
        settings = chain.sessions.settings
        self._chain = chain
        self._at_end = at_end
        self._bound = settings.cache_bound.total_seconds()
        self._every = self._bound / PROBES_PER_BOUND
        self._most = self._bound - self._every + settings.stale_reads.total_seconds()
        self._kept: dict[str, Kept] = {}
        self._watcher: Watcher | None = None
        self._told = Told()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._run = asyncio.create_task(self._keep(), name="holdfast-keeper")

    def add(self, held: Open) -> None:
        """Something was opened; its session may have ended since the request was judged."""
        kept = self._kept.get(held.id)
        if kept is None:
            kept = self._kept[held.id] = Kept(moment())
        kept.held.add(held)
        kept.look_at = 0

    def drop(self, held: Open) -> None:
        """It is not open any more."""
        kept = self._kept.get(held.id)
        if kept is not None:
            kept.held.discard(held)
            if not kept.held:
                del self._kept[held.id]

    def spawn(self, work: Coroutine[None, None, None]) -> None:
        """Do this beside; the keeper does not end before it is done."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self) -> None:
        try:
            while self._kept or self._tasks:
                await asyncio.sleep(self._every)
                try:
                    if server_leaves():
                        self._end(events_of(self._kept.values()), known=False)
                    await self._turn(moment() - self._every)
                except Exception:  # noqa: BLE001 - without this task nothing would end any more
                    _log.exception("open sockets and streams could not be looked after")
        finally:
            self._at_end()
            for task in self._tasks:
                task.cancel()
            if self._watcher is not None:
                self._watcher.close()

    async def _turn(self, before: float) -> None:
        """Look after what was opened `before` this moment."""
        if not any(kept.opened_at <= before for kept in self._kept.values()):
            return
        told = self._told = await self._ask()
        for id in self._kept if told.everything else told.ids:
            if id in self._kept:
                self._kept[id].look_at = 0
        now = self._chain.clock()
        for kept_id, kept in self._kept.items():
            if kept.looking or kept.opened_at > before:
                continue
            if kept.heard(told.heard_at, now) or moment() - kept.proved >= self._bound / 2:
                kept.look()
                self.spawn(self._look(kept_id, kept))

    async def _ask(self) -> Told:
        """What was heard of changes; a channel that fails is one that tells nothing."""
        changes = self._chain.changes
        if changes is None:
            return Told()
        try:
            self._watcher = self._watcher or changes.watch()
            async with asyncio.timeout(self._bound / 2):
                return await self._watcher.take()
        except Exception as error:  # noqa: BLE001 - then the store is asked
            _log.warning("changes of sessions are not heard: %r", error)
            return UNKNOWN

    async def _look(self, id: str, kept: Kept) -> None:
        asked_at, before = moment(), self._told
        try:
            async with self._room, asyncio.timeout(self._patience(kept)):
                reading = await self._chain.sessions.look(id)
            kept.followed = hears(before, reading)
            over = kept.looked(self._chain.sessions, reading.record, asked_at, self._chain.clock())
            self._end(over, known=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody knows
            self._unknown(kept, error)
        finally:
            kept.looking = False

    def _patience(self, kept: Kept) -> float:
        """Seconds in which an answer is still of use; after a stall of our own there are some, too."""
        return max(kept.proved + self._most - moment(), self._every)

    def _unknown(self, kept: Kept, error: Exception) -> None:
        kept.look_at = 0
        if not isinstance(error, StoreError | TimeoutError):
            _log.error("a session with something open could not be read", exc_info=error)
        if moment() - kept.proved >= self._most:
            _log.info("the store does not answer: what a session had open was closed")
            self._end(list(kept.held), known=False)

    def _end(self, over: list[Open], *, known: bool) -> None:
        for held in over:
            self.drop(held)
            held.end(known=known)
