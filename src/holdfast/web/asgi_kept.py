"""What one session has open, and what is known of the session: whether to look, and what to end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast.engine.verifying import revoked
from holdfast.settings import ms

if TYPE_CHECKING:
    from holdfast.engine import AsyncSessions
    from holdfast.record import Record
    from holdfast.session import Session
    from holdfast.web.asgi_held import Held

_MOST = timedelta(minutes=1)
"""What nobody told of ends here, as in the near cache."""
_UNDER_WAY = 2**63


class Kept:
    """One session with something open; moments are seconds of `holdfast.stores.feed.moment`.

    `proved` is a moment at which the session lived. `look_at` is when, in Unix ms, it must be read
    again whatever is heard; 0: now. `followed`: what was read is believed while changes are heard.
    """

    __slots__ = ("followed", "held", "look_at", "looking", "opened_at", "proved")

    def __init__(self, moment: float) -> None:
        self.held: set[Held] = set()
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
    ) -> list[Held]:
        """It was read: what is open and must be ended."""
        self.proved = asked_at
        lasting = {held: _lasts(sessions, held.session, record) for held in self.held}
        if self.look_at:
            self.look_at = now + min((ms(_MOST), *filter(None, lasting.values())))
        return [held for held, lasts in lasting.items() if not lasts]


def _lasts(sessions: AsyncSessions, session: Session, record: Record | None) -> int:
    """For how many ms the credential counts that this was opened with, if nothing happens.

    An access token may expire meanwhile: that is no end of its session.
    """
    token = session.token_claims
    if record is None or (token is not None and revoked(record, token, "access")):
        return 0
    return ms(sessions.keep_for(record, _MOST, cookie=token is None))
