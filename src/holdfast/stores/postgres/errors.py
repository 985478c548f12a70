"""What PostgreSQL's errors mean to a caller: try again later, or call somebody.

The texts are ours: the server's own may quote values.
"""

from __future__ import annotations

import psycopg

from holdfast.errors import NotDurable, StoreCorrupt, StoreError, StoreUnavailable


class ServerError(Exception):
    """The server has refused a statement; `sqlstate` says why, in five characters."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{sqlstate} {message}")
        self.sqlstate = sqlstate


class Unreachable(Exception):
    """No connection can be opened to the database at `place`, as far as that is known."""

    def __init__(self, place: str = "") -> None:
        where = f" at {place}" if place else ""
        super().__init__(f"the session database{where} cannot be reached")


class Late(Exception):
    """Nothing came within the time limit; whether the statement was carried out is not known."""


class Lost(Exception):
    """The connection ended without an answer."""


class Unproved(Exception):
    """A durable write came to `result`, and the server says that it did not wait for its standby."""

    def __init__(self, result: object) -> None:
        super().__init__("done here, but the server did not wait for its standby")
        self.result = result


BROKEN = (Lost, psycopg.Error)
"""A connection that had worked is gone; whether the statement was carried out is not known."""

UNIQUE_VIOLATION = "23505"
# The tables or functions are not there (yet, or any more).
_MISSING = {"3F000", "42P01", "42883"}
_DENIED = "42501"
_ISOLATION = "25001"
_STANDBY = "25006"
_FATAL = {"57P01", "57P02", "57P03", "57P04", "57P05"}

# By SQLSTATE or its class: PostgreSQL's manual, appendix A.
_UNAVAILABLE = {
    "08": "the connection to the session database was lost",
    _STANDBY: "the session database is a read-only standby",
    "40": "the session database is busy with a conflicting change",
    "53": "the session database has no room: connections, memory or disk",
    "54": "the session database has a queue of changes that nobody reads any more",
    "55P03": "the session database is locked",
    "57": "the session database is starting, stopping or was told to stop this call",
    "58": "the disk with the session database does not work",
}
_CORRUPT = {
    "XX": "the session database is damaged; restore it from a backup",
    _DENIED: "this user may not use or make the session tables; see the rights that are needed",
    _ISOLATION: "the isolation level of this user is too strict: ALTER ROLE … SET"
    " default_transaction_isolation = 'read committed'",
}
_FOREIGN = "the session database does not have the right tables"


def store_error(error: Exception) -> StoreError | None:
    """The error to raise `from` this one; None if it is no database's."""
    if isinstance(error, ServerError):
        return _of_server(error.sqlstate)
    if isinstance(error, Unproved):
        return NotDurable(str(error))
    if isinstance(error, Late):
        return StoreUnavailable("the session database did not answer in time")
    if isinstance(error, Unreachable):
        return StoreUnavailable(str(error))
    if isinstance(error, BROKEN):
        return StoreUnavailable("the connection to the session database was lost")
    return None


def is_missing(error: Exception) -> bool:
    """Whether tables, functions or the whole schema are not there, so that nothing was done."""
    return isinstance(error, ServerError) and error.sqlstate in _MISSING


def is_broken(error: BaseException) -> bool:
    """Whether a connection that had worked is gone with this error."""
    if isinstance(error, ServerError):
        return error.sqlstate in _FATAL or error.sqlstate.startswith("08")
    return isinstance(error, BROKEN)


def is_usable(error: BaseException) -> bool:
    """Whether the connection is as good as before after this error.

    One that leads to a standby is not: where the same address leads to the primary by now, only a new
    one gets there.
    """
    usable = isinstance(error, ServerError | StoreError) and not is_broken(error)
    return usable and not _is_standby(error)


def is_loss(error: BaseException) -> bool:
    """Whether the server may be another, or have lost something, after this error.

    Who only went away, as `KeyboardInterrupt` does, has not lost it. A standby goes on to be read, and
    whatever answers in its place later says that it is another.
    """
    return isinstance(error, Exception) and not _is_standby(error)


def _is_standby(error: BaseException) -> bool:
    return isinstance(error, ServerError) and error.sqlstate == _STANDBY


def _of_server(sqlstate: str) -> StoreError:
    for kind, texts in ((StoreUnavailable, _UNAVAILABLE), (StoreCorrupt, _CORRUPT)):
        text = texts.get(sqlstate) or texts.get(sqlstate[:2])
        if text:
            return kind(text)
    return StoreCorrupt(_FOREIGN)
