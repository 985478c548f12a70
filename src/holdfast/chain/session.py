"""Step 3, session: who is this, by cookie or by bearer token, beside which no cookie counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain.limit import rate_of
from holdfast.errors import Reason
from holdfast.rules.cookies import MAX_HEADER

if TYPE_CHECKING:
    from holdfast.chain.cookie import SessionCookie
    from holdfast.chain.request import Visit
    from holdfast.engine import AsyncSessions
    from holdfast.session import Session


async def identify(
    sessions: AsyncSessions, cookie: SessionCookie, visit: Visit, *, spend: bool = True
) -> Session:
    """The visitor's session; the quota of an unsafe request is taken in the same trip."""
    request = visit.request
    rate = rate_of(sessions.settings, request.path) if request.unsafe and spend else None
    bearer = request.bearer
    if bearer is not None:
        return await sessions.begin_bearer(bearer, visit.client, rate=rate)
    header = request.headers.get("cookie")
    if header is not None and len(header) > MAX_HEADER:
        return sessions.refused(Reason.MALFORMED, visit.client)
    values = cookie.read(header)
    if len(values) > 1:
        return sessions.refused(Reason.DUPLICATE, visit.client)
    return await sessions.begin(values[0] if values else None, visit.client, rate=rate)
