"""Readings of hot sessions, which are good for as long as nobody has changed them.

What holds is checked at each question, see `holdfast.stores.sqlite.marks`, so that a session that
another process has ended is ended here. A table is used for ten seconds, after which everything is
read again: that bounds for how long another program's changes, which leave no marks, are not felt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.stores.sqlite.marks import CHANGING, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.protocols import Reading
    from holdfast.stores.sqlite.marks import Marks

_NONE = memoryview(b"").cast("Q")
_USED_FOR = 10_000
_ROOM = 64 * 1024 * 1024
_OVERHEAD = 1024
"""Bytes of an entry beside the data of its session."""


class Hot:
    """What has been read since `began` (Unix ms). Without `marks` nothing is known."""

    def __init__(self, marks: Marks | None, began: int = 0) -> None:
        self._marks = marks
        self._at = marks.at if marks else _NONE
        self._began = began
        self._room = _ROOM
        self._known: dict[str, tuple[int, int, Reading]] = {}

    def is_over(self, now: int) -> bool:
        """Whether it is time for another table."""
        return self._marks is None or not 0 <= now - self._began < _USED_FOR

    def get(self, id: str, read: Callable[[str], Reading]) -> Reading:
        """The reading of a session, by `read` unless it is known."""
        known = self._known.get(id)
        if known is not None and self._at[known[0]] == known[1]:
            return known[2]
        return self._read(id, read)

    def _read(self, id: str, read: Callable[[str], Reading]) -> Reading:
        if self._marks is None:
            return read(id)
        at = place(id)
        mark = self._marks.before(at)
        reading = read(id)  # only now: a change after it makes another mark
        if reading.record is not None and mark != CHANGING and self._room > 0:
            self._room -= _OVERHEAD + len(reading.record.data)
            self._known[id] = at, mark, reading
        return reading
