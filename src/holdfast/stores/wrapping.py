"""Puts the wrappers around a store behind a network, in their order, for both of its faces.

    store -> fence -> re-assertion -> breaker -> near cache

The fence stands next to the store, since it judges single readings. Re-assertion stands inside the
breaker, whose trial calls then assert first what is owed. The near cache is outermost: what it
knows costs nothing.
"""

from __future__ import annotations

import os
import random
import weakref
from functools import partial
from typing import TYPE_CHECKING, cast

from holdfast.faces import BlockingShaped, Together, async_shaped, run
from holdfast.stores import Opened
from holdfast.stores.breaker import Breaker, Circuits
from holdfast.stores.changes import Both, Hub, Whole
from holdfast.stores.feed import Feed, moment
from holdfast.stores.fence import Fence, wait_in_loop, wait_in_thread
from holdfast.stores.near_cache import Bounds, NearCache, Table
from holdfast.stores.reassert import Reassert, settle_quietly
from holdfast.stores.revocations import Revocations
from holdfast.stores.standing import Outlook, Standing, combined

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from holdfast.protocols import AsyncStore, Changes
    from holdfast.stores.remote import AsyncRemoteStore, Remote, RemoteStore


class Wrapped:
    """Both faces of what was wrapped: `opened`, and `fresh` without the near cache.

    `standing` is how it stood when `settle` last looked.

    Args:
        opened: both faces.
        fresh: the same without the near cache.
        stacks: what stands around the store, or around each of two while sessions move.
        changes: what any process changes in the store that readings come from, if that can be told.
    """

    def __init__(
        self, opened: Opened, fresh: Opened, stacks: Sequence[Stack], changes: Changes | None
    ) -> None:
        self.opened = opened
        self.fresh = fresh
        self.stacks = stacks
        self.changes = changes
        self.standing = Standing()

    def outlook(self) -> Outlook:
        """How it stands now; of two stores the weaker durability counts."""
        return combined([stack.outlook() for stack in self.stacks])

    def settle(self) -> None:
        """Look how it stands and assert what is owed, for the background thread.

        A failure is logged.
        """
        self.standing.look(self.outlook())
        for stack in self.stacks:
            stack.settle()

    def close(self) -> None:
        """Stop listening."""
        for stack in self.stacks:
            stack.close()


def wrap(opened: Opened, bounds: Bounds, *, cache: bool) -> Wrapped:
    """One store, whose `remote` is there, with everything around it; see `Stack`."""
    stack = Stack(opened, bounds, cache=cache)
    return Wrapped(stack.opened, stack.fresh, (stack,), stack.changes)


class Stack:
    """Both faces of a store with everything around it: `opened`, and `fresh` without the near cache.

    Args:
        opened: the store, whose `remote` is there.
        bounds: of the near cache; their `age` is also the fence's bound.
        cache: whether there is a near cache.
        clock: seconds; must not stand still while the machine is suspended.
        spread: picks a number between two.
    """

    def __init__(
        self,
        opened: Opened,
        bounds: Bounds,
        *,
        cache: bool,
        clock: Callable[[], float] = moment,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._remote = _required(opened.remote)
        self._cache = cache
        self._stale = bounds.stale > 0
        self._table = Table(bounds, clock)
        self._hub = Hub(self._heard)
        listener = Both(self._table, self._hub)
        self._feed = Feed(self._remote, listener, bound=bounds.age, clock=clock)
        self._whole = Whole(self._feed)
        self._revocations = Revocations(clock)
        self._circuits = Circuits(clock, spread)
        self._remote.on_loss(self._revocations.lost)
        self._remote.on_change(self._moved)
        self._stack(opened)
        os.register_at_fork(after_in_child=partial(_after_fork, weakref.ref(self)))

    def outlook(self) -> Outlook:
        """How the store stands now."""
        return Outlook(
            self._remote.durability(),
            self._feed.ages(),
            self._circuits.away(),
            self._revocations.debts,
            self._table.stats() if self._cache else None,
        )

    @property
    def changes(self) -> Changes:
        """What any process changes in the store."""
        return self._hub

    def settle(self) -> None:
        """Assert again what is owed to the store; a failure is logged."""
        if self._revocations.owes:
            run(settle_quietly(self._threads))

    def close(self) -> None:
        """Stop listening."""
        self._feed.close()

    def after_fork(self) -> None:
        """Begin anew in a child process, as it does by itself."""
        self._table.clear()
        self._hub.after_fork()
        self._whole.after_fork()
        self._feed.after_fork()
        self._revocations.clear()
        self._circuits.clear()

    def _heard(self) -> tuple[float, tuple[str, ...]]:
        return self._whole.heard()

    def _moved(self) -> None:
        self._circuits.keep(self._remote.lines())

    def _stack(self, opened: Opened) -> None:
        blocking = cast("RemoteStore", opened.blocking)
        coroutines = cast("AsyncRemoteStore", opened.asynchronous)

        async def raise_epoch(epoch: int) -> None:
            blocking.raise_epoch(epoch)

        threads = self._fenced(async_shaped(blocking), wait_in_thread)
        tasks = self._fenced(coroutines, wait_in_loop)
        self._threads = Reassert(threads, self._revocations, raise_epoch)
        cached, fresh = self._outer(self._threads)
        acached, afresh = self._outer(Reassert(tasks, self._revocations, coroutines.raise_epoch))
        together = self._together(opened.together, raise_epoch)
        self.opened = Opened(BlockingShaped(cached), acached, self._remote, together=together)
        self.fresh = Opened(BlockingShaped(fresh), afresh, self._remote, together=together)

    def _together(
        self, inner: Together | None, raise_epoch: Callable[[int], Awaitable[None]]
    ) -> Together | None:
        if inner is None:
            return None
        fenced = self._fenced(inner.store, wait_in_thread)
        _, fresh = self._outer(Reassert(fenced, self._revocations, raise_epoch))
        return Together(fresh, inner.run)  # it reads only to decide what to write

    def _fenced(self, store: AsyncStore, wait: Callable[[], Awaitable[None]]) -> AsyncStore:
        return Fence(store, self._feed, wait) if self._remote.fenced else store

    def _outer(self, store: AsyncStore) -> tuple[AsyncStore, AsyncStore]:
        """The face that may answer from memory, and the one that never does."""
        breaker = Breaker(store, self._circuits, self._remote.line_of)
        if not self._cache:
            return breaker, breaker
        return (
            NearCache(breaker, self._table, self._feed, stale=self._stale),
            NearCache(breaker, self._table, self._feed, fresh=True),
        )


def _required(remote: Remote | None) -> Remote:
    if remote is None:
        raise TypeError("a store inside this machine needs no wrapper")
    return remote


def _after_fork(reference: weakref.ref[Stack]) -> None:
    stack = reference()
    if stack is not None:
        stack.after_fork()
