"""The tables of the memory store: records with their two indexes, and what ends when.

Nothing here locks; `MemoryStore` calls it with its lock held.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from holdfast.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(msgspec.Struct, gc=False):
    """An encoded record and the fields that are judged by, or that `touch` changes.

    It never changes but for `record`, which is the decoded one from the first reading on.
    """

    raw: bytes
    seen_at: int
    expires_at: int
    address: str | None
    subject: str | None
    version: int
    created_at: int
    record: Record | None = None

    def changed(self, **fields: Any) -> Row:
        """A copy with some fields replaced, to be decoded anew."""
        return replace(self, record=None, **fields)


def row_of(record: Record, raw: bytes, old: Row | None = None) -> Row:
    """The row of `record`; what a former row knows of later activity stays."""
    seen_at, expires_at, address = record.seen_at, record.expires_at, record.address
    if old is not None:
        address = old.address if old.seen_at > seen_at else address
        seen_at, expires_at = max(seen_at, old.seen_at), max(expires_at, old.expires_at)
    return Row(raw, seen_at, expires_at, address, record.subject, record.version, record.created_at)


class Table:
    """Rows by id, with sorted indexes of all ids and of each subject's (P11)."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._ids: list[str] = []
        self._subjects: dict[str, list[str]] = {}

    def put(self, id: str, row: Row) -> None:
        """Add a row, or replace the one of this id."""
        old = self.rows.get(id)
        self.rows[id] = row
        if old is None:
            insort(self._ids, id)
        self._reindex(id, old.subject if old else None, row.subject)

    def remove(self, id: str) -> None:
        """Remove a row; an id that is gone already is no mistake."""
        row = self.rows.pop(id, None)
        if row is not None:
            del self._ids[bisect_left(self._ids, id)]
            self._reindex(id, row.subject, None)

    def ids(self, subject: str | None, after: str | None, limit: int) -> list[str]:
        """At most `limit` ids of one subject, or of everybody, in order and after `after`."""
        some = self._ids if subject is None else self._subjects.get(subject, [])
        start = 0 if after is None else bisect_right(some, after)
        return some[start : start + limit]

    def ids_of(self, subject: str) -> tuple[str, ...]:
        """All ids of one subject, in order."""
        return tuple(self._subjects.get(subject, ()))

    def _reindex(self, id: str, old: str | None, new: str | None) -> None:
        if old == new:
            return
        if old is not None:
            ids = self._subjects[old]
            del ids[bisect_left(ids, id)]
            if not ids:
                del self._subjects[old]
        if new is not None:
            insort(self._subjects.setdefault(new, []), id)


class Endings:
    """Keys in the order of their ends.

    There is one entry for each living key, and its end may be too early by now, never too late, as
    ends only move on: whoever pops it looks again. Entries of keys that went before their end stay
    until then.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []

    def add(self, key: str, end: int) -> None:
        """Note that `key` ends at `end` (Unix ms) or later."""
        heappush(self._heap, (end, key))

    def due(self, now: int, limit: int, end_of: Callable[[str], int | None]) -> list[str]:
        """Take off at most `limit` keys that have ended; `end_of` is None for one that is gone."""
        due: list[str] = []
        while len(due) < limit and self._heap and self._heap[0][0] <= now:
            _, key = heappop(self._heap)
            end = end_of(key)
            if end is not None and end > now:
                heappush(self._heap, (end, key))
            elif end is not None:
                due.append(key)
        return due
