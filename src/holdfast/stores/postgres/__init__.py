"""The store for many machines that have PostgreSQL: each verb is one round trip.

Both stores are the same calls over one core, whose connections threads and coroutines share. What
counts (caps, quotas) is counted in a function of the database, with the lock held.

Durability: a write that ends something is on the server's disk, and on its synchronous standbys if
there are any, before it is acknowledged. Other writes are as durable as the server's settings say;
activity and quotas may lose the last moments when the server crashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from holdfast.faces import Together
from holdfast.stores import Opened
from holdfast.stores.postgres import verbs
from holdfast.stores.postgres.address import parse
from holdfast.stores.postgres.core import PostgresCore
from holdfast.stores.postgres.remote import PostgresRemote
from holdfast.stores.postgres.together import TogetherCalls

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    from holdfast.protocols import (
        Admitted,
        Cap,
        Page,
        Reading,
        Refused,
        Replacing,
        Take,
        Taken,
    )
    from holdfast.record import Record

_BATCH = 1000
"""Records in one transaction of `purge`, so that it holds its locks for milliseconds."""


class PostgresStore:
    """A blocking store over a server's URL, a `ConnectionPool`, or a core that others use too.

    See `holdfast.protocols.Store` for what each verb owes, and `PostgresCore` for the options and
    the errors. The server's clock decides what has expired and what a quota has left, not `now`. A
    core or a pool that was given is not closed; a core is with `owns`.
    """

    def __init__(
        self,
        place: str | ConnectionPool | PostgresCore,
        *,
        schema: str = "holdfast",
        timeout: float = 5.0,
        size: int = 10,
        owns: bool = False,
    ) -> None:
        self._owns = owns or not isinstance(place, PostgresCore)
        self.core = _core(place, schema, timeout, size)
        self._salt: bytes | None = None

    def salt(self) -> bytes:
        if self._salt is None:
            self._salt = self.core.run(verbs.salt())
        return self._salt

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:  # noqa: ARG002
        reading = self.core.run(verbs.get(id, take))
        self.core.meet(reading.node)
        if take and reading.corrupt and reading.taken:
            self.core.run(verbs.refund(take))
            return replace(reading, taken=None)
        return reading

    def insert(
        self,
        record: Record,
        *,
        now: int,  # noqa: ARG002 - the server's clock counts
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        return self.core.run(verbs.insert(record, cap, replacing))

    def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        return self.core.run(verbs.update(record, expected, durable=durable))

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        return self.core.run(verbs.touch(id, seen_at, expires_at, address))

    def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        return self.core.run(verbs.delete(id, expected, durable=durable))

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        return self.core.run(verbs.page(subject, after, limit))

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        return self.core.run(verbs.delete_all(subject, keep))

    def purge(self, *, now: int, limit: int = 1000) -> int:  # noqa: ARG002 - the server's clock counts
        went, more = 0, limit > 0
        while more:
            some, more = self.core.run(verbs.purge(min(_BATCH, limit - went)))
            went += some
            more = more and went < limit
        return went

    def bump_epoch(self) -> int:
        return self.core.run(verbs.bump_epoch())

    def raise_epoch(self, epoch: int) -> None:
        """Make the epoch at least `epoch`, durably; it is never lowered."""
        self.core.run(verbs.raise_epoch(epoch))

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:  # noqa: ARG002 - as purge
        return self.core.run(verbs.take(key, limit, period))

    def after_fork(self) -> None:
        self.core.after_fork()

    def close(self) -> None:
        if self._owns:
            self.core.close()


class AsyncPostgresStore:
    """The same store for coroutines; a pool that is given is an `AsyncConnectionPool`.

    With `together` it serves the coroutines that this drives.
    """

    def __init__(
        self,
        place: str | AsyncConnectionPool | PostgresCore,
        *,
        schema: str = "holdfast",
        timeout: float = 5.0,
        size: int = 10,
        owns: bool = False,
        together: TogetherCalls | None = None,
    ) -> None:
        self._owns = owns or not isinstance(place, PostgresCore)
        self.core = _core(place, schema, timeout, size)
        self._run = self.core.arun if together is None else together.arun
        self._salt: bytes | None = None

    async def salt(self) -> bytes:
        if self._salt is None:
            self._salt = await self._run(verbs.salt())
        return self._salt

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:  # noqa: ARG002
        reading = await self._run(verbs.get(id, take))
        self.core.meet(reading.node)
        if take and reading.corrupt and reading.taken:
            await self._run(verbs.refund(take))
            return replace(reading, taken=None)
        return reading

    async def insert(
        self,
        record: Record,
        *,
        now: int,  # noqa: ARG002 - the server's clock counts
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        return await self._run(verbs.insert(record, cap, replacing))

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        return await self._run(verbs.update(record, expected, durable=durable))

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        return await self._run(verbs.touch(id, seen_at, expires_at, address))

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        return await self._run(verbs.delete(id, expected, durable=durable))

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        return await self._run(verbs.page(subject, after, limit))

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        return await self._run(verbs.delete_all(subject, keep))

    async def purge(self, *, now: int, limit: int = 1000) -> int:  # noqa: ARG002 - the server's clock counts
        went, more = 0, limit > 0
        while more:
            some, more = await self._run(verbs.purge(min(_BATCH, limit - went)))
            went += some
            more = more and went < limit
        return went

    async def bump_epoch(self) -> int:
        return await self._run(verbs.bump_epoch())

    async def raise_epoch(self, epoch: int) -> None:
        """Make the epoch at least `epoch`, durably; it is never lowered."""
        await self._run(verbs.raise_epoch(epoch))

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:  # noqa: ARG002 - as purge
        return await self._run(verbs.take(key, limit, period))

    async def after_fork(self) -> None:
        self.core.after_fork()

    async def close(self) -> None:
        if self._owns:
            self.core.close()


def from_url(url: str, timeout: float) -> Opened:
    """The store of a `postgresql:` URL; for `holdfast.stores.open_both`."""
    where = parse(url)
    core = PostgresCore(where.server, schema=where.schema, timeout=timeout, size=where.size)
    remote = PostgresRemote(core, where.listen_url or where.server)
    calls = TogetherCalls(core)
    together = Together(AsyncPostgresStore(core, together=calls), calls.run)
    return Opened(
        PostgresStore(core, owns=True),
        AsyncPostgresStore(core, owns=True),
        remote,
        together=together,
    )


def _core(
    place: str | ConnectionPool | AsyncConnectionPool | PostgresCore,
    schema: str,
    timeout: float,
    size: int,
) -> PostgresCore:
    if isinstance(place, PostgresCore):
        return place
    return PostgresCore(place, schema=schema, timeout=timeout, size=size)
