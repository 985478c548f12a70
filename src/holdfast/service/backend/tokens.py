"""Tokens: make them for a session, refresh, verify, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.chain.limit import refuse
from holdfast.rules import refresh as rules
from holdfast.service.answers import json_answer
from holdfast.service.backend.asking import (
    Client,
    authorised,
    body_of,
    checked,
    looked,
    not_found,
    sign_in,
)
from holdfast.service.backend.idempotency import once
from holdfast.service.backend.keeping import kept_unchanged
from holdfast.session import Session
from holdfast.web.asgi import visit_of

if TYPE_CHECKING:
    from holdfast.engine import Verified
    from holdfast.record import Record
    from holdfast.service.backend.keeping import Keep
    from holdfast.service.context import ServiceContext

_SCOPE = "tokens"


class Issue(msgspec.Struct, forbid_unknown_fields=True):
    """For whom: a session that there is, or a subject, who gets a session of their own."""

    session: str | None = None
    subject: str | None = None
    claims: dict[str, Any] = {}
    client: Client = msgspec.field(default_factory=Client)


class Refresh(msgspec.Struct, forbid_unknown_fields=True):
    """A refresh token to be exchanged."""

    refresh_token: str
    client: Client = msgspec.field(default_factory=Client)

    def __repr__(self) -> str:
        return "<Refresh>"


class Verify(msgspec.Struct, forbid_unknown_fields=True):
    """A token to be judged; `stateless` leaves out whether its session lives.

    `keep` asks how long the answer may be kept, for an access token.
    """

    token: str
    type: Literal["access", "refresh"] = "access"
    stateless: bool = False
    keep: bool = False

    def __repr__(self) -> str:
        return f"<Verify {self.type}>"


class TokenStatus(msgspec.Struct, forbid_unknown_fields=True):
    """A token to be asked for by its `jti`.

    Who knows its `iat`, too, hears of more: after many revocations within one session the oldest
    tokens are ended by time.
    """

    jti: str
    iat: int | None = None


class Revoke(msgspec.Struct, forbid_unknown_fields=True):
    """A token to be ended, by itself or by its `jti`."""

    token: str | None = None
    jti: str | None = None

    def __repr__(self) -> str:
        return "<Revoke>"


async def issue(request: Request) -> Response:
    """A pair of tokens; an earlier refresh token of the session ends."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, Issue)
    if (wanted.session is None) == (wanted.subject is None):
        raise Refusal(error_reply(400, "invalid_body", "Either a session or a subject is needed"))
    with checked():
        session = await _holder(context, wanted)
        tokens = await context.sessions.issue_tokens(session)
    return json_answer({**tokens.as_dict(), "session": session.id}, 201)


async def _holder(context: ServiceContext, wanted: Issue) -> Session:
    client = wanted.client.facts()
    if wanted.subject is not None:
        session = Session(client=client)
        sign_in(session, wanted.subject, wanted.claims)
        return session
    loaded = await context.sessions.load(wanted.session or "", client)
    if loaded is None:
        raise not_found()
    return loaded


async def refresh(request: Request) -> Response:
    """The successor of a refresh token, as `POST /refresh` gives it."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, Refresh)
    rate = context.sessions.settings.rate
    client = wanted.client.facts()
    answer = await context.sessions.refresh(wanted.refresh_token, client, rate=rate)
    over = refuse(context.sessions.auditor, visit_of(request), answer.taken)
    if over is not None:
        raise Refusal(over)
    if answer.tokens is None:
        raise Refusal(error_reply(401, "invalid_token", "Invalid token"))
    return json_answer(answer.tokens.as_dict())


async def verify(request: Request) -> Response:
    """What a token means; `reason` tells the application, and no client, why it does not count."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, Verify)
    verified = await context.sessions.verify_token(
        wanted.token, wanted.type, stateless=wanted.stateless
    )
    claims = None if verified.claims is None else dict(verified.claims)
    answer = {"claims": claims, "reason": verified.reason}
    if wanted.keep:
        answer["keep"] = await _kept(context, verified)
    return json_answer(answer)


async def _kept(context: ServiceContext, verified: Verified) -> Keep | None:
    """Never beyond the token's own end."""
    claims, record = verified.claims, verified.record
    if claims is None or record is None or claims["type"] != "access":
        return None
    keep = await kept_unchanged(context, record, cookie=False)
    rest: int = claims["exp"] * 1000 - context.clock()
    return keep and {**keep, "for_ms": max(min(keep["for_ms"], rest), 0)}


async def status(request: Request) -> Response:
    """Whether a token counts no more: it was ended, replaced, or its session is over.

    Whether it was one that counted at all, and whether its time is up, only the token itself tells.
    """
    context = authorised(request, _SCOPE)
    asked = await body_of(request, TokenStatus)
    record = await context.sessions.find(asked.jti.partition(".")[0])
    return json_answer({"revoked": record is None or _is_over(record, asked.jti, asked.iat)})


def _is_over(record: Record, jti: str, issued: int | None) -> bool:
    if rules.parse_access_jti(jti) is not None:
        early = issued is not None and issued < record.tokens_not_before
        return early or jti[rules.ACCESS_PART] in record.revoked
    token, live = rules.parse_jti(jti), record.refresh
    return token is None or live is None or token[1:] != (live.family, live.generation)


async def revoke(request: Request) -> Response:
    """End a token; a refresh token ends its session with every credential."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, Revoke)
    if wanted.token is not None:
        revoked = await context.sessions.revoke_token(wanted.token)
    else:
        jti = wanted.jti or ""
        await looked(context, jti.partition(".")[0])
        revoked = await context.sessions.revoke_jti(jti)
    return json_answer({"revoked": revoked})


ROUTES = (
    Route("/backend/v1/tokens", once(_SCOPE, issue), methods=["POST"]),
    Route("/backend/v1/tokens/refresh", once(_SCOPE, refresh), methods=["POST"]),
    Route("/backend/v1/tokens/verify", verify, methods=["POST"]),
    Route("/backend/v1/tokens/revoke", once(_SCOPE, revoke), methods=["POST"]),
    Route("/backend/v1/tokens/status", status, methods=["POST"]),
)
