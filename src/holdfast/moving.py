"""Moving to another store: both faces of the two stores as one, and the copier."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from holdfast.errors import RecordReadOnly
from holdfast.faces import AsyncShaped, run
from holdfast.stores import Opened, open_both
from holdfast.stores.moving import AsyncMovingStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.protocols import (
        Admitted,
        Cap,
        Page,
        Reading,
        Refused,
        Replacing,
        Store,
        Take,
        Taken,
    )
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


class MovingStore:
    """A `holdfast.stores.moving.AsyncMovingStore` for threads, over two blocking stores."""

    def __init__(self, new: Store, old: Store) -> None:
        self._both = AsyncMovingStore(AsyncShaped(new), AsyncShaped(old))

    def salt(self) -> bytes:
        """See `holdfast.protocols.Store`, as for all verbs here."""
        return run(self._both.salt())

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        """Pass on."""
        return run(self._both.get(id, now=now, take=take))

    def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        """Pass on."""
        return run(self._both.insert(record, now=now, cap=cap, replacing=replacing))

    def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        """Pass on."""
        return run(self._both.update(record, expected=expected, durable=durable))

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        """Pass on."""
        return run(self._both.touch(id, seen_at=seen_at, expires_at=expires_at, address=address))

    def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        """Pass on."""
        return run(self._both.delete(id, expected=expected, durable=durable))

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        """Pass on."""
        return run(self._both.page(subject, after=after, limit=limit))

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        """Pass on."""
        return run(self._both.delete_all(subject, keep=keep))

    def purge(self, *, now: int, limit: int = 1000) -> int:
        """Pass on."""
        return run(self._both.purge(now=now, limit=limit))

    def bump_epoch(self) -> int:
        """Pass on."""
        return run(self._both.bump_epoch())

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        """Pass on."""
        return run(self._both.take(key, limit=limit, period=period, now=now))

    def after_fork(self) -> None:
        """Pass on."""
        run(self._both.after_fork())

    def close(self) -> None:
        """Close both."""
        run(self._both.close())

    def move(self, id: str, *, now: int) -> Record | None:
        """The record as the new store has it, moved if it was in the old one."""
        return run(self._both.move(id, now=now))


def open_moving(new: str, old: str, *, timeout: float = 5.0) -> Opened:
    """Both faces of the store `new` while sessions move to it from the store `old`.

    A new store that finds sessions by the tags of their ids (Redis) begins with the salt of the old.

    Raises:
        ConfigurationError: a URL is wrong.
        StoreError: a store does not answer that must be asked for its salt.
    """
    there, here = open_both(new, timeout=timeout), open_both(old, timeout=timeout)
    if isinstance(there.blocking, _Adopting):
        there.blocking.adopt_salt(here.blocking.salt())
    return Opened(
        MovingStore(there.blocking, here.blocking),
        AsyncMovingStore(there.asynchronous, here.asynchronous),
    )


def move_all(
    both: MovingStore, old: Store, *, now: int, progress: Callable[[float, int], None]
) -> Moved:
    """Move every living session; safe to break off, to repeat, and beside running applications.

    `progress` is called after each page, with the part of the old store that is done (0 to 1) and
    how many records went over.
    """
    moved = ended = left = 0
    after: str | None = None
    while True:
        page = old.page(after=after, limit=500)
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
