"""One database as a process uses it, shared by both faces of a store.

Other components keep their tables in the same schema: they bring them up to date with `migrate` and
work with `execute` and `aexecute`.
"""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, TypeVar, cast

from holdfast.errors import NotDurable
from holdfast.hooks import weakly
from holdfast.stores.asked import checked_timeout
from holdfast.stores.postgres.connections import Connections
from holdfast.stores.postgres.dialling import Server
from holdfast.stores.postgres.errors import (
    UNIQUE_VIOLATION,
    ServerError,
    Unproved,
    store_error,
)
from holdfast.stores.postgres.executor import Executor, Statement
from holdfast.stores.postgres.given import GivenPool
from holdfast.stores.postgres.schema import SESSIONS, Schema
from holdfast.stores.postgres.values import Kind, Rows, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from psycopg.pq.abc import PGresult

    from holdfast.stores.postgres.calls import Call, Function
    from holdfast.stores.postgres.given import AnyPool
    from holdfast.stores.postgres.schema import Component
    from holdfast.stores.postgres.values import Plain

T = TypeVar("T")

_DURABLE = 4
_BEGIN_DURABLE = "BEGIN; SELECT @schema@.begin_durable_1('{wait}')"


class PostgresCore:
    """The database of a connection string or URL of libpq, or of a pool of psycopg that is given.

    Nothing is opened before the first call, which also makes the tables in `schema` where they are
    missing. `timeout` (seconds) bounds every call, with the wait for a connection; opening one
    takes at least 2. `size` is how many are open at most; writes that wait for disk or standby have
    4 more of their own, so that they do not hold up the others.

    Every call raises `StoreUnavailable` when the server cannot be used now, `StoreCorrupt` when it
    answers but never can be (wrong tables, missing rights), and works again as soon as the obstacle
    is away.
    """

    def __init__(
        self,
        place: str | AnyPool,
        *,
        schema: str = "holdfast",
        timeout: float = 5.0,
        size: int = 10,
    ) -> None:
        self.timeout = timeout = checked_timeout(timeout)
        self.schema = Schema(schema)
        self._wait = b"%d" % max(timeout * 1000, 1)
        begin = _BEGIN_DURABLE.format(wait=self._wait.decode())
        self._begin = self.schema.filled(begin).encode()
        self._texts: dict[Function, bytes] = {}
        self._losses: list[Callable[[], None]] = []
        self._node: str | None = None
        sources = _sources(place, timeout, size, weakly(self._lost))
        self._executor = Executor(self.schema, timeout, *sources)
        self._sources = sources
        self._pid = os.getpid()
        self._finish = weakref.finalize(self, _close, *sources)
        os.register_at_fork(after_in_child=weakly(self.after_fork))

    def run(self, call: Call[T]) -> T:
        """The answer of one function of the database."""
        try:
            return call.read(self._executor.execute(self._statement(call)))
        except Exception as error:  # noqa: BLE001 - what is no database's goes on as it is
            return _outcome(call, error)

    async def arun(self, call: Call[T]) -> T:
        """As `run`, for coroutines."""
        try:
            return call.read(await self._executor.aexecute(self._statement(call)))
        except Exception as error:  # noqa: BLE001 - as in `run`
            return _outcome(call, error)

    def execute(
        self, sql: str, values: Sequence[Plain] = (), *, durable: bool = False
    ) -> list[tuple[Plain, ...]]:
        """The rows of one statement of another component; `@schema@` is the schema.

        With `durable`, it is on disk before this returns.
        """
        try:
            return self._executor.execute(self._other(sql, values, durable=durable)).all()
        except Exception as error:
            raise store_error(error) or error from error

    async def aexecute(
        self, sql: str, values: Sequence[Plain] = (), *, durable: bool = False
    ) -> list[tuple[Plain, ...]]:
        """As `execute`, for coroutines."""
        statement = self._other(sql, values, durable=durable)
        try:
            return (await self._executor.aexecute(statement)).all()
        except Exception as error:
            raise store_error(error) or error from error

    def establish(self) -> None:
        """See to it that the tables are there; otherwise the first call does."""
        self.migrate(SESSIONS)

    def migrate(self, component: Component) -> int:
        """Run those scripts of another component that have not run here; how many did."""
        try:
            return self._executor.migrate(component)
        except Exception as error:
            raise store_error(error) or error from error

    def on_loss(self, lost: Callable[[], None]) -> None:
        """Call `lost` whenever a connection that had worked is gone, before another takes over."""
        self._losses.append(lost)

    def meet(self, node: str | None) -> None:
        """Note which server process has answered.

        Behind a pooler another one may take over while the connection to that stands: then this is
        what tells of the loss.
        """
        if node != self._node:
            known, self._node = self._node, node
            if known is not None:
                self._lost()

    def after_fork(self) -> None:
        """Begin anew in a child process; called by itself after `os.fork`."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            for source in self._sources:
                source.after_fork()

    def close(self) -> None:
        """Close the connections, but not a pool that was given; final. Also done at exit."""
        self._finish()

    def _statement(self, call: Call[T]) -> Statement:
        function = call.function
        sql = self._texts.get(function) or self._text(function)
        values, kinds = (self._wait, *call.values), (Kind.TEXT, *function.kinds)
        return Statement(sql, values, kinds, call.safe, call.durable)

    def _other(self, sql: str, values: Sequence[Plain], *, durable: bool) -> Statement:
        pairs = [plain(value) for value in values]
        return Statement(
            self.schema.filled(sql).encode(),
            [value for _, value in pairs],
            [kind for kind, _ in pairs],
            durable=durable,
            begin=self._begin if durable else b"",
        )

    def _text(self, function: Function) -> bytes:
        numbers = range(2, len(function.kinds) + 2)
        marks = ", ".join(f"${number}" for number in numbers)
        call = f"SELECT * FROM @schema@.{function.name}($1{marks and ', '}{marks})"  # noqa: S608 - constants
        if function.many:
            names = ", ".join(f"a{number}" for number in numbers)
            call = (
                f"SELECT @schema@.{function.name}($1, {names})"  # noqa: S608 - constants
                f" FROM unnest({marks}) WITH ORDINALITY AS t ({names}, n) ORDER BY n"
            )
        text = self._texts[function] = self.schema.filled(call).encode()
        return text

    def _lost(self) -> None:
        self._node = None  # whoever answers next is no second loss
        for lost in self._losses:
            lost()


def _sources(
    place: str | AnyPool, timeout: float, size: int, lost: Callable[[], None]
) -> tuple[Connections, Connections] | tuple[GivenPool, GivenPool]:
    """Connections for ordinary and for durable statements."""
    if not isinstance(place, str):
        pool = GivenPool(place, lost)
        return pool, pool
    server = Server(place, timeout)
    return Connections(server, size, lost), Connections(server, _DURABLE, lost)


def _outcome(call: Call[T], error: Exception) -> T:
    """What an error means: an answer, or the exception that the caller shall see."""
    taken = isinstance(error, ServerError) and error.sqlstate == UNIQUE_VIOLATION
    if taken and call.duplicate is not None:
        return call.duplicate
    if isinstance(error, Unproved):
        answer = call.read(Rows(cast("PGresult", error.result)))
        if call.conditional and not answer:
            return answer
        raise _unproved(error, answer)
    raise store_error(error) or error from error.__cause__ or error


def _unproved(error: Unproved, answer: object) -> NotDurable:
    """What was done without proof, by its answer: the sessions that went, or the epoch of all."""
    if isinstance(answer, tuple):
        return NotDurable(str(error), cast("tuple[str, ...]", answer))
    return NotDurable(str(error), epoch=answer if type(answer) is int else None)


def _close(*sources: Connections | GivenPool) -> None:
    for source in sources:
        source.close()
