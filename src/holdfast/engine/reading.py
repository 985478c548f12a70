"""From a credential to its record: read once, decide, never raise for what a client sent."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from holdfast.errors import Reason, StoreError
from holdfast.events import EventName, Severity
from holdfast.protocols import Take
from holdfast.rules import data, policy, secret
from holdfast.session import Session
from holdfast.settings import Rate, ms

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.protocols import ClientFacts, Reading
    from holdfast.record import Record

Rest = partial[Coroutine[Any, Any, Session]]
"""What is left of `begin`, to be called and awaited."""

_EVENTS = {
    Reason.IDLE: EventName.SESSION_EXPIRED,
    Reason.ABSOLUTE: EventName.SESSION_EXPIRED,
    Reason.TOKEN_EXPIRED: EventName.SESSION_USE_AFTER_EXPIRE,
    Reason.UNKNOWN: EventName.SESSION_USE_AFTER_EXPIRE,
    Reason.REVOKED: EventName.SESSION_USE_AFTER_EXPIRE,
    Reason.SUPERSEDED: EventName.SESSION_USE_AFTER_EXPIRE,
}
_NORMAL = {Reason.IDLE, Reason.ABSOLUTE, Reason.TOKEN_EXPIRED, Reason.SUPERSEDED}
"""What happens to honest clients every day."""


def take_for(id: str, rate: Rate | None, proof: bytes | None = None) -> Take | None:
    """The session's quota as part of a `get`; its key carries the strategy (P59)."""
    if rate is None:
        return None
    period = ms(rate.period)
    return Take(f"s/{id}/{rate.limit}/{period}", rate.limit, period, proof)


def begin_at_once(
    core: Core,
    text: str | None,
    client: ClientFacts,
    rate: Rate | None = None,
    *,
    fresh: bool = False,
) -> Session | Rest:
    """`begin` as far as nothing has to be waited for: the session, or what is left to await.

    Raises:
        StoreError: the store cannot answer.
    """
    if text is None:
        return Session(reason=Reason.ABSENT, client=client, quiet=True)
    token = secret.parse_cookie(text)
    if token is None:
        return empty(core, Reason.MALFORMED, client)
    return judge_at_once(core, token, client, rate, fresh)


def judge_at_once(
    core: Core,
    token: secret.Token,
    client: ClientFacts,
    rate: Rate | None,
    fresh: bool,  # noqa: FBT001 - by place: it is called through a partial
) -> Session | Rest:
    """`begin_at_once` of a parsed cookie; raises as that."""
    now, digest = core.clock(), secret.digest(token.secret)
    take = None if rate is None else take_for(token.id, rate, digest)
    get = core.fresh_prompt if fresh else core.prompt
    found = None if get is None else get(token.id, now=now, take=take)
    if found is None:
        return partial(_asked, core, token, digest, client, now, take, fresh=fresh)
    reason = _refused(core, found.record, digest, now)
    if reason is not None and found.cached:
        return partial(_asked, core, token, digest, client, now, fresh=True)
    session = _judged(core, token, found, reason, client, now)
    return partial(_damaged, core, token.id, client) if session is None else session


async def begin(
    core: Core, text: str | None, client: ClientFacts, rate: Rate | None, *, fresh: bool = False
) -> Session:
    """The session of this cookie, or an empty one that knows why."""
    found = begin_at_once(core, text, client, rate, fresh=fresh)
    return await found() if isinstance(found, partial) else found


async def _asked(  # noqa: PLR0917 - as `_judged`
    core: Core,
    token: secret.Token,
    digest: bytes,
    client: ClientFacts,
    now: int,
    take: Take | None = None,
    *,
    fresh: bool,
) -> Session:
    """The rest of `begin`: the store has to be waited for."""
    found = await core.source(fresh=fresh).get(token.id, now=now, take=take)
    reason = _refused(core, found.record, digest, now)
    if reason is not None and found.cached:
        found = await core.fresh.get(token.id, now=now)
        reason = _refused(core, found.record, digest, now)
    session = _judged(core, token, found, reason, client, now)
    return await _damaged(core, token.id, client) if session is None else session


