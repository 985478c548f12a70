"""The exchange of a refresh token, as `rules.refresh` decides it, by one conditional write."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from holdfast.engine.core import ATTEMPTS
from holdfast.engine.minting import Tokens, mint
from holdfast.engine.reading import living, note_refused, take_for
from holdfast.engine.verifying import checked_claims
from holdfast.errors import Conflict, Reason
from holdfast.events import EventName, Severity
from holdfast.rules import agent
from holdfast.rules import refresh as rules
from holdfast.rules.refresh import RefreshId, Step

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.protocols import ClientFacts, Taken
    from holdfast.record import Record
    from holdfast.settings import Rate

_REFUSALS = {Step.SUPERSEDED: Reason.SUPERSEDED, Step.EXPIRED: Reason.TOKEN_EXPIRED}
_PROOFS, _PROOFS_PERIOD = 8, 3_600_000
"""Proofs of one session's end in a period (ms)."""
_MINTED = {Step.ROTATE: "rotated", Step.REPEAT: "repeated", Step.AHEAD: "ahead"}
_THEFTS = {Step.REUSED: Reason.REUSED, Step.WRONG_CLIENT: Reason.WRONG_CLIENT}


class Refreshed(NamedTuple):
    """New tokens, or the reason why there are none; `taken` says whether the quota allowed it."""

    tokens: Tokens | None
    reason: Reason | None = None
    taken: Taken | None = None


async def refresh(core: Core, text: str, client: ClientFacts, rate: Rate | None) -> Refreshed:
    """Exchange a refresh token for its successor, by one conditional write; see `rules.refresh`."""
    now = core.clock()
    claims = checked_claims(core, text, "refresh", now)  # used once: not worth a cache
    token = None if isinstance(claims, Reason) else rules.parse_jti(claims["jti"])
    if token is None:
        reason = claims if isinstance(claims, Reason) else Reason.MALFORMED
        note_refused(core, reason, client)
        return Refreshed(None, reason)
    found = await core.fresh.get(token.sid, now=now, take=take_for(token.sid, rate))
    taken = found.taken
    if taken is not None and not taken.allowed:
        return Refreshed(None, None, taken)
    for _ in range(ATTEMPTS):
        record = await living(core, token.sid, found, client, now)
        if isinstance(record, Reason):
            if record is Reason.UNKNOWN:
                await _prove_end(core, token.sid, now)
            return Refreshed(None, record, taken)
        answer = await _exchange(core, record, token, client, now)
        if answer is not None:
            return answer._replace(taken=taken)
        now = core.clock()
        found = await core.fresh.get(token.sid, now=now)
    raise Conflict("other requests kept changing this session")


async def _exchange(
    core: Core, record: Record, token: RefreshId, client: ClientFacts, now: int
) -> Refreshed | None:
    """One attempt; None if another request changed the record first."""
    live, same = record.refresh, _same_client(record, client)
    step = rules.decide(live, token, now=now, grace=core.times.grace, same_client=same)
    if live is None or step in _REFUSALS:
        reason = _REFUSALS.get(step, Reason.SUPERSEDED)
        note_refused(core, reason, client, record)
        return Refreshed(None, reason)
    if step in _THEFTS:
        return await _end_reused(core, record, token, client, _THEFTS[step])
    successor = live
    if step is not Step.REPEAT:
        successor = rules.rotate(live, token.generation, now=now, grace=core.times.grace)
    # A repeat is written too: the exchange that it repeats may never have been proved, and a
    # successor that the store may lose must not be in a client's hands (P13).
    draft = core.refreshed(record, now, refresh=successor)
    if not await core.store.update(draft, expected=record.version, durable=True):
        return None
    _note_minted(core, draft, client, _MINTED[step], token)
    return Refreshed(mint(core, draft, successor, now))


def _same_client(record: Record, client: ClientFacts) -> bool:
    """Whether this is the kind of program that signed in; True where that is not kept."""
    known = record.client.user_agent
    return known is None or agent.family(known) == agent.family(client.user_agent)


async def _end_reused(
    core: Core, record: Record, token: RefreshId, client: ClientFacts, reason: Reason
) -> Refreshed:
    """A used token came back: somebody has a copy, so everything of this session dies (R107).

    The alarm comes first: it is true even if the store does not answer.
    """
    core.auditor.emit(
        EventName.AUTHN_TOKEN_REUSE,
        client,
        id=record.id,
        subject=record.subject,
        reason=reason,
        severity=Severity.CRITICAL,
        generation=token.generation,
        current=record.refresh.generation if record.refresh else -1,
    )
    await core.store.delete(record.id, durable=True)
    return Refreshed(None, reason)


async def _prove_end(core: Core, sid: str, now: int) -> None:
    """Prove that a session is gone, which may have been ended for reuse without a proof (P13).

    Durable writes are dear, so whoever sends a dead token again and again gets no more of them.
    """
    budget = f"s/{sid}/proof"
    proof = await core.store.take(budget, limit=_PROOFS, period=_PROOFS_PERIOD, now=now)
    if proof.allowed:
        await core.store.delete(sid, durable=True)


def _note_minted(
    core: Core, record: Record, client: ClientFacts, how: str, token: RefreshId
) -> None:
    core.auditor.emit(
        EventName.AUTHN_TOKEN_CREATED,
        client,
        id=record.id,
        subject=record.subject,
        reason=how,
        severity=Severity.INFO if how == "rotated" else Severity.WARN,
        generation=token.generation,
    )
