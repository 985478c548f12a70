"""Judging tokens: signature and claims first, then whether session and token still live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from holdfast.engine.reading import lives, living, note_refused, take_for
from holdfast.errors import Reason
from holdfast.protocols import Taken
from holdfast.record import Record
from holdfast.rules import jose
from holdfast.rules import refresh as rules
from holdfast.rules.secret import valid_id

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.protocols import ClientFacts, Reading
    from holdfast.settings import Rate

Kind = Literal["access", "refresh"]
Claims = Mapping[str, Any]


class Verified(msgspec.Struct, frozen=True):
    """A judged token: its claims, or the reason why it does not count.

    `record` is None in the stateless mode. `taken` is the session's quota, if one was to be spent.
    """

    claims: Claims | None
    reason: Reason | None = None
    record: Record | None = None
    taken: Taken | None = None

    def __repr__(self) -> str:
        return f"<Verified: {self.reason or 'it counts'}>"


async def verify(
    core: Core,
    text: str,
    kind: Kind,
    client: ClientFacts,
    *,
    stateless: bool,
    rate: Rate | None,
    fresh: bool = False,
) -> Verified:
    """Judge a token; see `AsyncSessions.verify_token`."""
    now = core.clock()
    claims = verified_claims(core, text, kind, now)
    if isinstance(claims, Reason):
        note_refused(core, claims, client)
        return Verified(None, claims)
    if stateless:
        return Verified(claims)
    sid: str = claims["sid"]
    take = None if rate is None else take_for(sid, rate)
    store = core.fresh if fresh or kind == "refresh" else core.store
    found = await store.get(sid, now=now, take=take)
    record = found.record
    if record is None or not lives(core, record, now):
        judged = await _judged(core, sid, found, client, now)
        if isinstance(judged, Reason):
            return Verified(None, judged, taken=found.taken)
        record = judged
    reason = revoked(record, claims, kind)
    if reason is not None:
        note_refused(core, reason, client, record)
        return Verified(None, reason, taken=found.taken)
    return Verified(claims, None, record, found.taken)


async def _judged(
    core: Core, sid: str, found: Reading, client: ClientFacts, now: int
) -> Record | Reason:
    """`living`, but no near cache's word is enough to refuse somebody."""
    if found.cached and found.record is not None and core.record_ended(found.record, now):
        found = await core.fresh.get(sid, now=now)
    return await living(core, sid, found, client, now)


def verified_claims(core: Core, text: str, kind: Kind, now: int) -> Claims | Reason:
    """`checked_claims`, from the cache when it is warm."""
    cached = core.verified.get(kind, text, now // 1000)
    if cached is not None:
        return cached
    claims = checked_claims(core, text, kind, now)
    if not isinstance(claims, Reason):
        core.verified.put(kind, text, claims)
    return claims


def checked_claims(core: Core, text: str, kind: Kind, now: int) -> Claims | Reason:
    """The claims, if all that needs no store is right."""
    claims = jose.verify(
        core.keys,
        text,
        kind=kind,
        issuer=core.settings.issuer,
        audience=core.settings.audience,
        now_s=now // 1000,
        leeway_s=core.times.leeway_s,
    )
    if isinstance(claims, Reason) or _is_ours(kind, claims["sid"], claims["jti"]):
        return claims
    return Reason.MALFORMED


def _is_ours(kind: Kind, sid: str, jti: str) -> bool:
    """Whether the store may be asked for `sid`, and `jti` belongs to it (R7)."""
    if not valid_id(sid) or not jti.startswith(f"{sid}."):
        return False
    parsed = rules.parse_jti(jti) if kind == "refresh" else rules.parse_access_jti(jti)
    return parsed is not None


def revoked(record: Record, claims: Claims, kind: Kind) -> Reason | None:
    """Why a token of this living record does not count; None: it does, until it expires."""
    if kind == "refresh":
        live = record.refresh
        current = live and str(rules.RefreshId(record.id, live.family, live.generation))
        return None if claims["jti"] == current else Reason.SUPERSEDED
    if claims["iat"] < record.tokens_not_before:
        return Reason.REVOKED
    noted = record.revoked and claims["jti"][rules.ACCESS_PART] in record.revoked
    return Reason.REVOKED if noted else None
