"""Ending sessions and tokens. Every write here is durable before it is acknowledged (P12, P13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.engine.core import ATTEMPTS
from holdfast.engine.ending import end
from holdfast.engine.verifying import verified_claims
from holdfast.errors import Conflict, Reason
from holdfast.events import EventName, Severity
from holdfast.protocols import ClientFacts, Page, Reading
from holdfast.record import CLAIMS
from holdfast.rules import policy
from holdfast.rules import refresh as rules
from holdfast.rules.intents import subject_text
from holdfast.rules.secret import valid_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.engine.core import Core
    from holdfast.record import Record

REVOKED_KEPT = 16
_MAX_PAGE = 1000
_STEPS = 10


async def revoke(core: Core, id: str, client: ClientFacts, reason: str) -> bool:
    """End one session; see `AsyncSessions.revoke`."""
    return valid_id(id) and await end(core, id, client, reason=reason)


async def revoke_all(core: Core, subject: str | int, keep: str | None, client: ClientFacts) -> int:
    """End all sessions of a subject, but `keep`."""
    who, name = subject_text(subject), EventName.SESSION_LOGOUT
    kept = keep if keep is not None and valid_id(keep) else None
    with core.auditor.unproved(name, client, subject=who, reason="everywhere") as emit:
        ended = await core.store.delete_all(who, keep=kept)
    for id in ended:
        emit(id=id)
    return len(ended)


async def revoke_everyone(core: Core, client: ClientFacts) -> int:
    """End every session there is; the new epoch."""
    with core.auditor.unproved(EventName.AUTHZ_ADMIN, client, reason="everyone") as emit:
        epoch = await core.store.bump_epoch()
    emit(severity=Severity.CRITICAL, epoch=epoch)
    return epoch


async def revoke_token(core: Core, text: str, client: ClientFacts) -> bool:
    """End one token; see `AsyncSessions.revoke_token`."""
    now = core.clock()
    claims = verified_claims(core, text, "access", now)
    if not isinstance(claims, Reason):
        ends = claims["exp"] + core.times.leeway_s
        return await _revoke_access(core, claims["jti"], client, ends)
    claims = verified_claims(core, text, "refresh", now)
    if isinstance(claims, Reason):
        return False
    return await end(core, claims["sid"], client, subject=claims["sub"], reason="refresh_token")


async def revoke_jti(core: Core, jti: str, client: ClientFacts) -> bool:
    """End the token of this `jti`; that of a refresh token ends its session."""
    token = rules.parse_jti(jti)
    if token is not None and valid_id(token.sid):
        return await end(core, token.sid, client, reason="refresh_token")
    access = rules.parse_access_jti(jti)
    if access is None or not valid_id(access):
        return False
    return await _revoke_access(core, jti, client, None)


async def _revoke_access(core: Core, jti: str, client: ClientFacts, ends: int | None) -> bool:
    """Note the token in its session until `ends` (Unix s), or for as long as the session lasts."""
    id, part = jti[rules.SID_PART], jti[rules.ACCESS_PART]
    for _ in range(ATTEMPTS):
        now = core.clock()
        found = await core.fresh.get(id, now=now)
        if found.record is None:
            await core.store.delete(id, durable=True)
            return False
        draft = _with_revoked(core, found.record, part, ends, now)
        who = {"id": id, "subject": found.record.subject, "reason": "access_token"}
        with core.auditor.unproved(EventName.AUTHN_TOKEN_REVOKED, client, **who) as emit:
            done = await core.store.update(draft, expected=found.record.version, durable=True)
        if done:
            emit()
            return True
    raise Conflict("other requests kept changing this session")


def _with_revoked(core: Core, record: Record, part: str, ends: int | None, now: int) -> Record:
    """The record with one more revoked token (P15, P16).

    With too many of them, all tokens so far are refused instead; also those of a machine whose
    clock is ahead by no more than the leeway.
    """
    if ends is None:
        ends = policy.absolute_end(record, record.policy) // 1000 + core.times.leeway_s + 1
    draft = core.rewritten(record, now)
    revoked = {**draft.revoked, part: max(ends, draft.revoked.get(part, 0))}
    if len(revoked) <= REVOKED_KEPT:
        return core.rewritten(record, now, revoked=revoked)
    not_before = max(now // 1000 + core.times.leeway_s + 1, record.tokens_not_before)
    return core.rewritten(record, now, revoked={}, tokens_not_before=not_before)


async def look(core: Core, id: str) -> Reading:
    """What the store itself says of a living session, or of a claim, by its public id."""
    if not valid_id(id):
        return Reading(None)
    now = core.clock()
    reading = await core.fresh.get(id, now=now)
    record = reading.record
    return Reading(None) if record is None or core.record_ended(record, now) else reading


async def find(core: Core, id: str) -> Record | None:
    """A living session by its public id; a claim is none."""
    record = (await look(core, id)).record
    return None if record is None or record.policy.name in CLAIMS else record


async def sessions_of(core: Core, subject: str | int, after: str | None, limit: int) -> Page:
    """One page of a subject's living sessions."""
    return await living_page(core, subject_text(subject), after, limit)


async def living_page(core: Core, subject: str | None, after: str | None, limit: int) -> Page:
    """One page of the living sessions of a subject, or with None of everyone; a claim is none.

    What lives among much that does not is found in a few steps, or on a page behind an empty one.
    """
    if after is not None and not valid_id(after):
        return Page((), None)
    living: tuple[Record, ...] = ()
    for _ in range(_STEPS):
        page = await core.store.page(subject, after=after, limit=max(1, min(limit, _MAX_PAGE)))
        now, after = core.clock(), page.after
        living = tuple(r for r in page.records if _shown(core, r, now))
        if living or after is None:
            break
    return Page(living, after)


def _shown(core: Core, record: Record, now: int) -> bool:
    return record.policy.name not in CLAIMS and core.record_ended(record, now) is None


async def sweep(core: Core, limit: int, progress: Callable[[int], None] | None) -> int:
    """Remove what has expired, batch by batch; how many went."""
    total, most = 0, max(1, limit)
    while True:
        removed = await core.store.purge(now=core.clock(), limit=most)
        total += removed
        if progress is not None:
            progress(total)
        if removed < most:
            return total
