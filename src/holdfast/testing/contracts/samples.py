"""Records to test a store with."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any, TypeVar

from holdfast.protocols import Admitted
from holdfast.record import Assurance, Client, Policy, Record, Refresh
from holdfast.rules.secret import new_id, random_tag, subject_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.protocols import Reading, Store, Taken

T = TypeVar("T")

DAY = 86_400_000


def said(reading: Reading) -> tuple[Record | None, Taken | None, bool]:
    """What a store says, whoever said it: the record, its quota, and whether it is damaged."""
    return reading.record, reading.taken, reading.corrupt


class Samples:
    """Makes records for a store, with ids that carry the tags of their subjects (§5)."""

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._salt = store.salt()
        self._clock = clock
        self._made = 0

    def record(self, subject: str | None = "alice", **fields: Any) -> Record:
        """A signed-in session of `subject` with every field filled, each one a second younger."""
        self._made += 1
        random = os.urandom(16)
        tag = random_tag(random) if subject is None else subject_tag(subject, self._salt)
        created_at = self._clock() + 1000 * self._made
        given: dict[str, Any] = {
            "id": new_id(tag, random),
            "secret_hash": os.urandom(32),
            "subject": subject,
            "claims": {"role": "admin", "email": "alice@example.com"},
            "data": '{"cart":["Käse",1]}'.encode(),
            "created_at": created_at,
            "authenticated_at": created_at,
            "seen_at": created_at,
            "expires_at": created_at + DAY,
            "policy": Policy("default", DAY, 7 * DAY),
            # Alternates between both halves of the unsigned range, which databases love to confuse.
            "version": int.from_bytes(os.urandom(8), "big") >> 1 | (self._made % 2) << 63,
            "refresh": Refresh("family", 3, created_at // 1000, created_at + DAY, (created_at,)),
            "revoked": {"jti": created_at // 1000},
            "assurance": Assurance("aal2", ("pwd", "otp")),
            "client": Client("Mozilla/5.0", "Firefox"),
            "address": "2001:db8::1",
            "bound_key": os.urandom(32),
        }
        return Record(**{**given, **fields})

    def stored(self, subject: str | None = "alice", **fields: Any) -> Record:
        """As `record`, and it is in the store."""
        record = self.record(subject, **fields)
        assert self._store.insert(record, now=self._clock()) == Admitted()
        return record

    def several(self, count: int, subject: str | None = "alice") -> list[Record]:
        """So many stored records, oldest first."""
        return [self.stored(subject) for _ in range(count)]


def pages(store: Store, subject: str | None = None, limit: int = 100) -> list[list[Record]]:
    """All pages of a subject, or of everybody, as they are after one another."""
    page = store.page(subject, limit=limit)
    found = [list(page.records)]
    while page.after is not None:
        page = store.page(subject, after=page.after, limit=limit)
        found.append(list(page.records))
    return found


def listed(store: Store, subject: str | None = None) -> list[str]:
    """The ids of all records of a subject, or of everybody, in the order of the pages."""
    return [record.id for page in pages(store, subject) for record in page]


def together(calls: Iterable[Callable[[], T]]) -> list[T]:
    """The results of all calls, which threads began at the same moment."""
    waiting = list(calls)
    barrier = Barrier(len(waiting))

    def go(call: Callable[[], T]) -> T:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(go, waiting))
