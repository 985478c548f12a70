"""The default store: one SQLite file, for one machine and several processes, no server to install.

Both stores are the same verbs over one core. Reads happen at once in the calling thread, also under
an event loop: they take microseconds, and handing them to a thread costs ten times as much. So do
small writes while nothing can hold them up; the others go through the writer thread, in groups.
What was read within ten seconds and is unchanged is not read again.

Durability: what is acknowledged survives the end of the process at any moment; durable writes, and
everything before them, survive a power cut.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from holdfast.errors import ConfigurationError
from holdfast.protocols import Take
from holdfast.stores import Opened
from holdfast.stores.sqlite import sql, verbs
from holdfast.stores.sqlite.changes import SqliteChanges
from holdfast.stores.sqlite.core import SqliteCore

if TYPE_CHECKING:
    from os import PathLike

    from holdfast.protocols import (
        Admitted,
        Cap,
        Page,
        Reading,
        Refused,
        Replacing,
        Taken,
    )
    from holdfast.record import Record

_BATCH = 100
"""Records in one transaction of `purge`, so that other writers wait for a few ms at most."""


class SqliteStore:
    """A blocking store over the file at `path`, or over a core that others use too.

    See `holdfast.protocols.Store` for what each verb owes, and `SqliteCore` for `timeout` (seconds)
    and the errors. A core that was given is closed only with `owns`.
    """

    def __init__(
        self, path: str | PathLike[str] | SqliteCore, *, timeout: float = 5.0, owns: bool = False
    ) -> None:
        self._owns = owns or not isinstance(path, SqliteCore)
        self.core = path if isinstance(path, SqliteCore) else SqliteCore(path, timeout=timeout)
        self._read = partial(_reading, self.core)

    def salt(self) -> bytes:
        return _salt(self.core)

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        if take is None:
            return self.core.hot(now).get(id, self._read)
        op = verbs.get_and_take(id, take, now)
        found = self.core.attempt_all(op, wait=True)
        if found is not None:
            return found
        reading = self.core.hot(now).get(id, self._read)
        return self.core.write(op) if verbs.may_spend(reading.record, take) else reading

    def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        return self.core.write(verbs.insert(record, now, cap, replacing))

    def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        values = verbs.replacement(record, expected)
        if not durable and self.core.attempt(sql.UPDATE_IN_PLACE, values, wait=True):
            return True
        return self.core.write(verbs.update(values), durable=durable)

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        return self.core.write(verbs.touch(id, seen_at, expires_at, address))

    def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        return self.core.write(verbs.delete(id, expected), durable=durable)

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        return _page(self.core, subject, after, limit)

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        return self.core.write(verbs.delete_all(subject, keep), durable=True)

    def purge(self, *, now: int, limit: int = 1000) -> int:
        went = 0
        while went < limit:
            batch = min(_BATCH, limit - went)
            some = self.core.write(verbs.purge(now, batch))
            went += some
            if some < batch:
                break
        return went

    def bump_epoch(self) -> int:
        return self.core.write(verbs.bump_epoch, durable=True)

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        op = verbs.take(Take(key, limit, period), now)
        taken = self.core.attempt_all(op, wait=True)
        return self.core.write(op) if taken is None else taken

    def after_fork(self) -> None:
        self.core.after_fork()

    def close(self) -> None:
        if self._owns:
            self.core.close()


class AsyncSqliteStore:
    """The same store for coroutines."""

    def __init__(
        self, path: str | PathLike[str] | SqliteCore, *, timeout: float = 5.0, owns: bool = False
    ) -> None:
        self._owns = owns or not isinstance(path, SqliteCore)
        self.core = path if isinstance(path, SqliteCore) else SqliteCore(path, timeout=timeout)
        self._read = partial(_reading, self.core)

    async def salt(self) -> bytes:
        return _salt(self.core)

    def get_at_once(self, id: str, *, now: int, take: Take | None = None) -> Reading | None:
        if take is None:
            return self.core.hot(now).get(id, self._read)
        op = verbs.get_and_take(id, take, now)
        return self.core.attempt_all(op, wait=False)

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        if take is None:
            return self.core.hot(now).get(id, self._read)
        op = verbs.get_and_take(id, take, now)
        found = self.core.attempt_all(op, wait=False)
        if found is not None:
            return found
        reading = self.core.hot(now).get(id, self._read)
        return await self.core.awrite(op) if verbs.may_spend(reading.record, take) else reading

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        return await self.core.awrite(verbs.insert(record, now, cap, replacing))

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        values = verbs.replacement(record, expected)
        if not durable and self.core.attempt(sql.UPDATE_IN_PLACE, values, wait=False):
            return True
        return await self.core.awrite(verbs.update(values), durable=durable)

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool:
        return await self.core.awrite(verbs.touch(id, seen_at, expires_at, address))

    async def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        return await self.core.awrite(verbs.delete(id, expected), durable=durable)

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        return _page(self.core, subject, after, limit)

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        return await self.core.awrite(verbs.delete_all(subject, keep), durable=True)

    async def purge(self, *, now: int, limit: int = 1000) -> int:
        went = 0
        while went < limit:
            batch = min(_BATCH, limit - went)
            some = await self.core.awrite(verbs.purge(now, batch))
            went += some
            if some < batch:
                break
        return went

    async def bump_epoch(self) -> int:
        return await self.core.awrite(verbs.bump_epoch, durable=True)

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        op = verbs.take(Take(key, limit, period), now)
        taken = self.core.attempt_all(op, wait=False)
        return await self.core.awrite(op) if taken is None else taken

    async def after_fork(self) -> None:
        self.core.after_fork()

    async def close(self) -> None:
        if self._owns:
            self.core.close()


def _salt(core: SqliteCore) -> bytes:
    salt: bytes = core.read_one(sql.SALT)[0]
    return salt


def _reading(core: SqliteCore, id: str) -> Reading:
    return verbs.reading(core.read_one(sql.GET, (id,)))


def _page(core: SqliteCore, subject: str | None, after: str | None, limit: int) -> Page:
    limit = max(limit, 1)  # a page of nothing would never come to an end
    where: tuple[Any, ...] = (after or "", limit + 1)
    if subject is None:
        return verbs.page(core.read(sql.PAGE, where), limit)
    return verbs.page(core.read(sql.PAGE_OF, (subject, *where)), limit)


def from_url(url: str, timeout: float) -> Opened:
    """The store of `sqlite:///relative` or `sqlite:////absolute`; for `open_both`."""
    core = SqliteCore(_path(url), timeout=timeout)
    faces = SqliteStore(core, owns=True), AsyncSqliteStore(core, owns=True)
    return Opened(*faces, changes=SqliteChanges(core))


def _path(url: str) -> str:
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    wrong = not parts.path.startswith("/")  # as in sqlite:sessions.db
    if wrong or parts.netloc or parts.query or parts.fragment or not path or path == ":memory:":
        raise ConfigurationError(
            "store: a SQLite URL is sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    return path
