"""Step 3, session: who is this, by cookie or by bearer token, beside which no cookie counts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from holdfast.errors import Reason
from holdfast.rules import cookies
from holdfast.rules.secret import sole_cookie
from holdfast.session import Session

if TYPE_CHECKING:
    from holdfast.chain.adoption import Adoption
    from holdfast.chain.request import Visit
    from holdfast.engine import AsyncSessions
    from holdfast.settings import Rate


def identify_at_once(
    sessions: AsyncSessions, cookie: str, visit: Visit, *, rate: Rate | None, fresh: bool
) -> bool:
    """`identify` by a cookie where nothing has to be waited for; False: await that, `visit.rest` of it.

    `cookie` is the name of the session cookie with its equals sign; `fresh` as in `begin`.

    Raises:
        StoreError: the store cannot answer.
    """
    headers = visit.request.headers
    if "authorization" in headers:
        return False
    header = headers.get("cookie")
    if header is None:
        session = Session(reason=Reason.ABSENT, client=visit.client, quiet=True)
    else:
        token = sole_cookie(header, cookie)
        if token is None:
            return False
        found = sessions.judge_at_once(token, visit.client, rate, fresh)
        if isinstance(found, partial):
            visit.rest = found
            return False
        session = found
    visit.session, visit.came_by, visit.identified = session, session.via, True
    return True


async def identify(
    sessions: AsyncSessions,
    cookie: str,
    visit: Visit,
    rate: Rate | None = None,
    adoption: Adoption | None = None,
) -> Session:
    """Find the visitor's session, and note it; `rate` is spent from its quota in the same trip.

    `cookie` is the name of the session cookie; `adoption` looks at that of another library. Goes on
    where `identify_at_once` had to stop.

    Raises:
        StoreError: the store cannot answer.
    """
    if not visit.identified:
        rest = visit.rest
        session = await (_found(sessions, cookie, visit, rate) if rest is None else rest())
        visit.session, visit.came_by, visit.identified = session, session.via, True
    if adoption is not None and visit.session.record is None:
        await adoption.adopt(visit)
    return visit.session


async def _found(sessions: AsyncSessions, cookie: str, visit: Visit, rate: Rate | None) -> Session:
    headers = visit.request.headers
    fresh = wants_fresh(sessions.settings.fresh_paths, visit)
    if "authorization" in headers and (bearer := visit.request.bearer) is not None:
        return await sessions.begin_bearer(bearer, visit.client, rate=rate, fresh=fresh)
    header = headers.get("cookie", "")
    values = cookies.read(header, cookie)
    if len(values) == 1:
        return await sessions.begin(values[0], visit.client, rate=rate, fresh=fresh)
    return await _unread(sessions, visit, header, values)


def wants_fresh(paths: tuple[str, ...], visit: Visit) -> bool:
    """Whether no near cache may answer: what changes something, or outlives the bound, asks the store."""
    if visit.unsafe or visit.request.websocket:
        return True
    if not paths:
        return False
    path = visit.request.path
    return path in paths or any(path.startswith(each) for each in paths if each.endswith("/"))


async def _unread(
    sessions: AsyncSessions, visit: Visit, header: str, values: tuple[str, ...]
) -> Session:
    """The empty session of a request without one readable cookie."""
    if values:
        return sessions.refused(Reason.DUPLICATE, visit.client)
    if len(header) > cookies.MAX_HEADER:
        return sessions.refused(Reason.MALFORMED, visit.client)
    return await sessions.begin(None, visit.client)
