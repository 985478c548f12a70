"""Moving to another store: both faces of the two stores as one, and the copier."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from holdfast.errors import ConfigurationError, RecordReadOnly
from holdfast.faces import BlockingShaped, Together, async_shaped, run
from holdfast.stores import Opened, database_file, open_both
from holdfast.stores.moving import AsyncMovingStore
from holdfast.stores.near_cache import Bounds
from holdfast.stores.wrapping import Stack, Wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.record import Record

_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"
"""What tags are made of, in the order in which ids sort."""


@runtime_checkable
class _Adopting(Protocol):
    def adopt_salt(self, salt: bytes) -> bool: ...


class Moved(NamedTuple):
    """What the copier did: records that went over, that were over already, and that it left."""

    moved: int
    ended: int
    left: int


class Moving:
    """Both faces of two stores as one: `opened`, and `fresh` without the near cache.

    Around each store behind a network stands what belongs there; `wrapped` is None if neither is.
    The near cache is the new store's: what is read moves there first. `old` is the old one alone.

    Args:
        new: the store that sessions move to.
        old: the store that they come from.
        bounds: of the near cache; their `age` is also the bound of a fence.
        cache: whether there is a near cache.
    """

    def __init__(self, new: Opened, old: Opened, bounds: Bounds, *, cache: bool) -> None:
        there = None if new.remote is None else Stack(new, bounds, cache=cache)
        here = None if old.remote is None else Stack(old, bounds, cache=False)
        fresh = there.fresh if there else new
        self.old = here.opened if here else old
        self._threads = _threads(fresh, self.old, fresh)
        self.opened = self._both(there.opened if there else new, fresh)
        self.fresh = self._both(fresh, fresh)
        stacks = [stack for stack in (there, here) if stack is not None]
        changes = there.changes if there else None  # what is read from the old store moves first
        self.wrapped = Wrapped(self.opened, self.fresh, stacks, changes) if stacks else None

    def move(self, id: str, *, now: int) -> Record | None:
        """The record as the new store has it, moved if it was in the old one."""
        return run(self._threads.move(id, now=now))

    def close(self) -> None:
        """Close both stores."""
        self.opened.blocking.close()
        if self.wrapped is not None:
            self.wrapped.close()

    def _both(self, new: Opened, fresh: Opened) -> Opened:
        coroutines = AsyncMovingStore(new.asynchronous, self.old.asynchronous, fresh.asynchronous)
        threads = BlockingShaped(_threads(new, self.old, fresh))
        return Opened(threads, coroutines, together=self._together(fresh.together))

    def _together(self, new: Together | None) -> Together | None:
        """What the new store offers; the old one, which few calls still go to, is asked one by one."""
        if new is None:
            return None
        old = async_shaped(self.old.blocking)
        return Together(AsyncMovingStore(new.store, old), new.run)


def _threads(new: Opened, old: Opened, fresh: Opened) -> AsyncMovingStore:
    return AsyncMovingStore(
        async_shaped(new.blocking), async_shaped(old.blocking), async_shaped(fresh.blocking)
    )


def open_moving(
    new: str,
    old: str,
    *,
    timeout: float = 5.0,
    bounds: Bounds | None = None,
    cache: bool = False,
) -> Moving:
    """The store `new` while sessions move to it from the store `old`; `timeout` is in seconds.

    A new store that finds sessions by the tags of their ids (Redis) begins with the salt of the old.

    Raises:
        ConfigurationError: a URL is wrong, or the old store is a SQLite file that is not there.
        StoreError: a store does not answer that must be asked for its salt.
    """
    _require_file(old)
    there, here = open_both(new, timeout=timeout), open_both(old, timeout=timeout)
    if isinstance(there.blocking, _Adopting):
        there.blocking.adopt_salt(here.blocking.salt())
    return Moving(there, here, bounds or Bounds(), cache=cache)


def _require_file(old: str) -> None:
    """A mistyped path would be an empty store, from which nobody moves: everybody is signed out."""
    path = database_file(old)
    if path is not None and not path.exists():
        raise ConfigurationError(
            f"the store that sessions come from: there is no file {path}; an absolute path has four"
            " slashes, and once all have moved HOLDFAST_STORE_FROM is taken away"
        )


def move_all(both: Moving, *, now: int, progress: Callable[[float, int], None]) -> Moved:
    """Move every living session; safe to break off, to repeat, and beside running applications.

    `progress` is called after each page, with the part of the old store that is done (0 to 1) and
    how many records went over.
    """
    moved = ended = left = 0
    after: str | None = None
    while True:
        page = both.old.blocking.page(after=after, limit=500)
        for record in page.records:
            if record.expires_at <= now:
                ended += 1
                continue
            try:
                moved += both.move(record.id, now=now) is not None
            except RecordReadOnly:
                left += 1
        after = page.after
        progress(1.0 if after is None else _place(after), moved)
        if after is None:
            return Moved(moved, ended, left)


def _place(id: str) -> float:
    """How far an id is in the order of all: they begin with one of 1,024 tags, evenly."""
    first, second = (max(_LETTERS.find(each), 0) for each in id[:2])
    return (first * len(_LETTERS) + second) / len(_LETTERS) ** 2
