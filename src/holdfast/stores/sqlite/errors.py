"""What SQLite's errors mean to a caller: try again later, or call somebody.

The texts are ours: SQLite's own may quote SQL, and it stays available as the cause.
"""

from __future__ import annotations

import sqlite3

from holdfast.errors import StoreCorrupt, StoreError, StoreUnavailable

FAILURES = (sqlite3.Error, MemoryError)
"""What SQLite's module raises: for a lack of memory no error of its own."""


class Overtaken(sqlite3.OperationalError):
    """Another process has changed what was read, before the change that goes with it; as a lock in the way."""

    sqlite_errorcode = sqlite3.SQLITE_BUSY


_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "the session database is locked by another process",
    sqlite3.SQLITE_LOCKED: "the session database is locked by another process",
    sqlite3.SQLITE_FULL: "the disk with the session database is full",
    sqlite3.SQLITE_READONLY: "the session database is read-only",
    sqlite3.SQLITE_CANTOPEN: "the session database cannot be opened",
    sqlite3.SQLITE_PERM: "the session database may not be opened",
    sqlite3.SQLITE_IOERR: "the disk with the session database does not work",
    sqlite3.SQLITE_NOMEM: "there is no memory left for the session database",
    sqlite3.SQLITE_INTERRUPT: "the session database was interrupted",
    sqlite3.SQLITE_PROTOCOL: "the session database is locked by another process",
}
_CORRUPT = {
    sqlite3.SQLITE_CORRUPT: "the session database is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is not a session database: it is not of SQLite at all",
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
# After these a connection is as good as before; after any other it is opened anew.
_HARMLESS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
}


def store_error(error: sqlite3.Error | MemoryError) -> StoreError:
    """The error to raise `from` this one."""
    code = _primary(error)
    if code in _UNAVAILABLE:
        return StoreUnavailable(_UNAVAILABLE[code])
    return StoreCorrupt(_CORRUPT.get(code, "the session database does not have the right tables"))


def is_busy(error: sqlite3.Error | MemoryError) -> bool:
    """Whether another connection holds the lock that was asked for."""
    return _primary(error) in _BUSY


def spoils(error: BaseException) -> bool:
    """Whether the connection must not be used again after this error."""
    return isinstance(error, FAILURES) and _primary(error) not in _HARMLESS


def _primary(error: sqlite3.Error | MemoryError) -> int:
    if isinstance(error, MemoryError):
        return sqlite3.SQLITE_NOMEM
    # Errors that the Python module raises itself carry no code.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & 0xFF
