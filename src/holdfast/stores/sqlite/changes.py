"""Hears of what any process changes in the file, from a table that triggers fill.

The table is made for the first watcher, and is written only while there are some: see the text of
`changes_1.sql`. A watcher reads on from the row that it saw last. If that row is not there any more,
or another, then rows were cut off behind it, or the file was replaced, and everything may have
changed.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import StoreError
from holdfast.protocols import Told
from holdfast.stores.changes import UNKNOWN
from holdfast.stores.feed import moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from holdfast.protocols import Watcher
    from holdfast.stores.sqlite.core import SqliteCore

KEPT = 10_000
"""Rows that are kept for slow watchers, and that are written when nobody reads any more."""
_MOST_READ = 1000
_MARK = "!"

_SINCE = """
    SELECT seq, id, (SELECT value FROM meta WHERE key = 'changes_until') FROM changes
    WHERE seq >= ? ORDER BY seq LIMIT ?
"""
_STATE = """
    SELECT ifnull((SELECT max(seq) FROM changes), 0), value FROM meta WHERE key = 'changes_until'
"""
_log = logging.getLogger("holdfast")


class Row(NamedTuple):
    """One change; `id` is None for everything."""

    seq: int
    id: str | None


class SqliteChanges:
    """The changes of one database file."""

    def __init__(self, core: SqliteCore, clock: Callable[[], float] = moment) -> None:
        self._core = core
        self._clock = clock

    def watch(self) -> Watcher:
        """A new watcher; the table is made when it is first asked."""
        return SqliteWatcher(self._core, self._clock)


class SqliteWatcher:
    """Reads the table at each question. Between two of them it holds nothing."""

    def __init__(self, core: SqliteCore, clock: Callable[[], float]) -> None:
        self._core = core
        self._clock = clock
        self._seen: Row | None = None
        self._migrated = False

    async def take(self) -> Told:
        """What was heard since the last call; the first one only begins."""
        try:
            return await (self._begin() if self._seen is None else self._next(self._seen))
        except StoreError as error:
            _log.info("changes of the session database cannot be read: %s", error)
            self._seen, self._migrated = None, False
            return UNKNOWN

    def close(self) -> None:
        """Do nothing: what is not read is soon not written."""

    async def _begin(self) -> Told:
        if not self._migrated:
            await self._core.amigrate("changes", [_script()])
            self._migrated = True
        self._seen = await self._core.awrite(_mark)
        return UNKNOWN

    async def _next(self, seen: Row) -> Told:
        asked_at = self._clock()
        rows = self._core.read(_SINCE, (seen.seq, _MOST_READ + 1))
        if not rows or Row(*rows[0][:2]) != seen or len(rows) > _MOST_READ:
            return await self._begin()
        last, room = Row(*rows[-1][:2]), rows[-1][2] - rows[-1][0]
        if room <= 0:  # there may be more that was not written
            return await self._begin()
        self._seen = last
        if room < KEPT // 2:
            await self._core.awrite(_keep_writing)
        ids = {row[1] for row in rows[1:]}
        changed = tuple(each for each in ids if each is not None and each[:1] != _MARK)
        return Told(changed, None in ids, asked_at)


def _mark(conn: sqlite3.Connection) -> Row:
    """Begin to watch, behind a row of one's own."""
    _keep_writing(conn)
    text = _MARK + os.urandom(8).hex()
    conn.execute("INSERT INTO changes (id) VALUES (?)", (text,))
    newest: int = conn.execute(_STATE).fetchone()[0]
    return Row(newest, text)


def _keep_writing(conn: sqlite3.Connection) -> None:
    """Have rows written on, and cut off the old ones. What was not written is part of everything."""
    newest, until = conn.execute(_STATE).fetchone()
    if until - newest >= KEPT // 2:
        return
    if newest >= until:
        conn.execute("INSERT INTO changes (id) VALUES (NULL)")
    conn.execute("UPDATE meta SET value = ? WHERE key = 'changes_until'", (newest + KEPT,))
    conn.execute("DELETE FROM changes WHERE seq <= ?", (newest - KEPT,))


def _script() -> str:
    return Path(__file__).with_name("changes_1.sql").read_text(encoding="utf-8")
