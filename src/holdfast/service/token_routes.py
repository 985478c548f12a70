"""Token clients: sign in, refresh, sign out.

Cookies are ignored and none is set, so no CSRF token is needed; bodies are JSON only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, Visit, error_reply
from holdfast.chain.limit import refuse
from holdfast.errors import Reason
from holdfast.service import accounts
from holdfast.service.answers import json_answer
from holdfast.service.bodies import json_object, no_other_body, text_of
from holdfast.service.context import ServiceContext, context_of
from holdfast.web.asgi import visit_of

if TYPE_CHECKING:
    from holdfast.protocols import Taken
    from holdfast.session import Session

_INVALID = ("invalid_token", "Invalid token")
_WORDS = {
    Reason.WRONG_TYPE: ("invalid_token_type", "Invalid token type"),
    Reason.TOKEN_EXPIRED: ("token_expired", "Token expired"),
}


async def login(request: Request) -> Response:
    """Exchange e-mail and password for tokens."""
    context = context_of(request)
    body = await json_object(request, context.options.body_limit)
    attempt = accounts.Attempt(
        email=text_of(body, "email"),
        password=text_of(body, "password"),
        client=visit_of(request).client,
    )
    accounts.require_both(attempt)
    tokens = await accounts.issue_tokens(context, attempt)
    return json_answer(tokens.as_dict())


async def refresh(request: Request) -> Response:
    """Exchange a refresh token for new tokens."""
    context, visit = context_of(request), visit_of(request)
    body = await json_object(request, context.options.body_limit)
    token = text_of(body, "refresh_token")
    if not token:
        raise Refusal(error_reply(400, "refresh_token_required", "Refresh token required"))
    answer = await context.sessions.refresh(
        token, visit.client, rate=context.sessions.settings.rate
    )
    _require_quota(context, visit, answer.taken)
    if answer.tokens is None:
        raise _unauthorised(answer.reason)
    return json_answer(answer.tokens.as_dict())


async def logout(request: Request) -> Response:
    """End the session of an access token, and every credential of it; never over a budget."""
    context = context_of(request)
    await no_other_body(request, context.options.body_limit)
    session = await _bearer_session(context, visit_of(request))
    await context.sessions.sign_out(session)
    return json_answer({"message": "Logged out successfully"})


ROUTES = (
    Route("/login", login, methods=["POST"]),
    Route("/refresh", refresh, methods=["POST"]),
    Route("/api/auth/refresh", refresh, methods=["POST"]),
    Route("/api/auth/logout", logout, methods=["POST"]),
)


async def _bearer_session(context: ServiceContext, visit: Visit) -> Session:
    token = visit.request.bearer
    if token is None:
        challenge = ("WWW-Authenticate", "Bearer")
        raise Refusal(error_reply(401, "no_token", "No token provided", challenge))
    session = await context.sessions.begin_bearer(token, visit.client)
    if session.record is None:
        raise _unauthorised(session.reason)
    return session


def _require_quota(context: ServiceContext, visit: Visit, taken: Taken | None) -> None:
    reply = refuse(context.sessions.auditor, visit, taken)
    if reply is not None:
        raise Refusal(reply)


def _unauthorised(reason: Reason | None) -> Refusal:
    code, message = _INVALID if reason is None else _WORDS.get(reason, _INVALID)
    challenge = ("WWW-Authenticate", 'Bearer error="invalid_token"')
    return Refusal(error_reply(401, code, message, challenge))
