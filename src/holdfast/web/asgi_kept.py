"""What one session has open, and what is known of the session: whether to look, and what to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from holdfast.engine.core import KEPT_MOST
from holdfast.stores.feed import NEVER
from holdfast.web.lasting import lasts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.engine import AsyncSessions
    from holdfast.protocols import Reading, Told
    from holdfast.record import Record
    from holdfast.session import Session

_UNDER_WAY = 2**63


class Open(Protocol):
    """A socket or stream, perhaps one of `events`; `id` is that of its session."""

    id: str
    events: bool
    session: Session

    def end(self, *, known: bool) -> None:
        """Let nothing more through; not `known`: nobody can say whether it must end."""


class Kept:
    """One session with something open; moments are seconds of `holdfast.stores.feed.moment`.

    `proved` is a moment at which the session lived. `look_at` is when, in Unix ms, it must be read
    again whatever is heard; 0: now. `followed`: what was read is believed while changes are heard.
    """

    __slots__ = ("followed", "held", "look_at", "looking", "opened_at", "proved")

    def __init__(self, moment: float) -> None:
        self.held: set[Open] = set()
        self.opened_at = self.proved = moment
        self.look_at = 0
        self.looking = self.followed = False

    def heard(self, heard_at: float, now: int) -> bool:
        """All changes up to `heard_at` were told; whether the session must be read now (Unix ms)."""
        if now >= self.look_at:
            return True
        if self.followed:
            self.proved = max(self.proved, heard_at)
        return False

    def look(self) -> None:
        """It is being read; a change that is told meanwhile sets `look_at` to 0."""
        self.looking, self.look_at = True, _UNDER_WAY

    def looked(
        self, sessions: AsyncSessions, record: Record | None, asked_at: float, now: int
    ) -> list[Open]:
        """It was read: what is open and must be ended."""
        self.proved = asked_at
        lasting = {held: lasts(sessions, held.session, record) for held in self.held}
        if self.look_at:
            self.look_at = now + min((KEPT_MOST, *filter(None, lasting.values())))
        return [held for held, lasts in lasting.items() if not lasts]


def events_of(sessions: Iterable[Kept]) -> list[Open]:
    """Their streams of events, for which a server that is to stop would wait; clients come back."""
    return [held for kept in sessions for held in kept.held if held.events]


def hears(told: Told, reading: Reading) -> bool:
    """Whether changes were heard from where this was read; the page "follow changes" has why."""
    return told.heard_at > NEVER and (reading.node is None or reading.node in told.nodes)
