"""The interfaces between the engine and the world: stores, quotas, clock, entropy, audit sinks.

A store stores and judges nothing: no limit, secret or signature is checked there. What it owes is
that each verb is one atomic step, and that each write says whether it happened:

- There is no upsert. `insert` never overwrites; `update` and `touch` of a missing record fail; an id
  that was deleted is never used again (P1).
- `update` is compare-and-set on `version` (P2, P3).
- The index by subject changes in the same step as the record (P11), and so does the count that a
  cap is judged by (P10).
- A write with `durable=True` is on disk, or on every replica that counts, before it returns;
  otherwise `NotDurable`, which says that it was done (P12, P13). So where the version `expected` was
  not found the answer is False, whatever can be proved.
- Driver errors are always wrapped: `StoreUnavailable` or `StoreCorrupt`. Every call has a time limit.

`Store` and `AsyncStore` are the same verbs; neither extends the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec

from holdfast.record import Record

if TYPE_CHECKING:
    from holdfast.events import Event

Clock = Callable[[], int]
"""Now, in Unix milliseconds."""

Entropy = Callable[[int], bytes]
"""So many random bytes from a cryptographic generator."""

Sink = Callable[["Event"], None]
"""Takes one audit event; whatever it raises is swallowed and counted, never felt by a request."""


class ClientFacts(msgspec.Struct, frozen=True, gc=False):
    """What is known of the client of one request: signals for people and audit, never identity (P61)."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


NOBODY = ClientFacts()
"""A client of which nothing is known."""


class Take(msgspec.Struct, frozen=True, gc=False):
    """A quota to spend one from, in the same step as a `get`.

    At most `limit` per `period` ms, sliding. Nothing is spent when the record is missing, or when
    `proof` is given and is not the record's `secret_hash`: who knows only an id must not be able to
    use up its owner's quota (R148).
    """

    key: str
    limit: int
    period: int
    proof: bytes | None = None


class Taken(msgspec.Struct, frozen=True, gc=False):
    """The answer of a quota; `retry_after` is in ms, and 0 when the request was allowed."""

    allowed: bool
    remaining: int
    retry_after: int


class Reading(msgspec.Struct, frozen=True, gc=False):
    """The answer of `get`. `taken` is None if nothing was to be, or could be, spent.

    `corrupt` is True when there is a record that cannot be decoded: that one session must end.
    `node` is the server process that answered, see `holdfast.stores.remote`; None where there is
    no server, and empty if several had a part, which are `nodes` then: while a slot of a Redis Cluster is
    moved. `cached` says that a near cache answered in its place: good enough to admit somebody, and no
    ground to refuse anybody, as a secret may have been rotated elsewhere a moment ago.
    """

    record: Record | None
    taken: Taken | None = None
    corrupt: bool = False
    node: str | None = None
    cached: bool = False
    nodes: tuple[str, ...] = ()


class Cap(NamedTuple):
    """At most `limit` sessions of one subject, counted in the same step as the insert (R37)."""

    limit: int
    over: Literal["evict_oldest", "reject"]


class Replacing(NamedTuple):
    """The record that an insert takes the place of, if it still has this version."""

    id: str
    version: int


class Admitted(NamedTuple):
    """The record was inserted; `evicted` are the ids that had to go for it (oldest `created_at` first)."""

    evicted: tuple[str, ...] = ()


class Refused(NamedTuple):
    """The record was not inserted: its id exists, the cap is reached, or the replaced one has changed."""

    reason: Literal["exists", "cap", "changed"]


class Page(NamedTuple):
    """Some records in the order of their ids; `after` continues, None when this was the last page."""

    records: tuple[Record, ...]
    after: str | None


class Told(NamedTuple):
    """What a watcher was told since the last time: these records changed, or any if `everything`.

    All changes that were acknowledged before `heard_at` have been told: seconds of a clock that runs
    while the machine is suspended, minus infinity while nothing is known. `nodes` are the server
    processes that were heard, as in `Reading.node`; none where there is no server.
    """

    ids: tuple[str, ...] = ()
    everything: bool = False
    heard_at: float = float("-inf")
    nodes: tuple[str, ...] = ()


class Watcher(Protocol):
    """Hears of the changes that any process makes from now on. Activity alone is no change."""

    async def take(self) -> Told:
        """What was heard since the last call; it never waits for a change, and never raises.

        Changes that were not told, or not kept, are part of `everything`.
        """
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class Changes(Protocol):
    """Where a store's changes can be heard of."""

    def watch(self) -> Watcher:
        """A new watcher. Nothing is paid for changes while there is none."""
        ...