async def _damaged(core: Core, id: str, client: ClientFacts) -> Session:
    """The rest of `begin`: what was read makes no session, and ends here."""
    return Session(reason=await _absent(core, id, client, corrupt=True), client=client)


def _judged(  # noqa: PLR0917 - what both ways of reading know by then
    core: Core,
    token: secret.Token,
    found: Reading,
    reason: Reason | None,
    client: ClientFacts,
    now: int,
) -> Session | None:
    """The session that a reading makes, or an empty one, audited; None: the record is damaged.

    `reason` is why its cookie does not count.
    """
    record = found.record
    if record is None or reason is not None:
        if found.corrupt:
            return None
        note_refused(core, reason or Reason.UNKNOWN, client, record, id=token.id)
        return Session(reason=reason, client=client)
    plain = core.opened(record, token.secret)
    if plain is None or not data.well_formed(plain):
        return None
    quiet = not policy.touch_due(record, now, core.times.touch_every)
    return Session(record, "cookie", token.secret, plain, client, found.taken, quiet)


def _refused(core: Core, record: Record | None, digest: bytes, now: int) -> Reason | None:
    """Why a cookie with this secret does not count; None while it does."""
    if record is None:
        return Reason.UNKNOWN
    if not secret.matches(digest, record.secret_hash):
        return Reason.WRONG_SECRET
    limits, slack = core.limits(record.policy), core.times.slack
    return policy.cookie_ended(record, limits, now, slack)  # as `core.cookie_ended`


def empty(core: Core, reason: Reason, client: ClientFacts, record: Record | None = None) -> Session:
    """An empty session for a credential that does not count, audited."""
    note_refused(core, reason, client, record)
    return Session(reason=reason, client=client)


async def living(
    core: Core, id: str, found: Reading, client: ClientFacts, now: int
) -> Record | Reason:
    """The record, if it lives for tokens; otherwise why not, audited."""
    record = found.record
    if record is None or not _intact(record):
        corrupt = record is not None or found.corrupt
        return await _absent(core, id, client, corrupt=corrupt)
    reason = core.record_ended(record, now)
    if reason is None:
        return record
    note_refused(core, reason, client, record)
    return reason


def lives(core: Core, record: Record, now: int) -> bool:
    """Whether the record lives for tokens; `living` says why not."""
    return core.record_ended(record, now) is None and _intact(record)


def _intact(record: Record) -> bool:
    return record.data[:1] != b"{" or data.well_formed(record.data)


async def _absent(core: Core, id: str, client: ClientFacts, *, corrupt: bool) -> Reason:
    """Why there is no record, audited; a damaged one ends here, and only that one."""
    if not corrupt:
        note_refused(core, Reason.UNKNOWN, client, id=id)
        return Reason.UNKNOWN
    core.auditor.emit(
        EventName.SESSION_EXPIRED,
        client,
        id=id,
        reason=Reason.CORRUPT,
        severity=Severity.CRITICAL,
    )
    with suppress(StoreError):  # it cannot be read either way, and the next request tries again
        await core.store.delete(id, durable=False)
    return Reason.CORRUPT


def note_refused(
    core: Core,
    reason: Reason,
    client: ClientFacts,
    record: Record | None = None,
    *,
    id: str | None = None,
) -> None:
    """The event of a credential that did not count; who knows only an id is not its subject."""
    proved = record is not None and reason is not Reason.WRONG_SECRET
    core.auditor.emit(
        _EVENTS.get(reason, EventName.AUTHZ_FAIL),
        client,
        id=record.id if record else id,
        subject=record.subject if record and proved else None,
        reason=reason,
        severity=Severity.INFO if reason in _NORMAL else Severity.WARN,
    )
