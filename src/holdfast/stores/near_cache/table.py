"""What the near cache knows: readings by id, bounded in number and bytes, the least used go first.

Reads take no lock. Everything that adds or removes holds one, so that a reading can never come in
after the change that makes it wrong.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from holdfast.errors import RecordReadOnly
from holdfast.protocols import Reading
from holdfast.record import changed, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.record import Record
    from holdfast.stores.feed import Channel

MOST_AGE = 60.0
"""Seconds after which a record is read again in any case: what nobody told us of ends here."""

_OVERHEAD = 2048
"""Bytes that an entry takes beside its record's encoded form, as measured on CPython 3.11."""


class Bounds(NamedTuple):
    """What the table may hold and believe: entries, bytes, and ages in seconds.

    `stale` is the age up to which a reading may stand in for a store that is away; 0: never.
    """

    entries: int = 10_000
    size: int = 64 * 1024 * 1024
    age: float = 1.0
    stale: float = 0.0


class Stats(NamedTuple):
    """Figures since the start of this process, and what is held now; `size` is in bytes."""

    hits: int
    misses: int
    stale: int
    entries: int
    size: int


class Entry:
    """A reading, the channel that it was read under, and when."""

    __slots__ = ("channel", "read_at", "reading", "size")

    def __init__(self, reading: Reading, channel: Channel, read_at: float, size: int) -> None:
        self.reading = reading
        self.channel = channel
        self.read_at = read_at
        self.size = size


class Ticket:
    """A read that is under way; a change of its id that comes meanwhile takes it away."""

    __slots__ = ("channel", "valid")

    def __init__(self, channel: Channel | None) -> None:
        self.channel = channel
        self.valid = True


class Table:
    """Readings for both faces of a store; a `holdfast.stores.feed.Listener`."""

    def __init__(self, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._bounds = bounds
        self._age = bounds.age
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a child of `fork`, where another thread may have held the lock."""
        self._lock = Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._tickets: dict[str, set[Ticket]] = {}
        self._size = 0
        self._hits = self._misses = self._stale = 0

    def find(self, id: str) -> Reading | None:
        """A reading that may be believed now; None: ask the store."""
        entry = self._entries.get(id)
        if entry is not None:
            now = self._clock()
            if entry.channel.heard_at > now - self._age and entry.read_at > now - MOST_AGE:
                try:
                    self._entries.move_to_end(id)
                except KeyError:  # a change came this very moment
                    pass
                else:
                    self._hits += 1
                    return entry.reading
        return None

    def missed(self) -> None:
        """Count that the store had to be asked for want of such a reading."""
        self._misses += 1

    def find_stale(self, id: str) -> Reading | None:
        """A reading to stand in for a store that is away, within the bound for that."""
        entry = self._entries.get(id)
        if entry is None:
            return None
        if entry.channel.last_heard_at <= self._clock() - self._bounds.stale:
            return None
        self._stale += 1
        return entry.reading

    def ticket(self, id: str, channel: Channel | None) -> Ticket:
        """Before a read of the store: who has it hears of changes that come meanwhile."""
        ticket = Ticket(channel)
        with self._lock:
            self._tickets.setdefault(id, set()).add(ticket)
        return ticket

    def settle(self, id: str, ticket: Ticket, reading: Reading | None) -> None:
        """After the read: what came takes the place of what was known; None: the read failed.

        It is kept unless a change, or the end of the channel, has overtaken it. Only the node of
        the channel is believed, and only sessions of somebody who is signed in are kept (P56).
        """
        came = reading is not None and not reading.cached
        entry = self._entry(reading, ticket.channel) if reading is not None and came else None
        with self._lock:
            self._discard(id, ticket)
            if came:
                self._remove(id)
            if entry is not None and ticket.valid and entry.channel.open:
                self._entries[id] = entry
                self._size += entry.size
                self._shrink()

    def _entry(self, reading: Reading, channel: Channel | None) -> Entry | None:
        record = reading.record
        if record is None or record.subject is None:
            return None
        if channel is None or reading.node != channel.node:
            return None
        size = _size_of(record)
        if size is None or size > self._bounds.size:
            return None
        kept = Reading(record, node=reading.node, cached=True)
        return Entry(kept, channel, self._clock(), size)

    def touched(self, id: str, seen_at: int, expires_at: int, address: str | None) -> None:
        """This process has noted activity, of which no change need tell."""
        with self._lock:
            entry = self._entries.get(id)
            record = None if entry is None else entry.reading.record
            if entry is None or record is None or record.seen_at > seen_at:
                return
            newer = changed(
                record,
                seen_at=seen_at,
                expires_at=max(record.expires_at, expires_at),
                address=record.address if address is None else address,
            )
            entry.reading = replace(entry.reading, record=newer)

    def changed(self, id: str) -> None:
        """The record of this id is another one now, or gone."""
        with self._lock:
            self._invalidate(id)
            self._remove(id)

    def changed_of(self, subject: str) -> None:
        """Any record of this subject may be gone; asked only when it is not known which."""
        with self._lock:
            for id, entry in list(self._entries.items()):
                record = entry.reading.record
                if record is not None and record.subject == subject:
                    self._remove(id)
            for id in self._tickets:
                self._invalidate(id)

    def changed_all(self) -> None:
        """Any record may be gone."""
        with self._lock:
            for id in self._tickets:
                self._invalidate(id)
            self._entries.clear()
            self._size = 0

    def forget(self, channel: Channel) -> None:
        """Anything that was read under this channel may have changed."""
        with self._lock:
            for id, entry in list(self._entries.items()):
                if entry.channel is channel:
                    self._remove(id)

    def cut(self, channel: Channel) -> None:
        """What was read under this channel is no longer watched; it is kept only to be served stale."""
        if not self._bounds.stale:
            self.forget(channel)

    def stats(self) -> Stats:
        """The figures of this process."""
        return Stats(self._hits, self._misses, self._stale, len(self._entries), self._size)

    def _invalidate(self, id: str) -> None:
        for ticket in self._tickets.get(id, ()):
            ticket.valid = False

    def _discard(self, id: str, ticket: Ticket) -> None:
        waiting = self._tickets.get(id)
        if waiting is not None:
            waiting.discard(ticket)
            if not waiting:
                del self._tickets[id]

    def _remove(self, id: str) -> None:
        entry = self._entries.pop(id, None)
        if entry is not None:
            self._size -= entry.size

    def _shrink(self) -> None:
        while len(self._entries) > self._bounds.entries or self._size > self._bounds.size:
            _, entry = self._entries.popitem(last=False)
            self._size -= entry.size


def _size_of(record: Record) -> int | None:
    """Bytes that an entry takes; None for a record of a newer release, which is not kept."""
    try:
        return len(encode(record)) + _OVERHEAD
    except RecordReadOnly:
        return None
