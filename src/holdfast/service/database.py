"""Where the service keeps its own tables, in the words that SQLite and PostgreSQL share.

Statements are single, so that each is one atomic step in either; `?` stands for a value, and the
name of a table has `@schema@.` before it. Values are texts, numbers, bytes and None; a truth value is
a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from holdfast.stores.postgres.core import PostgresCore
    from holdfast.stores.sqlite.core import SqliteCore

Value = str | int | bytes | None
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """Some tables with a common history: for each engine the scripts that make them, in order."""

    name: str
    sqlite: tuple[str, ...]
    postgres: tuple[str, ...]


class Database(Protocol):
    """Runs statements. Each raises `StoreError` when the database cannot be used."""

    def migrate(self, tables: Tables) -> None:
        """Run those scripts that have not run here."""
        ...

    def read(self, sql: str, *values: Value) -> list[Row]:
        """The rows of a query."""
        ...

    def write(self, sql: str, *values: Value) -> list[Row]:
        """Change something; the rows of RETURNING. It is on disk before it returns."""
        ...

    async def aread(self, sql: str, *values: Value) -> list[Row]:
        """As `read`, for coroutines."""
        ...

    async def awrite(self, sql: str, *values: Value) -> list[Row]:
        """Change what may be lost with the machine; the rows of RETURNING."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class SqliteDatabase:
    """The tables in a SQLite file. Queries are answered at once, also under an event loop."""

    def __init__(self, core: SqliteCore) -> None:
        self._core = core

    def migrate(self, tables: Tables) -> None:
        """See `Database`, as for all methods here."""
        self._core.migrate(tables.name, tables.sqlite)

    def read(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return self._core.read(_plain(sql), values)

    def write(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return self._core.write(
            lambda conn: conn.execute(_plain(sql), values).fetchall(), durable=True
        )

    async def aread(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return self._core.read(_plain(sql), values)

    async def awrite(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return await self._core.awrite(lambda conn: conn.execute(_plain(sql), values).fetchall())

    def close(self) -> None:
        """See `Database`."""
        self._core.close()


class PostgresDatabase:
    """The tables in the schema of the sessions, for all machines of the service."""

    def __init__(self, core: PostgresCore) -> None:
        self._core = core

    def migrate(self, tables: Tables) -> None:
        """See `Database`, as for all methods here."""
        from holdfast.stores.postgres.schema import Component

        self._core.migrate(Component(tables.name, tables.postgres))

    def read(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return self._core.execute(_numbered(sql), values)

    def write(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return self._core.execute(_numbered(sql), values, durable=True)

    async def aread(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return await self._core.aexecute(_numbered(sql), values)

    async def awrite(self, sql: str, *values: Value) -> list[Row]:
        """See `Database`."""
        return await self._core.aexecute(_numbered(sql), values)

    def close(self) -> None:
        """See `Database`."""
        self._core.close()


def _plain(sql: str) -> str:
    return sql.replace("@schema@.", "")


def _numbered(sql: str) -> str:
    """With PostgreSQL's marks for values, `$1` and so on."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
