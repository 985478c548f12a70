"""How long what is open may stay so: sockets, streams, and requests that come piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.engine.verifying import revoked
from holdfast.errors import SessionEnded, StoreError
from holdfast.stores.feed import moment

if TYPE_CHECKING:
    from holdfast.chain import Chain, Visit
    from holdfast.engine import AsyncSessions
    from holdfast.errors import HoldfastError
    from holdfast.record import Record
    from holdfast.session import Session

EVENTS = "text/event-stream"
"""The media type whose clients come back by themselves."""


def lasts(sessions: AsyncSessions, session: Session, record: Record | None) -> int:
    """For how many ms the credential counts that this was opened with, if nothing happens.

    An access token may expire meanwhile: that is no end of its session.
    """
    token = session.token_claims
    if record is None or (token is not None and revoked(record, token, "access")):
        return 0
    return sessions.keep_for(record, cookie=token is None)


def signed_in(session: Session) -> str | None:
    """The id of a session that somebody is signed in with; None: nothing open of it need end."""
    record = session.record
    return None if record is None or record.subject is None else record.id


class Proved:
    """When a session was last known to live, `at` a moment, and whether it still does.

    With `cookie` a rotation by somebody else counts as the end, too: the cookie that it came with is
    worth nothing then. `error` is why nothing more came of it, once that was said.
    """

    __slots__ = ("_at", "_cookie", "_every", "_session", "_sessions", "error")

    def __init__(self, chain: Chain, session: Session, at: float, *, cookie: bool = False) -> None:
        self._sessions = chain.sessions
        self._session = session
        self._cookie = cookie
        self._every = chain.sessions.settings.cache_bound.total_seconds() / 2
        self._at = at
        self.error: HoldfastError | None = None

    def due(self) -> bool:
        """Whether to ask again: half of the bound is over."""
        return moment() - self._at >= self._every

    async def over(self) -> HoldfastError | None:
        """Why nothing more may come of it; asks the store if that is due."""
        self.error = await self._asked()
        return self.error

    async def _asked(self) -> HoldfastError | None:
        asked_at = moment()
        if asked_at - self._at < self._every:
            return None
        try:
            record = (await self._sessions.look(self._session.id or "")).record
        except StoreError as error:
            stale = self._sessions.settings.stale_reads.total_seconds()
            return error if moment() - self._at >= 2 * self._every + stale else None
        if lasts(self._sessions, self._session, record) and not self._replaced(record):
            self._at = asked_at
            return None
        return SessionEnded("the session ended before its request or answer was complete")

    def _replaced(self, record: Record | None) -> bool:
        """Whether the session has another secret by now than this request knows."""
        own = self._session.record
        if not self._cookie or record is None or own is None:
            return False
        return record.secret_hash != own.secret_hash


async def in_time(chain: Chain, visit: Visit, since: float) -> Proved | None:
    """What the body of a request is held to that was judged from this moment on; None: to nothing.

    Refuses it at once if it kept its judge waiting, for a field of a form, beyond its session's end.
    """
    if visit.reply is not None or signed_in(visit.session) is None:
        return None
    proved = Proved(chain, visit.session, since, cookie=visit.came_by == "cookie")
    error = await proved.over()
    if error is not None:
        visit.reply = await chain.fail(visit, error)
    return proved
