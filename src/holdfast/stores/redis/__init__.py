"""Redis and Valkey: a single server, one that Sentinels watch over, or a Cluster.

Each verb is one script in one slot: record, list of the subject, cap, quota and epoch change and are
judged in a single step. Time is the server's own. See the page of this store for what survives which
failure.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from holdfast.errors import StoreUnavailable
from holdfast.faces import OverShaped, Together, blocking
from holdfast.hooks import weakly
from holdfast.stores import Opened
from holdfast.stores.redis import lists, records, upkeep
from holdfast.stores.redis.client import Client
from holdfast.stores.redis.core import Core
from holdfast.stores.redis.loops import LoopWires
from holdfast.stores.redis.remote import RedisRemote
from holdfast.stores.redis.target import target
from holdfast.stores.redis.threads import ThreadWires
from holdfast.stores.redis.together import TogetherWires

if TYPE_CHECKING:
    from types import CoroutineType

    from holdfast.protocols import Admitted, Cap, Page, Reading, Refused, Replacing, Take, Taken
    from holdfast.record import Record
    from holdfast.stores.redis.core import Wires


class AsyncRedisStore:
    """A store for coroutines over a core, which a blocking one may share.

    See `holdfast.protocols.AsyncStore` for what each verb owes.
    """

    def __init__(self, core: Core, wires: Wires | None = None) -> None:
        self.core = core
        self.client = Client(core, wires or LoopWires(core))
        os.register_at_fork(after_in_child=weakly(self._begin_anew))

    async def salt(self) -> bytes:
        return await upkeep.salt(self.client)

    def get(  # hands the coroutine on, which costs less than to await it
        self,
        id: str,
        *,
        now: int,  # noqa: ARG002 - the server has a clock
        take: Take | None = None,
    ) -> CoroutineType[Any, Any, Reading]:
        if take is None:
            return records.read(self.client, id)  # type: ignore[return-value]  # mypy's is wider
        return records.get(self.client, id, take)  # type: ignore[return-value]

    async def insert(
        self,
        record: Record,
        *,
        now: int,  # noqa: ARG002 - the server has a clock
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        salt = self.core.salt or await self.salt()
        answer = await records.insert(self.client, salt, record, cap, replacing)
        if self.core.salt is not salt:
            await self._require_listed(record, salt)
        return answer

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        salt = self.core.salt or await self.salt()
        done = await records.update(self.client, salt, record, expected, durable=durable)
        if self.core.salt is not salt:
            await self._require_listed(record, salt)
        return done

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        return await records.touch(self.client, id, seen_at, expires_at, address)

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        return await records.delete(self.client, id, expected, durable=durable)

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        limit = max(limit, 1)  # a page of nothing would never come to an end
        if subject is None:
            return await lists.page_of_all(self.client, after, limit)
        return await lists.page_of(self.client, await self.salt(), subject, after, limit)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        return await lists.delete_all(self.client, await self.salt(), subject, keep)

    async def purge(self, *, now: int, limit: int = 1000) -> int:  # noqa: ARG002 - the server has a clock
        return await upkeep.purge(self.client, limit)

    async def bump_epoch(self) -> int:
        return await upkeep.bump_epoch(self.client)

    async def raise_epoch(self, epoch: int) -> None:
        """Make the epoch at least `epoch`, durably; it is never lowered."""
        await upkeep.raise_epoch(self.client, epoch)

    async def adopt_salt(self, salt: bytes) -> bool:
        """Begin with this salt if there is none yet; whether it is the store's now."""
        return await upkeep.adopt_salt(self.client, salt)

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:  # noqa: ARG002 - the server has a clock
        return await records.take(self.client, key, limit, period)

    async def after_fork(self) -> None:
        self._begin_anew()

    async def close(self) -> None:
        await self.client.wires.close()

    async def _require_listed(self, record: Record, salt: bytes) -> None:
        """End a record that was written while a server came back with another salt: no list holds it."""
        if record.subject is None or await self.salt() == salt:
            return
        await records.delete(self.client, record.id, None, durable=False)
        raise StoreUnavailable("the Redis server has lost its data")

    def _begin_anew(self) -> None:
        self.core.after_fork()
        self.client.wires.after_fork()


class RedisStore(OverShaped):
    """The same store for threads: the same coroutines, which never suspend over its connections."""

    def __init__(self, core: Core, wires: Wires | None = None) -> None:
        self.core = core
        self.shaped = AsyncRedisStore(core, wires or ThreadWires(core))

    salt = blocking(AsyncRedisStore.salt)
    get = blocking(AsyncRedisStore.get)
    insert = blocking(AsyncRedisStore.insert)
    update = blocking(AsyncRedisStore.update)
    touch = blocking(AsyncRedisStore.touch)
    delete = blocking(AsyncRedisStore.delete)
    page = blocking(AsyncRedisStore.page)
    delete_all = blocking(AsyncRedisStore.delete_all)
    purge = blocking(AsyncRedisStore.purge)
    bump_epoch = blocking(AsyncRedisStore.bump_epoch)
    take = blocking(AsyncRedisStore.take)
    after_fork = blocking(AsyncRedisStore.after_fork)
    close = blocking(AsyncRedisStore.close)
    adopt_salt = blocking(AsyncRedisStore.adopt_salt)
    raise_epoch = blocking(AsyncRedisStore.raise_epoch)


def from_url(url: str, timeout: float) -> Opened:
    """The store that a URL names; for `holdfast.stores.open_both`.

    Raises:
        ConfigurationError: the URL is wrong, or a server that answers now would lose sessions.
    """
    core = Core(target(url), timeout)
    core.topology.check()
    threads = ThreadWires(core)
    together = TogetherWires(threads)
    return Opened(
        RedisStore(core, threads),
        AsyncRedisStore(core),
        RedisRemote(core),
        together=Together(AsyncRedisStore(core, together), together.run),
    )
