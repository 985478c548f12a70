"""Pools of psycopg that an application has made: they lend connections and are not closed here."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from holdfast.errors import UsageError
from holdfast.stores.postgres.errors import Late, Unreachable
from holdfast.stores.postgres.exchange import is_quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from holdfast.stores.postgres.connections import Connection

AnyPool = ConnectionPool[Any] | AsyncConnectionPool[Any]


class GivenPool:
    """Lends for threads from a `ConnectionPool`, for coroutines from an `AsyncConnectionPool`."""

    def __init__(self, pool: AnyPool, lost: Callable[[], None]) -> None:
        self._pool: Any = pool
        self._lost = lost

    def take(self, deadline: float) -> Connection:
        """A working connection of one's own, to be given back or dropped."""
        if isinstance(self._pool, AsyncConnectionPool):
            raise UsageError("an AsyncConnectionPool serves AsyncPostgresStore only")
        while True:
            with _wrapped():
                connection: Connection = self._pool.getconn(timeout=_left(deadline))
            if is_quiet(connection.pgconn):
                return connection
            self.drop(connection, lost=True)

    async def take_async(self, deadline: float) -> Connection:
        """As `take`, for coroutines."""
        if isinstance(self._pool, ConnectionPool):
            raise UsageError("a ConnectionPool serves PostgresStore only")
        while True:
            with _wrapped():
                connection: Connection = await self._pool.getconn(timeout=_left(deadline))
            if is_quiet(connection.pgconn):
                return connection
            await self.drop_async(connection, lost=True)

    def give(self, connection: Connection) -> None:
        """Take a connection back."""
        self._pool.putconn(connection)

    async def give_async(self, connection: Connection) -> None:
        """As `give`, for coroutines. Who is cancelled meanwhile leaves no connection behind."""
        await asyncio.shield(self._pool.putconn(connection))

    def drop(self, connection: Connection, *, lost: bool) -> None:
        """Take back a connection that must not be used again; the pool replaces it.

        `lost`: that is the server's doing.
        """
        connection.pgconn.finish()
        if lost:
            self._lost()
        self._pool.putconn(connection)

    async def drop_async(self, connection: Connection, *, lost: bool) -> None:
        """As `drop`, for coroutines."""
        connection.pgconn.finish()
        if lost:
            self._lost()
        await self.give_async(connection)

    def after_fork(self) -> None:
        """Do nothing: whoever made the pool makes another in the child."""

    def close(self) -> None:
        """Do nothing: whoever made the pool closes it."""


@contextmanager
def _wrapped() -> Generator[None]:
    try:
        yield
    except PoolTimeout as error:
        raise Late from error
    except psycopg.Error as error:
        raise Unreachable from error


def _left(deadline: float) -> float:
    return max(deadline - monotonic(), 0)
