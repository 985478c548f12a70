"""Reading connections, one for each read that is under way at the same time.

They are kept in a stack: taking one and putting it back are single steps that need no lock, a read
has its connection to itself, and there are never more of them than simultaneous readers, however
many threads come and go.
"""

from __future__ import annotations

import sqlite3
import time
from threading import Lock
from typing import TYPE_CHECKING, Any

from holdfast.errors import UsageError
from holdfast.stores.sqlite.errors import store_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PATIENCE = 1.0


class Readers:
    """Runs queries in the calling thread. `connect` opens one more connection."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._closed = False
        self._reset()

    def one(self, sql: str, params: Sequence[Any]) -> Any:
        """The first row as a tuple, or None.

        Raises:
            StoreError: SQLite cannot answer.
        """
        try:
            cursor = self._free.pop()
        except IndexError:
            cursor = self._open()
        try:
            row = cursor.execute(sql, params).fetchone()
        except BaseException as error:
            self._fail(cursor, error)
            raise
        self._free.append(cursor)
        return row

    def every(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """All rows, as tuples. Raises as `one`."""
        try:
            cursor = self._free.pop()
        except IndexError:
            cursor = self._open()
        try:
            rows = cursor.execute(sql, params).fetchall()
        except BaseException as error:
            self._fail(cursor, error)
            raise
        self._free.append(cursor)
        return rows

    def hold(self) -> None:
        """Close all connections and let nobody open one until `release`; waits for running reads.

        A read that takes longer than a second keeps its connection.
        """
        self._gate.acquire()
        deadline = time.monotonic() + _PATIENCE
        while self._all and time.monotonic() < deadline:
            try:
                self._shut(self._free.pop())
            except IndexError:
                time.sleep(0.0005)

    def release(self) -> None:
        """Let connections be opened again."""
        self._gate.release()

    def reset(self) -> None:
        """Close all connections; the next read opens a new one."""
        self.hold()
        self.release()

    def close(self) -> None:
        """Close all connections; final."""
        self._closed = True
        self.reset()

    def after_fork(self) -> list[Any]:
        """Begin anew in a child; the parent's connections, which must never be closed here."""
        inherited = list(self._all)
        self._reset()
        return inherited

    def _reset(self) -> None:
        self._gate = Lock()
        self._free: list[sqlite3.Cursor] = []
        self._all: set[sqlite3.Cursor] = set()

    def _open(self) -> sqlite3.Cursor:
        if self._closed:
            raise UsageError("the session store is closed")
        with self._gate:
            try:
                cursor = self._connect().cursor()
            except sqlite3.Error as error:
                raise store_error(error) from error
            self._all.add(cursor)
            return cursor

    def _fail(self, cursor: sqlite3.Cursor, error: BaseException) -> None:
        """Close the connection of a read that failed; whatever it was, the next gets a new one."""
        with self._gate:
            self._shut(cursor)
        if isinstance(error, sqlite3.Error):
            raise store_error(error) from error

    def _shut(self, cursor: sqlite3.Cursor) -> None:
        self._all.discard(cursor)
        cursor.connection.close()
