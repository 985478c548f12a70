"""Reading connections, one for each read that is under way at the same time.

They are kept in a stack: taking one and putting it back are single steps that need no lock, a read
has its connection to itself, and there are never more of them than simultaneous readers, however
many threads come and go. What a read was taken from it goes back to, so that nothing that was given
up comes back into use.
"""

from __future__ import annotations

import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.errors import UsageError
from holdfast.stores.sqlite.errors import FAILURES, store_error

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

T = TypeVar("T")

_PATIENCE = 1.0


class Readers:
    """Runs queries in the calling thread. `connect` opens one more connection."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._closed = False
        self._free: list[sqlite3.Cursor]
        self._reset()

    def one(self, sql: str, params: Sequence[Any]) -> Any:
        """The first row as a tuple, or None.

        Raises:
            StoreError: SQLite cannot answer.
        """
        return self._run(lambda cursor: cursor.execute(sql, params).fetchone())

    def every(self, sql: str, params: Sequence[Any]) -> list[Any]:
        """All rows, as tuples. Raises as `one`."""
        return self._run(lambda cursor: cursor.execute(sql, params).fetchall())

    def _run(self, query: Callable[[sqlite3.Cursor], T]) -> T:
        free = self._free
        try:
            cursor = free.pop()
        except IndexError:
            cursor, free = self._open()
        try:
            found = query(cursor)
        except BaseException as error:
            self._fail(cursor, error)
            raise
        free.append(cursor)
        if free is not self._free:
            self._empty(free)
        return found

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
        """Give up all connections, those of running reads with their read; the next opens a new one."""
        with self._gate:
            given_up, self._free = self._free, []
        self._empty(given_up)

    def close(self) -> None:
        """Close all connections; final."""
        self._closed = True
        self.hold()
        self._free = []
        self.release()

    def after_fork(self) -> list[Any]:
        """Begin anew in a child; the parent's connections, which must never be closed here."""
        inherited = list(self._all)
        self._reset()
        return inherited

    def _reset(self) -> None:
        self._gate = Lock()
        self._free = []
        self._all: set[sqlite3.Cursor] = set()

    def _open(self) -> tuple[sqlite3.Cursor, list[sqlite3.Cursor]]:
        """One more connection, and where it belongs."""
        with self._gate:
            if self._closed:
                raise UsageError("the session store is closed")
            try:
                cursor = self._connect().cursor()
            except FAILURES as error:
                raise store_error(error) from error
            self._all.add(cursor)
            return cursor, self._free

    def _fail(self, cursor: sqlite3.Cursor, error: BaseException) -> None:
        """Close the connection of a read that failed; whatever it was, the next gets a new one."""
        with self._gate:
            self._shut(cursor)
        if isinstance(error, FAILURES):
            raise store_error(error) from error

    def _empty(self, given_up: list[sqlite3.Cursor]) -> None:
        with suppress(IndexError):  # whoever else empties it may be faster
            while True:
                self._shut(given_up.pop())

    def _shut(self, cursor: sqlite3.Cursor) -> None:
        connection = cursor.connection
        cursor.close()  # an error that is kept would keep its statement, and that the file open
        connection.close()
        self._all.discard(cursor)