class Store(Protocol):
    """A blocking store. See the module's text for what each verb owes; all times are Unix ms."""

    def salt(self) -> bytes:
        """32 random bytes, made once, kept in the store for ever: tags of subjects derive from it."""
        ...

    def get(self, id: str, *, now: int, take: Take | None = None) -> Reading:
        """The record, unless it was inserted before the latest `bump_epoch`; spends `take` on the way."""
        ...

    def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused:
        """Add a new record. A replaced record goes in the same step and does not count for the cap.

        A replaced record that is gone already is no obstacle. Records whose `expires_at` is past do
        not count for the cap.
        """
        ...

    def update(self, record: Record, *, expected: int, durable: bool = False) -> bool:
        """Replace the record of this id if its version is `expected`; False: gone or changed.

        `seen_at` and `expires_at` become the larger of stored and given.
        """
        ...

    def touch(self, id: str, *, seen_at: int, expires_at: int, address: str | None = None) -> bool:
        """Note activity without a new version, never back in time; no address: the last; False: gone."""
        ...

    def delete(self, id: str, *, expected: int | None = None, durable: bool = True) -> bool:
        """Remove the record (if it still has the version `expected`); False: gone or changed.

        Without `expected`, durability is owed also when the record is gone already: a retry proves
        again.
        """
        ...

    def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page:
        """Records of one subject, or of everybody, by id after `after`; undecodable ones are left out."""
        ...

    def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]:
        """Remove all records of a subject but `keep`, durably; the removed ids."""
        ...

    def purge(self, *, now: int, limit: int = 1000) -> int:
        """Remove at most `limit` records and quotas whose `expires_at` is past; how many went."""
        ...

    def bump_epoch(self) -> int:
        """End every session there is, durably, in constant work; the new epoch."""
        ...

    def take(self, key: str, *, limit: int, period: int, now: int) -> Taken:
        """Spend one from a sliding-window quota of `limit` per `period` ms (P59)."""
        ...

    def after_fork(self) -> None:
        """Forget every connection, thread and pending write of the parent process."""
        ...

    def close(self) -> None:
        """Finish pending writes and let go of what this store opened itself."""
        ...


class AsyncStore(Protocol):
    """The same verbs for coroutines."""

    async def salt(self) -> bytes: ...

    async def get(self, id: str, *, now: int, take: Take | None = None) -> Reading: ...

    async def insert(
        self,
        record: Record,
        *,
        now: int,
        cap: Cap | None = None,
        replacing: Replacing | None = None,
    ) -> Admitted | Refused: ...

    async def update(self, record: Record, *, expected: int, durable: bool = False) -> bool: ...

    async def touch(
        self, id: str, *, seen_at: int, expires_at: int, address: str | None = None
    ) -> bool: ...

    async def delete(
        self, id: str, *, expected: int | None = None, durable: bool = True
    ) -> bool: ...

    async def page(
        self, subject: str | None = None, *, after: str | None = None, limit: int = 100
    ) -> Page: ...

    async def delete_all(self, subject: str, *, keep: str | None = None) -> tuple[str, ...]: ...

    async def purge(self, *, now: int, limit: int = 1000) -> int: ...

    async def bump_epoch(self) -> int: ...

    async def take(self, key: str, *, limit: int, period: int, now: int) -> Taken: ...

    async def after_fork(self) -> None: ...

    async def close(self) -> None: ...


class Prompt(Protocol):
    """What an `AsyncStore` offers beside its verbs where a `get` need not wait."""

    def get_at_once(self, id: str, *, now: int, take: Take | None = None) -> Reading | None:
        """As `get`; None: that has to be awaited, and nothing was spent."""
        ...


class OldSession(NamedTuple):
    """What another library's session holds; `subject` is None if nobody is signed in."""

    subject: object
    data: dict[str, Any]


class OldSessions(Protocol):
    """The sessions of another library, which are taken over one by one. See `engine.adopting`.

    `name` is the library's, for the audit. `cookie` is what its cookie is called; `path` and `domain`
    are those under which it was set.
    """

    name: str
    cookie: str
    path: str
    domain: str | None

    def key_of(self, value: str, /) -> str | None:
        """Where the session of this cookie is kept; None: no such cookie was ever handed out."""
        ...

    async def read(self, key: str, /) -> OldSession | None:
        """The living session under a key; None: there is none, or it cannot be read."""
        ...

    async def remove(self, key: str, /) -> None:
        """Let nobody find it again; that it is gone already is no error."""
        ...
