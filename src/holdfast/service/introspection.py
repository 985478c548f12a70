"""Introspection (RFC 7662) and revocation (RFC 7009) for back ends that hold the service's key.

Both are off until `introspection_key` is set. An inactive token of any kind gets the same few bytes
(R123), and revoking what is no token is no error (R119).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.errors import Reason
from holdfast.rules import form
from holdfast.service.answers import json_answer
from holdfast.service.bodies import bounded, media_type
from holdfast.service.context import ServiceContext, context_of
from holdfast.service.operator_key import require_key
from holdfast.web.asgi import visit_of

if TYPE_CHECKING:
    from holdfast.engine import Verified

_FORM = "application/x-www-form-urlencoded"


async def introspect(request: Request) -> Response:
    """Say what a token means, if it still means anything."""
    token = await _token(request)
    verified = await _verified(context_of(request), request, token)
    return json_answer(_described(verified))


async def revoke(request: Request) -> Response:
    """End a token; a refresh token ends its session with every credential."""
    token = await _token(request)
    await context_of(request).sessions.revoke_token(token, visit_of(request).client)
    return json_answer({})


ROUTES = (
    Route("/introspect", introspect, methods=["POST"]),
    Route("/revoke", revoke, methods=["POST"]),
)


async def _token(request: Request) -> str:
    """The token that was sent, by somebody who may ask (R122)."""
    context = context_of(request)
    require_key(request, context.options.introspection_key, "introspection")
    if media_type(request) != _FORM:
        raise Refusal(error_reply(415, "unsupported_media_type", f"Content-Type must be {_FORM}"))
    raw = await bounded(request, context.options.body_limit)
    token = form.field(request.headers.get("content-type", ""), raw, "token")
    if not token:
        raise Refusal(error_reply(400, "token_required", "Token required"))
    return token


async def _verified(context: ServiceContext, request: Request, token: str) -> Verified:
    client = visit_of(request).client
    verified = await context.sessions.verify_token(token, "access", client=client)
    if verified.reason is Reason.WRONG_TYPE:
        return await context.sessions.verify_token(token, "refresh", client=client)
    return verified


def _described(verified: Verified) -> dict[str, Any]:
    if verified.claims is None:
        return {"active": False}
    claims = dict(verified.claims)
    kind = "refresh_token" if claims.pop("type") == "refresh" else "access_token"
    return {"active": True, "token_type": kind, **claims}
