"""The OpenAPI 3.1 document of the JSON routes, as data. Off unless asked for (R168)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from holdfast import __version__
from holdfast.service.answers import json_answer
from holdfast.service.backend import openapi as backend

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

Json = dict[str, Any]

EXAMPLE_USER = {"email": "ada@example.org", "password": "correct horse battery staple"}
"""The test that carries out the examples makes this user first."""


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": __version__,
            "description": "Sessions: one record each, and every credential dies with it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            **_token_paths(),
            **_browser_paths(),
            **_session_paths(),
            **_introspection_paths(),
            **_forward_auth_paths(),
            **_health_paths(),
            **backend.paths(),
        },
        "components": {
            "schemas": _SCHEMAS | backend.schemas(),
            "securitySchemes": _SECURITY,
        },
    }


async def show(_request: Request) -> Response:
    """The document."""
    return json_answer(document())


ROUTES = (Route("/openapi.json", show),)

_REASONS = {
    "400": "Malformed.",
    "401": "Not signed in, or wrong credentials.",
    "403": "CSRF check failed, or not allowed.",
    "404": "There is no such session, or it is not yours.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "Another content type than JSON.",
    "429": "Too many; `Retry-After` says when to try again.",
    "503": "The store cannot answer; `Retry-After` says when to try again.",
}
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
    "backend": {"type": "http", "scheme": "bearer", "description": "A service key."},
    "service": {"type": "http", "scheme": "bearer", "description": "The introspection key."},
}
_SIGNED_IN: list[Json] = [{"bearer": []}, {"cookie": []}]
_CSRF = {
    "name": "X-CSRF-Token",
    "in": "header",
    "description": "Required with the session cookie; a token of `GET /csrf-token`.",
    "schema": {"type": "string"},
}
_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A session's public id.",
    "schema": {"type": "string"},
}


def _object(**properties: Any) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_SCHEMAS = {
    "Error": _object(error=_TEXT, code=_TEXT),
    "Credentials": _object(email=_TEXT, password=_TEXT),
    "RefreshToken": _object(refresh_token=_TEXT),
    "Password": _object(password=_TEXT),
    "Tokens": _object(
        access_token=_TEXT,
        refresh_token=_TEXT,
        expires_in={"type": "integer"},
        token_type={"const": "Bearer"},
    ),
    "Message": _object(message=_TEXT),
    "Success": _object(success={"const": True}),
    "CsrfToken": _object(csrfToken=_TEXT),
    "Me": _object(subject=_TEXT, email=_MAYBE, role=_MAYBE, authenticated_at=_TIME),
    "Session": _object(
        id=_TEXT,
        device=_TEXT,
        created_at=_TIME,
        last_seen_at=_TIME,
        address=_MAYBE,
        current={"type": "boolean"},
    ),
    "Sessions": _object(
        sessions={"type": "array", "items": {"$ref": "#/components/schemas/Session"}},
        after=_MAYBE,
    ),
    "Ended": _object(ended={"type": "integer"}),
    "Introspection": {
        "type": "object",
        "required": ["active"],
        "properties": {"active": {"type": "boolean"}},
    },
    "KeySet": _object(keys={"type": "array", "items": {"type": "object"}}),
    "Status": _object(status=_TEXT),
    "Ready": {**_object(status=_TEXT), "properties": {"status": _TEXT, "durability": _TEXT}},
    "Nothing": {"type": "object", "maxProperties": 0},
}


def _content(schema: str, example: Any = None) -> Json:
    media: Json = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"application/json": media if example is None else {**media, "example": example}}


def _operation(
    summary: str,
    answer: str,
    *errors: int,
    body: str | None = None,
    example: Any = None,
    **more: Any,
) -> Json:
    """One operation: what it answers, and with which errors."""
    responses: Json = {"200": {"description": "Done.", "content": _content(answer)}}
    for status in map(str, errors):
        responses[status] = {"description": _REASONS[status], "content": _content("Error")}
    operation: Json = {"summary": summary, "responses": responses, **more}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _content(body, example)}
    return operation


def _token_paths() -> Json:
    refresh = _operation(
        "Exchange a refresh token for new tokens",
        *("Tokens", 400, 401, 408, 413, 415, 429, 503),
        body="RefreshToken",
        example={"refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCJ9.…"},
    )
    return {
        "/login": {
            "post": _operation(
                "Exchange e-mail and password for tokens",
                *("Tokens", 400, 401, 403, 408, 413, 415, 429, 503),
                body="Credentials",
                example=EXAMPLE_USER,
            )
        },
        "/refresh": {"post": refresh},
        "/api/auth/refresh": {"post": refresh},
        "/api/auth/logout": {
            "post": _operation(
                "End the session of the access token, with all its credentials",
                *("Message", 401, 408, 413, 415, 503),
                security=[{"bearer": []}],
            )
        },
    }


def _browser_paths() -> Json:
    signed_in: Json = {"security": _SIGNED_IN, "parameters": [_CSRF]}
    return {
        "/csrf-token": {"get": _operation("A token for the next unsafe request", "CsrfToken", 503)},
        "/api/login": {
            "post": _operation(
                "Sign a browser in: sets the session cookie",
                *("Success", 400, 401, 403, 408, 413, 415, 429, 503),
                body="Credentials",
                example=EXAMPLE_USER,
                parameters=[{**_CSRF, "required": True}],
            )
        },
        "/api/logout": {
            "post": _operation(
                "Sign the browser out, and clear what it keeps",
                *("Success", 401, 403, 408, 413, 415, 503),
                **signed_in,
            )
        },
        "/api/reauthenticate": {
            "post": _operation(
                "The password once more: the session gets a new cookie",
                *("Success", 400, 401, 403, 408, 413, 415, 429, 503),
                body="Password",
                example={"password": EXAMPLE_USER["password"]},
                **signed_in,
            )
        },
        "/api/me": {
            "get": _operation("Who is signed in", "Me", 401, 503, security=_SIGNED_IN),
        },
    }


def _session_paths() -> Json:
    paging = [
        {
            "name": "after",
            "in": "query",
            "schema": _TEXT,
            "description": "Continue behind this id.",
        },
        {
            "name": "limit",
            "in": "query",
            "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 100},
        },
    ]
    return {
        "/api/sessions": {
            "get": _operation(
                "My sessions", "Sessions", 400, 401, 503, security=_SIGNED_IN, parameters=paging
            )
        },
        "/api/sessions/{id}": {
            "delete": _operation(
                "End one of my sessions; needs a fresh sign-in",
                *("Success", 401, 403, 404, 429, 503),
                security=_SIGNED_IN,
                parameters=[_ID, _CSRF],
            )
        },
        "/api/sessions/end-others": {
            "post": _operation(
                "End all my other sessions; needs a fresh sign-in",
                *("Ended", 401, 403, 415, 429, 503),
                security=_SIGNED_IN,
                parameters=[_CSRF],
            )
        },
    }


def _introspection_paths() -> Json:
    token = {"application/x-www-form-urlencoded": {"schema": _object(token=_TEXT)}}
    asked: Json = {
        "security": [{"service": []}],
        "requestBody": {"required": True, "content": token},
    }
    errors = (400, 401, 408, 413, 415, 503)
    return {
        "/introspect": {
            "post": _operation("What a token means (RFC 7662)", "Introspection", *errors, **asked)
        },
        "/revoke": {"post": _operation("End a token (RFC 7009)", "Nothing", *errors, **asked)},
    }


def _forward_auth_paths() -> Json:
    def told(name: str, description: str, example: str) -> Json:
        return {
            "name": f"X-Forwarded-{name}",
            "in": "header",
            "required": True,
            "description": description,
            "schema": _TEXT,
            "example": example,
        }

    def asked(name: str, description: str) -> Json:
        return {"name": name, "in": "query", "description": description, "schema": _TEXT}

    facts = [
        told("Method", "Of the request.", "GET"),
        told("Uri", "Its path and query, as they were sent.", "/reports?year=2026"),
        asked("role", "A role to insist on."),
        asked("refused", "The request has been refused: the question is with what."),
    ]
    operation = _operation(
        "Whether a request may pass: for a trusted proxy, which gets `X-Auth-Subject`, "
        "`X-Auth-Session` and `X-Auth-Roles`",
        *("Nothing", 400, 401, 403, 429, 503),
        security=_SIGNED_IN,
        parameters=facts,
    )
    operation["responses"]["200"] = {"description": "It may pass; who it is, in headers."}
    operation["responses"]["302"] = {"description": "A person is sent to sign in."}
    return {"/forward-auth": {"get": operation}}


def _health_paths() -> Json:
    return {
        "/healthz": {"get": _operation("The process answers", "Status")},
        "/readyz": {"get": _operation("The store answers and takes writes", "Ready", 503)},
        "/.well-known/jwks.json": {
            "get": _operation("Public keys of access tokens (RFC 7517)", "KeySet")
        },
    }
