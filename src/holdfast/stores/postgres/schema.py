"""The schema that the tables are in, and its forward migrations.

Each component (the sessions, the users of the service) has a name and a list of SQL scripts. The
table `components` notes how many of them have run. The others run in one transaction under a lock,
so that of several processes starting at once one does the work and the rest find it done.

`oldest` is the smallest number of scripts that a release must know to work on the tables: as long
as functions and columns are only added, the previous release goes on beside the new one.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import ConfigurationError, StoreCorrupt
from holdfast.stores.postgres.errors import ServerError, is_missing
from holdfast.stores.postgres.exchange import Talk, query, script
from holdfast.stores.postgres.values import Kind, Rows, int8

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

_SESSIONS = ("sessions_1.sql",)
_LOCK = 0x48464453


class Component(NamedTuple):
    """Some tables with a common history. `oldest`: see the module."""

    name: str
    scripts: tuple[str, ...]
    oldest: int = 1


class Schema:
    """A schema of this name in the database of a connection."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,47}", name) or name.startswith("pg_"):
            raise ConfigurationError(
                "store: schema must be up to 48 small letters, digits and underscores; for example"
                " schema=holdfast"
            )
        self.name = name

    def filled(self, text: str) -> str:
        """A script, with the name of the schema."""
        return text.replace("@schema@", f'"{self.name}"').replace("@channel@", self.name)

    def migrated(self, component: Component, pgconn: PGconn) -> Talk[int]:
        """As `migrate`, but takes the lock only where there is something to do."""
        if (yield from self.is_current(pgconn, component)):
            return 0
        return (yield from self.migrate(pgconn, component))

    def is_current(self, pgconn: PGconn, component: Component) -> Talk[bool]:
        """Whether there is nothing to do; a look without a lock.

        Raises:
            StoreCorrupt: a release made the tables with which this one cannot work.
        """
        try:
            done = yield from self._done(pgconn, component)
        except ServerError as error:
            if is_missing(error):
                return False
            raise
        return done >= len(component.scripts)

    def migrate(self, pgconn: PGconn, component: Component) -> Talk[int]:
        """Run those scripts of the component that have not run; how many did.

        Raises:
            StoreCorrupt: as `is_current`.
        """
        yield from script(pgconn, b"BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            lock = f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext('{self.name}'))"
            yield from script(pgconn, lock.encode())
            yield from self._establish(pgconn)
            scripts = component.scripts[(yield from self._done(pgconn, component)) :]
            for each in scripts:
                yield from script(pgconn, self.filled(each).encode())
            if scripts:
                yield from self._note(pgconn, component)
        except (ServerError, StoreCorrupt):
            yield from script(pgconn, b"ROLLBACK")
            raise
        yield from script(pgconn, b"COMMIT")
        return len(scripts)

    def _establish(self, pgconn: PGconn) -> Talk[None]:
        """Make the schema itself where it is missing, which takes the right to do so."""
        if not (yield from self._there(pgconn, "to_regnamespace('\"@channel@\"')")):
            yield from script(pgconn, self.filled("CREATE SCHEMA @schema@").encode())
        if not (yield from self._there(pgconn, "to_regclass('\"@channel@\".components')")):
            yield from script(pgconn, self.filled(_COMPONENTS).encode())

    def _there(self, pgconn: PGconn, what: str) -> Talk[bool]:
        found = yield from self._ask(pgconn, f"SELECT {what} IS NOT NULL")
        return found.flag(0, 0)

    def _done(self, pgconn: PGconn, component: Component) -> Talk[int]:
        name = (Kind.TEXT, component.name.encode())
        found = yield from self._ask(pgconn, _DONE, name)
        if not found.count:
            return 0
        done, oldest, known = found.number(0, 0), found.number(0, 1), len(component.scripts)
        if oldest > known:
            raise StoreCorrupt(
                f"the tables of {component.name!r} have schema {done} and need a release that knows"
                f" {oldest}; this one knows {known}: upgrade holdfast"
            )
        return done

    def _note(self, pgconn: PGconn, component: Component) -> Talk[None]:
        if component.name == "sessions":
            yield from self._ask(pgconn, _SALT, (Kind.BYTES, os.urandom(32)))
        yield from self._ask(
            pgconn,
            _NOTE,
            (Kind.TEXT, component.name.encode()),
            (Kind.INT, int8(len(component.scripts))),
            (Kind.INT, int8(component.oldest)),
        )

    def _ask(self, pgconn: PGconn, sql: str, *values: tuple[Kind, bytes]) -> Talk[Rows]:
        kinds = [kind for kind, _ in values]
        raw = [value for _, value in values]
        return Rows((yield from query(pgconn, self.filled(sql).encode(), raw, kinds)))


def _text(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


SESSIONS = Component("sessions", tuple(_text(each) for each in _SESSIONS))

_COMPONENTS = """
    CREATE TABLE @schema@.components (
        name text PRIMARY KEY,
        done bigint NOT NULL,
        oldest bigint NOT NULL
    )
"""
_DONE = "SELECT done, oldest FROM @schema@.components WHERE name = $1"
_SALT = "INSERT INTO @schema@.state (salt) VALUES ($1) ON CONFLICT DO NOTHING"
_NOTE = """
    INSERT INTO @schema@.components (name, done, oldest) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET done = excluded.done, oldest = excluded.oldest
"""
