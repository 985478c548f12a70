"""Minting: tokens are views of a session, made only while it lives (P17, P18)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.engine.core import ATTEMPTS
from holdfast.errors import Conflict, SessionEnded, UsageError
from holdfast.events import EventName
from holdfast.rules import base64url, jose, policy
from holdfast.rules import refresh as rules
from holdfast.rules.refresh import RefreshId
from holdfast.settings import ms

if TYPE_CHECKING:
    from datetime import timedelta

    from holdfast.engine.core import Core
    from holdfast.record import Record, Refresh
    from holdfast.session import Session

_FAMILY_BYTES = 12


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token client is given; `expires_in` is the access token's life in seconds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    token_type: str = "Bearer"

    def as_dict(self) -> dict[str, Any]:
        """The answer of a token endpoint (RFC 6749 §5.1)."""
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "expires_in": self.expires_in,
            "token_type": self.token_type,
        }


async def issue(core: Core, session: Session) -> Tokens:
    """A new refresh family for a signed-in session, whose record must be committed."""
    record = session.record
    if record is None or record.subject is None:
        raise UsageError("issue_tokens: nobody is signed in")
    family = base64url.encode(core.entropy(_FAMILY_BYTES))
    for attempt in range(ATTEMPTS):
        now = core.clock()
        if attempt or core.record_ended(record, now):
            record = await _living(core, record.id, now)
        live = rules.start(family, now=now, lifetime=core.times.refresh)
        draft = core.used(record, now, refresh=live)
        if await core.store.update(draft, expected=record.version):
            session.record = draft
            _note_issued(core, session, record)
            return mint(core, draft, live, now)
    raise Conflict("other requests kept changing this session")


async def _living(core: Core, id: str, now: int) -> Record:
    fresh = (await core.fresh.get(id, now=now)).record
    if fresh is None or core.record_ended(fresh, now):
        raise SessionEnded("the session ended while this request ran")
    return fresh


def _note_issued(core: Core, session: Session, before: Record) -> None:
    client, id, subject = session.client, before.id, before.subject
    if before.refresh is not None:
        name = EventName.AUTHN_TOKEN_DELETE
        core.auditor.emit(name, client, id=id, subject=subject, reason="superseded")
    core.auditor.emit(
        EventName.AUTHN_TOKEN_CREATED, client, id=id, subject=subject, reason="issued"
    )


def mint(core: Core, record: Record, live: Refresh, now: int) -> Tokens:
    """An access token of now, and the family's current refresh token: the same text each time."""
    common = {
        "iss": core.settings.issuer,
        "aud": core.settings.audience,
        "sub": record.subject,
        "sid": record.id,
    }
    access = _access(core, record, now)
    refresh = {
        "type": "refresh",
        "jti": str(RefreshId(record.id, live.family, live.generation)),
        "iat": live.issued_at,
        "exp": live.ends_at // 1000,
    }
    return Tokens(
        jose.sign(core.keys, "access", record.claims | common | access),
        jose.sign(core.keys, "refresh", common | refresh),
        max(access["exp"] - now // 1000, 0),
    )


def assertion(core: Core, session: Session, audience: str, lifetime: timedelta) -> str:
    """An access token for somebody else's eyes; see `AsyncSessions.assertion`."""
    record = session.record
    if record is None or record.subject is None:
        raise UsageError("assertion: nobody is signed in")
    now = core.clock()
    access = _access(core, record, now)
    common = {"iss": core.settings.issuer, "aud": audience, "sub": record.subject}
    end = min(access["exp"], access["iat"] + ms(lifetime) // 1000)
    claims = record.claims | common | {"sid": record.id} | access | {"exp": end}
    return jose.sign(core.keys, "access", claims)


def _access(core: Core, record: Record, now: int) -> dict[str, Any]:
    """Never older than `tokens_not_before`, and never outliving the session's absolute limit."""
    issued = max(now // 1000, record.tokens_not_before)
    session_end = policy.absolute_end(record, core.limits(record.policy)) // 1000
    return _assurance(record) | {
        "type": "access",
        "jti": rules.access_jti(record.id, core.entropy(rules.ACCESS_BYTES)),
        "iat": issued,
        "exp": min(issued + core.times.access_s, session_end),
    }


def _assurance(record: Record) -> dict[str, Any]:
    """`auth_time`, `acr` and `amr`, which stay the same over refreshes (RFC 9068 §2.2.1, R47)."""
    claims: dict[str, Any] = {}
    if record.authenticated_at is not None:
        claims["auth_time"] = record.authenticated_at // 1000
    if record.assurance.acr is not None:
        claims["acr"] = record.assurance.acr
    if record.assurance.amr:
        claims["amr"] = list(record.assurance.amr)
    return claims
