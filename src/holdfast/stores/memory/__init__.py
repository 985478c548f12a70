"""The store for tests and for a single short-lived process: everything is lost with it.

It keeps encoded bytes and the fields that `touch` changes, so records go through the codec as in
every other store. A row is replaced and never changed: a reader takes it in one step and needs no
lock.
"""

from __future__ import annotations

import hmac
import os
from threading import Lock
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError
from holdfast.faces import AsyncShaped
from holdfast.protocols import Admitted, Page, Reading, Refused, Taken
from holdfast.record import decode, encode
from holdfast.rules import quota
from holdfast.stores import Opened
from holdfast.stores.changes import Hub
from holdfast.stores.memory.table import Endings, Row, Table, row_of

if TYPE_CHECKING:
    from holdfast.protocols import Cap, Replacing, Take
    from holdfast.record import Record


class MemoryStore:
    """A blocking store in the memory of this process, safe to share between threads.

    See `holdfast.protocols.Store` for what each verb owes. A write is as durable as the process. A
    child of `fork` keeps a copy of its own: the processes are strangers from then on.
    """

    def __init__(self) -> None:
        self.changes = Hub()
        self._lock = Lock()
        self._salt = os.urandom(32)
        self._epoch = 0
        self._table = Table()
        self._endings = Endings()
        self._quotas: dict[str, tuple[int, bytes]] = {}
        self._quota_endings = Endings()

    def salt(self) -> bytes:
        return self._salt

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        row = self._table.rows.get(id)
        if row is None:
            return Reading(None)
        record = row.record or _decoded(row)
        if record is None:
            return Reading(None, corrupt=True)
        if take is None or not _proved(record, take):
            return Reading(record)
        return Reading(record, self.take(take.key, limit=take.limit, period=take.period, now=now))

    def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        raw = encode(record)
        with self._lock:
            if record.id in self._table.rows:
                return Refused("exists")
            old = self._table.rows.get(replacing.id) if replacing else None
            if replacing and old and old.version != replacing.version:
                return Refused("changed")
            gone = replacing.id if replacing else None
            evicted = self._over(record.subject, cap, now, gone)
            if evicted is None:
                return Refused("cap")
            for each in (*evicted, gone) if gone else evicted:
                self._remove(each)
            self._table.put(record.id, row_of(record, raw))
            self._endings.add(record.id, record.expires_at)
            return Admitted(evicted)

    def update(
        self,
        record: Record,
        *,
        expected: int,
        durable: bool = False,  # noqa: ARG002 - memory knows no other way
    ) -> bool:
        raw = encode(record)
        with self._lock:
            old = self._table.rows.get(record.id)
            if old is None or old.version != expected:
                return False
            self._table.put(record.id, row_of(record, raw, old))
            self.changes.changed(record.id)
            return True

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        with self._lock:
            old = self._table.rows.get(id)
            if old is None:
                return False
            newer = address is not None and seen_at >= old.seen_at
            self._table.rows[id] = old.changed(
                seen_at=max(old.seen_at, seen_at),
                expires_at=max(old.expires_at, expires_at),
                address=address if newer else old.address,
            )
            return True

    def delete(
        self,
        id: str,
        *,
        expected: int | None = None,
        durable: bool = True,  # noqa: ARG002 - memory knows no other way
    ) -> bool:
        with self._lock:
            old = self._table.rows.get(id)
            if old is None or (expected is not None and old.version != expected):
                return False
            self._remove(id)
            return True

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        limit = max(limit, 1)  # a page of nothing would never come to an end
        with self._lock:
            ids = self._table.ids(subject, after, limit + 1)
            rows = [self._table.rows[each] for each in ids[:limit]]
        records = tuple(record for row in rows if (record := _decoded(row)) is not None)
        return Page(records, ids[limit - 1] if len(ids) > limit else None)

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        with self._lock:
            ids = tuple(each for each in self._table.ids_of(subject) if each != keep)
            for each in ids:
                self._remove(each)
            return ids

    def purge(self, *, now: int, limit: int = 1000) -> int:
        with self._lock:
            records = self._endings.due(now, limit, self._end_of_record)
            quotas = self._quota_endings.due(now, limit - len(records), self._end_of_quota)
            for each in records:
                self._remove(each)
            for each in quotas:
                del self._quotas[each]
            return len(records) + len(quotas)

    def bump_epoch(self) -> int:
        with self._lock:
            self._epoch += 1
            self._table = Table()
            self.changes.changed_all()
            return self._epoch

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        name = quota.name(key, period)
        with self._lock:
            _, old = self._quotas.get(name, (0, None))
            state, taken = quota.take(old, limit=limit, period=period, now=now)
            if state is not None and state is not old:
                end = quota.ends_at(state, period)
                self._quotas[name] = (end, state)
                if old is None:
                    self._quota_endings.add(name, end)
            return taken

    def after_fork(self) -> None:
        self._lock = Lock()  # another thread of the parent may have held the old one
        self.changes.after_fork()

    def close(self) -> None:
        """Do nothing: the records stay for other users of this object."""

    def _remove(self, id: str) -> None:
        self._table.remove(id)
        self.changes.changed(id)

    def _over(
        self, subject: str | None, cap: Cap | None, now: int, gone: str | None
    ) -> tuple[str, ...] | None:
        """The ids that must go for one more of `subject`, oldest first; None: it may not come."""
        if cap is None or subject is None:
            return ()
        rows = self._table.rows
        live = [
            (rows[each].created_at, each)
            for each in self._table.ids_of(subject)
            if each != gone and rows[each].expires_at > now
        ]
        over = len(live) + 1 - cap.limit
        if over <= 0:
            return ()
        if cap.over == "reject" or cap.limit < 1:
            return None
        return tuple(each for _, each in sorted(live)[:over])

    def _end_of_record(self, id: str) -> int | None:
        row = self._table.rows.get(id)
        return row.expires_at if row else None

    def _end_of_quota(self, name: str) -> int | None:
        return self._quotas[name][0] if name in self._quotas else None


class AsyncMemoryStore(AsyncShaped):
    """The same store for coroutines. No call ever suspends."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store or MemoryStore())


def _decoded(row: Row) -> Record | None:
    row.record = decode(row.raw, row.seen_at, row.expires_at, row.address)
    return row.record


def _proved(record: Record, take: Take) -> bool:
    """Whether the caller may spend the quota of this record (R148)."""
    return take.proof is None or hmac.compare_digest(take.proof, record.secret_hash)


def from_url(url: str, timeout: float) -> Opened:  # noqa: ARG001 - a dict never waits
    """A new store of its own for `memory://`; for `holdfast.stores.open_both`."""
    if url.removesuffix("/").lower() not in {"memory:", "memory:/"}:
        raise ConfigurationError("store: a memory store has no path; use memory://")
    store = MemoryStore()
    return Opened(store, AsyncMemoryStore(store), changes=store.changes)
