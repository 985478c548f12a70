"""Carries out statements: takes a connection, asks, waits within the time limit, gives it back.

A statement that only reads is asked again when its connection turns out to be broken, once. A write
is not: nobody knows whether it was carried out, and the caller is told so.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from holdfast.stores.postgres import exchange
from holdfast.stores.postgres.errors import ServerError, is_broken, is_loss, is_missing, is_usable
from holdfast.stores.postgres.schema import SESSIONS
from holdfast.stores.postgres.values import Rows
from holdfast.stores.postgres.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.pq.abc import PGconn, PGresult

    from holdfast.stores.postgres.connections import Connections
    from holdfast.stores.postgres.exchange import Talk
    from holdfast.stores.postgres.given import GivenPool
    from holdfast.stores.postgres.schema import Component, Schema
    from holdfast.stores.postgres.values import Kind, Value

T = TypeVar("T")

_MIGRATION_S = 60.0
"""Seconds that a migration may take beyond the time limit of a call."""


class Statement(NamedTuple):
    """One statement with its parameters. `safe`: it only reads; `durable`: it must be proved.

    `begin` is a script before it, for a transaction of its own.
    """

    sql: bytes
    values: Sequence[Value]
    kinds: Sequence[Kind]
    safe: bool = False
    durable: bool = False
    begin: bytes = b""

    def ask(self, pgconn: PGconn) -> Talk[PGresult]:
        """The conversation that it is."""
        if self.begin:
            return self._ask_within(pgconn)
        return exchange.query(pgconn, self.sql, self.values, self.kinds)

    def _ask_within(self, pgconn: PGconn) -> Talk[PGresult]:
        try:
            yield from exchange.script(pgconn, self.begin)
            result = yield from exchange.query(pgconn, self.sql, self.values, self.kinds)
        except ServerError:
            yield from exchange.script(pgconn, b"ROLLBACK")
            raise
        yield from exchange.script(pgconn, b"COMMIT")
        return result


class Executor:
    """Statements on the tables of the sessions, which are made at the first one.

    Raises what `holdfast.stores.postgres.errors.store_error` knows.
    """

    def __init__(
        self,
        schema: Schema,
        timeout: float,
        ordinary: Connections | GivenPool,
        durable: Connections | GivenPool,
    ) -> None:
        self._schema = schema
        self._timeout = timeout
        self._ordinary = ordinary
        self._durable = durable
        self._ready = False

    def execute(self, statement: Statement) -> Rows:
        """The rows of a statement."""
        if not self._ready:
            self._establish()
        deadline = monotonic() + self._timeout
        try:
            return self._once(statement, deadline)
        except Exception as error:
            if is_missing(error):
                self._establish()
            elif not _may_repeat(statement, error, deadline):
                raise
        return self._once(statement, deadline)

    async def aexecute(self, statement: Statement) -> Rows:
        """As `execute`, for coroutines."""
        if not self._ready:
            await self._aestablish()
        deadline = monotonic() + self._timeout
        try:
            return await self._aonce(statement, deadline)
        except Exception as error:
            if is_missing(error):
                await self._aestablish()
            elif not _may_repeat(statement, error, deadline):
                raise
        return await self._aonce(statement, deadline)

    def converse(
        self,
        talk: Callable[[PGconn], Talk[T]],
        deadline: float,
        *,
        durable: bool = False,
        limit: float | None = None,
    ) -> T:
        """What a conversation comes to, over a connection that is there by `deadline`.

        It ends by `limit`, or by `deadline`. With `durable`, its commits were waited for.
        """
        source = self._durable if durable else self._ordinary
        connection = source.take(deadline)
        witness = Witness(connection) if durable else None
        try:
            result = exchange.wait(connection.pgconn, talk(connection.pgconn), limit or deadline)
        except BaseException as error:
            if is_usable(error):
                source.give(connection)
            else:
                source.drop(connection, lost=is_loss(error))
            raise
        finally:
            if witness:
                witness.leave()
        source.give(connection)
        if witness:
            witness.require_silence(result)
        return result

    async def aconverse(
        self,
        talk: Callable[[PGconn], Talk[T]],
        deadline: float,
        *,
        durable: bool = False,
        limit: float | None = None,
    ) -> T:
        """As `converse`, for coroutines."""
        source = self._durable if durable else self._ordinary
        connection = await source.take_async(deadline)
        witness = Witness(connection) if durable else None
        pgconn = connection.pgconn
        try:
            result = await exchange.wait_async(pgconn, talk(pgconn), limit or deadline)
        except BaseException as error:
            if is_usable(error):
                await source.give_async(connection)
            else:
                await source.drop_async(connection, lost=is_loss(error))
            raise
        finally:
            if witness:
                witness.leave()
        await source.give_async(connection)
        if witness:
            witness.require_silence(result)
        return result

    def migrate(self, component: Component) -> int:
        """Run those scripts of the component that have not run; how many did."""
        deadline = monotonic() + self._timeout
        talk = partial(self._schema.migrated, component)
        return self.converse(talk, deadline, limit=deadline + _MIGRATION_S)

    async def amigrate(self, component: Component) -> int:
        """As `migrate`, for coroutines."""
        deadline = monotonic() + self._timeout
        talk = partial(self._schema.migrated, component)
        return await self.aconverse(talk, deadline, limit=deadline + _MIGRATION_S)

    def _establish(self) -> None:
        self.migrate(SESSIONS)
        self._ready = True

    async def _aestablish(self) -> None:
        await self.amigrate(SESSIONS)
        self._ready = True

    def _once(self, statement: Statement, deadline: float) -> Rows:
        return Rows(self.converse(statement.ask, deadline, durable=statement.durable))

    async def _aonce(self, statement: Statement, deadline: float) -> Rows:
        return Rows(await self.aconverse(statement.ask, deadline, durable=statement.durable))


def _may_repeat(statement: Statement, error: Exception, deadline: float) -> bool:
    return statement.safe and is_broken(error) and monotonic() < deadline
