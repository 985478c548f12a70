"""Whose file it is, and the forward migrations of its tables.

Each component of a database (the sessions, later the users of the service) has a name and a list of
SQL scripts. The table `migrations` notes how many of them have run; the others run in the caller's
transaction, so that of several processes starting at once one does the work and the rest find it
done.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from holdfast.errors import StoreCorrupt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

APPLICATION_ID = 0x48464453  # "HFDS"; tells this file from other programs' databases

_SESSIONS = ("sessions_1.sql",)


def ownership(conn: sqlite3.Connection) -> Literal["ours", "empty"]:
    """Whose database this is.

    Raises:
        StoreCorrupt: another application's.
    """
    # In this order: another process that makes the tables now sets the id in the same transaction.
    occupied = conn.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if conn.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        return "ours"
    if occupied:
        raise StoreCorrupt("the file is a database of another application")
    return "empty"


def is_current(conn: sqlite3.Connection) -> bool:
    """Whether the session tables are as this release makes them; a cheap look without a lock.

    Raises:
        StoreCorrupt: a newer release made them.
    """
    return ownership(conn) == "ours" and _done(conn, "sessions", len(_SESSIONS)) == len(_SESSIONS)


def establish(conn: sqlite3.Connection) -> None:
    """Make or migrate the session tables, inside the caller's transaction."""
    if ownership(conn) == "empty":
        conn.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        conn.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY NOT NULL, done INTEGER)")
    migrate(conn, "sessions", [_text(each) for each in _SESSIONS])
    conn.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('salt', ?)", (os.urandom(32),))


def migrate(conn: sqlite3.Connection, name: str, scripts: Sequence[str]) -> int:
    """Run those scripts of the component `name` that have not run; how many did.

    Raises:
        StoreCorrupt: more scripts have run than this release knows.
    """
    done = _done(conn, name, len(scripts))
    for script in scripts[done:]:
        for statement in _statements(script):
            conn.execute(statement)
    conn.execute(
        "INSERT OR REPLACE INTO migrations (name, done) VALUES (?, ?)", (name, len(scripts))
    )
    return len(scripts) - done


def _done(conn: sqlite3.Connection, name: str, known: int) -> int:
    row = conn.execute("SELECT done FROM migrations WHERE name = ?", (name,)).fetchone()
    done: int = row[0] if row else 0
    if done > known:
        raise StoreCorrupt(
            f"the tables of {name!r} have schema {done}, newer than {known}, which this release"
            " knows; upgrade holdfast"
        )
    return done


def _statements(script: str) -> Iterator[str]:
    """The single statements of a script; `executescript` would commit the transaction."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement:
        yield statement  # an open quote: let SQLite name the mistake


def _text(name: str) -> str:
    return (Path(__file__).with_name(name)).read_text(encoding="utf-8")
