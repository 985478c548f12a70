"""The back-end API as part of the OpenAPI document; bodies are described by their own types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.service.backend import requests, sessions, together, tokens
from holdfast.service.backend.idempotency import HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_BODIES = (
    *(sessions.New, sessions.Change, sessions.Rotation),
    *(tokens.Issue, tokens.Refresh, tokens.Verify, tokens.Revoke, tokens.TokenStatus),
    *(requests.Begin, requests.Commit),
)
_FACTS = {
    "method": "GET",
    "scheme": "http",
    "host": "127.0.0.1:8080",
    "path": "/cart",
    "peer": "127.0.0.1",
}
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
_OBJECT: Json = {"type": "object"}
_MAYBE: Json = {"type": ["object", "null"]}
_TEXT: Json = {"type": "string"}
_MS: Json = {"type": "integer", "description": "Milliseconds."}
_KEEP: Json = {
    "type": ["object", "null"],
    "description": "How long this may be kept by who follows the changes, and under which node.",
    "properties": {"node": _TEXT, "for_ms": _MS},
}
_DUE: Json = {
    "type": "boolean",
    "description": "A commit has to follow, whatever the handler does: there is a cookie to set.",
}
_STREAM: Json = {
    "description": "Events `open`, `changed`, `forget` and `proof`; it ends with the connection.",
    "content": {"text/event-stream": {"schema": _TEXT}},
}
_LINE: Json = {
    "type": "array",
    "description": "Of each question: its place, status, body, and the seconds to wait if it says so.",
    "prefixItems": [{"type": "integer"}, {"type": "integer"}, _OBJECT, {"type": "integer"}],
    "minItems": 3,
    "maxItems": 4,
}
_LINES: Json = {
    "description": "A line for each question, as soon as there is an answer, whatever it is.",
    "content": {together.LINES: {"schema": _LINE}},
}
_ONCE: Json = {
    "name": HEADER,
    "in": "header",
    "description": "A name of the request: sent again under it, it is not carried out again.",
    "schema": {"type": "string", "minLength": 16, "maxLength": 130},
    "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
}
_ID: Json = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "A session's public id.",
    "schema": _TEXT,
}


def schemas() -> Json:
    """The schemas of all bodies by name."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template=_REF)
    plain: Json = msgspec.json.decode(msgspec.json.encode(components))  # tuples become lists
    return plain


def paths() -> Json:
    """The operations."""
    found = _session_paths() | _token_paths() | _change_paths() | _request_paths()
    return {f"/backend/v1{path}": methods for path, methods in found.items()}


def _session_paths() -> Json:
    session = _object(id=_TEXT, subject={"type": ["string", "null"]}, claims=_OBJECT, data=_MAYBE)
    given = _object(session=session, cookie=_TEXT, set_cookie=_TEXT)
    read = _object(**session["properties"], keep=_KEEP)
    ended, of = _object(ended={"type": "integer"}), _query("subject", "Whose.", required=True)
    below = _query("prefix", "How the subjects begin, instead.")
    some, of_some = _object(sessions={"type": "array"}), {**of, "required": False}
    after, keep = _query("after", "Continue behind this id."), _query("keep", "An id to keep.")
    return {
        "/sessions": {
            "post": _operation("Make a session", given, sessions.New, status="201", once=True),
            "get": _operation("Sessions of a subject", some, parameters=[of_some, below, after]),
            "delete": _operation("End those of a subject", ended, parameters=[of, keep]),
        },
        "/sessions/{id}": {
            "get": _operation("Read a session", read, parameters=[_ID]),
            "patch": _operation(
                "Change its data", session, sessions.Change, parameters=[_ID], once=True
            ),
            "delete": _operation("End it", ended, parameters=[_ID]),
        },
        "/sessions/{id}/rotate": {
            "post": _operation(
                "Give it a new secret", given, sessions.Rotation, parameters=[_ID], once=True
            )
        },
    }


def _token_paths() -> Json:
    pair = _object(access_token=_TEXT, refresh_token=_TEXT, expires_in={"type": "integer"})
    means, revoked = _object(claims=_MAYBE), _object(revoked={"type": "boolean"})
    posts = {
        "/tokens": _operation("Make tokens", pair, tokens.Issue, status="201", once=True),
        "/tokens/refresh": _operation("Exchange a refresh token", pair, tokens.Refresh, once=True),
        "/tokens/verify": _operation("What a token means", means, tokens.Verify),
        "/tokens/revoke": _operation("End a token", revoked, tokens.Revoke, once=True),
        "/tokens/status": _operation("Whether a token was ended", revoked, tokens.TokenStatus),
    }
    return {path: {"post": operation} for path, operation in posts.items()}


