"""Step 3 for who comes with the cookie of another library: that session becomes one of ours.

Only a safe request moves a session: a move signs somebody in, and what a page of another site can
send must not. That includes a mere link: who follows one is moved at their next request here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.rules import cookies

if TYPE_CHECKING:
    from holdfast.chain.reply import Headers
    from holdfast.chain.request import Request, Visit
    from holdfast.engine import AsyncSessions
    from holdfast.protocols import OldSessions


class Adoption:
    """Takes over the sessions of `old`. `expired` is the header that erases its cookie."""

    def __init__(self, sessions: AsyncSessions, old: OldSessions) -> None:
        self._sessions = sessions
        self._old = old
        self.expired: Headers = ()
        cookie = sessions.settings.cookie
        if old.cookie != cookie.name:  # ours has taken its place
            text = cookies.expire_cookie(
                old.cookie, secure=cookie.secure, same_site="Lax", domain=old.domain, path=old.path
            )
            self.expired = (("Set-Cookie", text),)

    async def adopt(self, visit: Visit) -> None:
        """Give the visit, which has no session here, what its old session has become.

        Raises:
            StoreError: one of the two stores cannot answer.
        """
        key = self._key(visit.request) if _may_move(visit) else None
        if key is None:
            return
        session = await self._sessions.adopt(self._old, key, visit.client)
        if session is not None:
            visit.session, visit.came_by, visit.forget_old = session, session.via, True

    async def retire(self, visit: Visit) -> None:
        """End the old session of who has just signed in or out here: it must not sign them in later.

        Raises:
            StoreError: its store cannot answer.
        """
        if visit.forget_old or not _signed_in_or_out(visit):
            return
        key = self._key(visit.request)
        if key is not None:
            await self._old.remove(key)
            visit.forget_old = True

    def _key(self, request: Request) -> str | None:
        values = cookies.read(request.headers.get("cookie", ""), self._old.cookie)
        return self._old.key_of(values[0]) if len(values) == 1 else None


def _may_move(visit: Visit) -> bool:
    request = visit.request
    if visit.unsafe or request.websocket or request.bearer is not None:
        return False
    return request.headers.get("sec-fetch-site") != "cross-site"


def _signed_in_or_out(visit: Visit) -> bool:
    session = visit.session
    if session.ended or session.cookie is None or session.record is None:
        return session.ended
    return session.record.subject is not None
