"""What this process has revoked in the last minutes: it refuses that itself, and says it again.

A fail-over can lose what a store has acknowledged. So after the loss of a connection everything
that is still remembered is owed to the store again (P14), and until it is paid, and after, nothing
of it is believed to be alive here.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from holdfast.record import changed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.record import Record

WINDOW = 15 * 60.0
"""Seconds for which a revocation is remembered."""

MOST = 50_000
"""Revocations that are remembered; beyond it the oldest go first."""

_log = logging.getLogger("holdfast")


class Tokens(NamedTuple):
    """The access tokens of one session that were revoked, as its record tells them."""

    revoked: Mapping[str, int]
    not_before: int

    def within(self, record: Record) -> bool:
        """Whether the record knows of all of them."""
        known = record.revoked
        listed = all(part in known for part in self.revoked)
        return record.tokens_not_before >= self.not_before and listed

    def added_to(self, record: Record, **fields: int) -> Record:
        """The record as it must be."""
        return changed(
            record,
            revoked={**record.revoked, **self.revoked},
            tokens_not_before=max(record.tokens_not_before, self.not_before),
            **fields,
        )


class Debt(NamedTuple):
    """One revocation to be asserted again: of a session, or of some of its tokens."""

    id: str
    tokens: Tokens | None = None


class Revocations:
    """Sessions, tokens and the epoch that this process has ended; never a subject.

    A subject that was signed out everywhere may have signed in again since. `clock` gives seconds,
    `losses` counts those of which this was told. Whoever notes a revocation tells how many there were
    before it (`since`): one that came meanwhile may have undone it, so it is owed.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a child of `fork`: what the parent has revoked is the parent's to say."""
        self._lock = Lock()
        self._ended: OrderedDict[str, float] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[float, Tokens]] = OrderedDict()
        self._epoch: tuple[float, int] | None = None
        self._owed: deque[Debt] = deque()
        self._owes_epoch = False
        self._dropped = False
        self._unproved_at = -1
        self.losses = 0

    @property
    def owes(self) -> bool:
        """Whether something is to be asserted again before the store is believed."""
        return bool(self._owed) or self._owes_epoch

    @property
    def provable(self) -> bool:
        """Whether what is said again may still be proved, as far as the latest loss has shown."""
        return self._unproved_at != self.losses

    def unproved(self, losses: int) -> None:
        """The replicas do not acknowledge now: what else is owed for this loss is not waited for."""
        self._unproved_at = losses

    @property
    def debts(self) -> int:
        """How much is to be asserted again."""
        return len(self._owed) + self._owes_epoch

    def ended(self, id: str) -> bool:
        """Whether this process has ended this session; ids are never used again."""
        return id in self._ended

    def judged(self, record: Record) -> Record:
        """The record, with the tokens of it that this process has revoked."""
        known = self._tokens.get(record.id)
        if known is None or known[1].within(record):
            return record
        return known[1].added_to(record)

    def note_ended(self, *ids: str, since: int) -> None:
        """These sessions were ended, and that was acknowledged, or done without proof."""
        with self._lock:
            now = self.clock()
            for id in ids:
                self._tokens.pop(id, None)
                self._ended[id] = now
                self._ended.move_to_end(id)
            if since != self.losses:
                self._owed.extend(map(Debt, ids))
            self._forget(now)

    def note_tokens(self, record: Record, *, since: int) -> None:
        """The record was durably written with these tokens revoked."""
        if not record.revoked and not record.tokens_not_before:
            return
        with self._lock:
            now, tokens = self.clock(), Tokens(record.revoked, record.tokens_not_before)
            self._tokens[record.id] = now, tokens
            self._tokens.move_to_end(record.id)
            if since != self.losses:
                self._owed.append(Debt(record.id, tokens))
            self._forget(now)

    def note_epoch(self, epoch: int, *, since: int) -> None:
        """Everyone was signed out, up to this epoch."""
        with self._lock:
            known = 0 if self._epoch is None else self._epoch[1]
            self._epoch = self.clock(), max(epoch, known)
            self._owes_epoch |= since != self.losses

    def lost(self) -> None:
        """A connection is gone, so whatever is remembered may be undone: all of it is owed."""
        with self._lock:
            self.losses += 1
            self._forget(self.clock())
            self._owed = deque(Debt(id) for id in self._ended)
            self._owed.extend(Debt(id, tokens) for id, (_, tokens) in self._tokens.items())
            self._owes_epoch = self._epoch is not None

    def next_debt(self) -> Debt | None:
        """Take one off; who cannot pay it puts it back."""
        try:
            return self._owed.popleft()
        except IndexError:
            return None

    def put_back(self, debt: Debt) -> None:
        """It could not be asserted now."""
        self._owed.append(debt)

    @property
    def owed_epoch(self) -> int | None:
        """The epoch to be asserted again; None if there is none."""
        return self._epoch[1] if self._owes_epoch and self._epoch is not None else None

    def epoch_paid(self, epoch: int, losses: int) -> None:
        """The store has that epoch, or a later one, unless a connection was lost since so many were."""
        with self._lock:
            if losses == self.losses and self._epoch is not None and self._epoch[1] <= epoch:
                self._owes_epoch = False

    def _forget(self, now: float) -> None:
        """Let go of what is older than the window, and of the oldest beyond the bound.

        Age counts only where nothing is owed: an outage may last longer than the window.
        """
        if not self.owes:
            self._forget_before(now - WINDOW)
        while len(self._ended) + len(self._tokens) > MOST:
            (self._ended or self._tokens).popitem(last=False)
            self._note_dropped()

    def _forget_before(self, moment: float) -> None:
        while self._ended and next(iter(self._ended.values())) < moment:
            self._ended.popitem(last=False)
        while self._tokens and next(iter(self._tokens.values()))[0] < moment:
            self._tokens.popitem(last=False)
        if self._epoch is not None and self._epoch[0] < moment:
            self._epoch = None

    def _note_dropped(self) -> None:
        if not self._dropped:
            self._dropped = True
            _log.warning("more revocations in %d minutes than are remembered", WINDOW // 60)