def _change_paths() -> Json:
    return {
        "/changes": {
            "get": {
                **_operation("Hear which sessions change", _OBJECT),
                "responses": {"200": _STREAM, **_refusals()},
            }
        },
        "/changes/clock": {
            "get": _operation(
                "This moment on the clock of the proofs", _object(clock=_TEXT, now=_MS)
            )
        },
    }


def _request_paths() -> Json:
    judged = _object(reply=_MAYBE)
    begun = {**judged, "properties": {**judged["properties"], "due": _DUE}}
    done = "Carry out what its handler did"
    return {
        "/requests/begin": {"post": _operation("Judge a request", begun, requests.Begin)},
        "/requests/commit": {"post": _operation(done, judged, requests.Commit, once=True)},
        "/requests/together": {"post": _several()},
    }


_EXAMPLES: dict[type, Json] = {
    sessions.New: {"subject": "ada", "claims": {"role": "admin"}, "data": {"cart": [1]}},
    sessions.Change: {"set": {"cart": [1, 2]}, "delete": ["draft"]},
    sessions.Rotation: {"reauthenticated": True, "amr": ["pwd", "otp"]},
    tokens.Issue: {"subject": "ada", "claims": {"email": "ada@example.org"}},
    tokens.Refresh: {"refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6InJ0K2p3dCJ9.…"},
    tokens.Verify: {"token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…"},
    tokens.Revoke: {"token": "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.…"},
    tokens.TokenStatus: {"jti": "aa1AAAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA"},
    requests.Begin: {"request": {**_FACTS, "headers": {"cookie": "__Host-session=…"}}},
    requests.Commit: {"request": _FACTS, "status": 200, "set": {"theme": "dark"}},
}
_REFUSED = {
    "400": "The request is malformed, or lacks something.",
    "401": "No credential, or none that counts.",
    "403": "Not allowed: the origin, the CSRF token, the role, the key, or plain HTTP.",
    "404": "No such path or session, or it is somebody else's.",
    "408": "The request took too long to arrive.",
    "409": "Another request was faster; look again.",
    "413": "The body is too large.",
    "415": "The body is of a kind that is not taken here.",
    "422": "The Idempotency-Key was used for another request.",
    "429": "Too many requests; Retry-After says when.",
    "503": "The store cannot answer, or has not proved it yet; a retry is safe.",
}


def _operation(
    summary: str,
    answer: Json,
    body: type[msgspec.Struct] | None = None,
    *,
    status: str = "200",
    parameters: Sequence[Json] = (),
    once: bool = False,
) -> Json:
    """One operation; `once`: its requests may have a name of their own."""
    done = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
    operation: Json = {
        "summary": summary,
        "security": [{"backend": []}],
        "parameters": [*parameters, _ONCE] if once else [*parameters],
        "responses": {status: done, **_refusals()},
    }
    if body is not None:
        media = {"schema": {"$ref": _REF.format(name=body.__name__)}, "example": _EXAMPLES[body]}
        operation["requestBody"] = {"required": True, "content": {"application/json": media}}
    return operation


def _several() -> Json:
    kinds = {"begin": requests.Begin, "commit": requests.Commit}
    bodies = [{"$ref": _REF.format(name=each.__name__)} for each in kinds.values()]
    ask = {"type": "array", "prefixItems": [{"enum": list(kinds)}, {"oneOf": bodies}]}
    content = {together.LINES: {"schema": ask, "example": ["begin", {"request": _FACTS}]}}
    described = _operation("Several of both in one call, one a line", _OBJECT)
    described["responses"]["200"] = _LINES
    return {**described, "requestBody": {"required": True, "content": content}}


def _refusals() -> Json:
    return {
        status: {"description": meaning, "content": _ERROR} for status, meaning in _REFUSED.items()
    }


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _query(name: str, description: str, *, required: bool = False) -> Json:
    query = {"name": name, "in": "query", "description": description, "schema": _TEXT}
    return {**query, "required": True, "example": "ada"} if required else query
