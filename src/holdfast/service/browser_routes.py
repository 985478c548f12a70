"""Browsers with scripts: a CSRF token, sign-in and sign-out by cookie, the password once more."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.service import accounts
from holdfast.service.answers import json_answer
from holdfast.service.bodies import json_object, no_other_body, text_of
from holdfast.service.context import context_of
from holdfast.service.moments import iso
from holdfast.web.asgi import csrf_token, require, require_csrf, session_of


async def new_csrf_token(request: Request) -> Response:
    """A token for the next unsafe request; with the pre-session cookie if there is no session."""
    return json_answer({"csrfToken": csrf_token(request)})


async def login(request: Request) -> Response:
    """Sign a browser in."""
    require_csrf(request)
    context, session = context_of(request), session_of(request)
    body = await json_object(request, context.options.body_limit)
    attempt = accounts.Attempt(
        email=text_of(body, "email"),
        password=text_of(body, "password"),
        client=session.client,
        cookies=request.headers.get("cookie", ""),
    )
    accounts.require_both(attempt)
    known_device = await accounts.sign_in(context, session, attempt)
    answer = json_answer({"success": True})
    answer.headers.append("Set-Cookie", known_device)
    return answer


async def logout(request: Request) -> Response:
    """End the session, and clear what the browser keeps of it."""
    session = require(request)
    await no_other_body(request, context_of(request).options.body_limit)
    session.sign_out()
    return json_answer({"success": True})


async def reauthenticate(request: Request) -> Response:
    """Prove again who is signed in; the session gets a new cookie."""
    session, context = require(request), context_of(request)
    body = await json_object(request, context.options.body_limit)
    cookies = request.headers.get("cookie", "")
    await accounts.reauthenticate(context, session, text_of(body, "password"), cookies)
    return json_answer({"success": True})


async def me(request: Request) -> Response:
    """Who is signed in."""
    session = require(request)
    return json_answer(
        {
            "subject": session.subject,
            "email": session.claims.get("email"),
            "role": session.claims.get("role"),
            "authenticated_at": iso(session.authenticated_at or 0),
        }
    )


ROUTES = (
    Route("/csrf-token", new_csrf_token),
    Route("/api/login", login, methods=["POST"]),
    Route("/api/logout", logout, methods=["POST"]),
    Route("/api/reauthenticate", reauthenticate, methods=["POST"]),
    Route("/api/me", me),
)
