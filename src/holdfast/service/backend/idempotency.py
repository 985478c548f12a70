"""The header `Idempotency-Key`: a request that is sent again is not carried out again.

As draft-ietf-httpapi-idempotency-key-header-07 has it: another request under the same key is refused
with 422, and one that comes while the first is under way with 409. Keys of different service keys
have nothing to do with each other.

Only an answer that something was done is kept. After a refusal nothing was, and after an outage the
client has nothing of it, so a retry is carried out. Each of these requests may be: its writes are
conditional, and a session whose cookie nobody was given can only end.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from holdfast.chain import Refusal, error_reply
from holdfast.errors import HoldfastError
from holdfast.service.backend.asking import body_limit, service_key
from holdfast.service.backend.claims import Answered
from holdfast.service.bodies import bounded
from holdfast.service.context import context_of

if TYPE_CHECKING:
    from holdfast.service.backend.claims import Claim, Claims
    from holdfast.web.asgi_types import Message

Handler = Callable[[Request], Awaitable[Response]]

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_KEY = re.compile(r'"?([A-Za-z0-9._~:+/=-]{16,128})"?')
_JSON = {"Content-Type": "application/json; charset=utf-8"}


class _Commit(msgspec.Struct):
    """What an answer of `/requests/commit` may hold, and that of no other route does."""

    reply: dict[str, Any] | None = None


_handed_on = msgspec.json.Decoder(_Commit).decode


def once(scope: str, handler: Handler) -> Handler:
    """The handler of a route of this scope, so that its clients may name their requests.

    It raises as the handler, and:

    Raises:
        Refusal: 400 `idempotency_key_invalid`, or as `Claims.make`.
    """

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        if HEADER not in request.headers:
            return await handler(request)
        owner = service_key(request, scope)
        context = context_of(request)
        key, raw = _key(request), await bounded(request, body_limit(context))
        claims = context.claims
        claim = await claims.make(owner.name, key, _fingerprint(request, raw))
        if isinstance(claim, Answered):
            return Response(claim.body, claim.status, {**_JSON, REPLAYED: "true"})
        return await _carried_out(claims, claim, handler(_again(request, raw)))

    return guarded


def _key(request: Request) -> str:
    """The key: a structured string, or the same without its quotation marks, as most send it."""
    sent = request.headers.getlist(HEADER)
    match = _KEY.fullmatch(sent[0]) if len(sent) == 1 else None
    if match is None or sent[0].count('"') == 1:
        message = f"{HEADER}: one text of 16 to 128 letters, digits, and ._~:+/=-"
        raise Refusal(error_reply(400, "idempotency_key_invalid", message))
    return match[1]


def _fingerprint(request: Request, raw: bytes) -> bytes:
    """What makes two requests the same one."""
    path, query = request.url.path, request.url.query
    return sha256(f"{request.method}\0{path}\0{query}\0".encode() + raw).digest()


def _again(request: Request, raw: bytes) -> Request:
    """The request, with its body still to be read."""

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    return Request(request.scope, receive)


async def _carried_out(claims: Claims, claim: Claim, answering: Awaitable[Response]) -> Response:
    try:
        answer = await answering
    except HoldfastError:
        await claims.release(claim)
        raise
    if _handed_on(answer.body).reply is None:
        await claims.keep(claim, Answered(answer.status_code, bytes(answer.body)))
    else:  # a refusal of the chain, or that the store was away
        await claims.release(claim)
    return answer
