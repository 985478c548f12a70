"""What all questions of the back-end API have in common: the key, the body, mistakes in it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from holdfast.chain import Refusal, error_reply
from holdfast.errors import DataError, SessionClosed, TooLarge, UsageError
from holdfast.events import EventName, Severity
from holdfast.protocols import ClientFacts, Reading
from holdfast.record import CLAIMS
from holdfast.rules import agent
from holdfast.service.backend import keys
from holdfast.service.bodies import JSON, bounded, media_type
from holdfast.service.context import ServiceContext, context_of
from holdfast.web.asgi import visit_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from holdfast.session import Session

Body = TypeVar("Body")

_OPTIONS = frozenset({"keep_data", "policy", "acr", "amr", "label", "still_valid"})
_LIMIT = 256 * 1024
"""Bytes of a body beside a session's data, which is the largest thing in one."""


class Client(msgspec.Struct, forbid_unknown_fields=True):
    """What the application knows of its client: signals for people and audit (P61)."""

    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    def facts(self) -> ClientFacts:
        """The same for the engine, which keeps and logs it: texts of bounded length, in one line.

        An application passes on what its own clients have said, perhaps unseen.
        """
        address, request_id = (
            text and agent.clean(text) for text in (self.address, self.request_id)
        )
        return ClientFacts(address, self.user_agent, request_id)


def authorised(request: Request, scope: str) -> ServiceContext:
    """The service, for somebody whose key has this scope.

    Raises:
        Refusal: 401 without a valid key, 403 `scope_missing` with one that is for something else.
    """
    service_key(request, scope)
    return context_of(request)


def service_key(request: Request, scope: str) -> keys.ServiceKey:
    """The key of this request, which has this scope; raises as `authorised`."""
    context, visit = context_of(request), visit_of(request)
    key = keys.find(context.service_keys, visit.request.bearer or "")
    if key is not None and scope in key.scopes:
        return key
    context.sessions.auditor.emit(
        EventName.AUTHZ_FAIL,
        visit.client,
        reason="scope_missing" if key else "service_key",
        severity=Severity.WARN,
    )
    if key is not None:
        raise Refusal(error_reply(403, "scope_missing", f"The key lacks the scope {scope}"))
    challenge = ("WWW-Authenticate", 'Bearer realm="backend"')
    raise Refusal(error_reply(401, "unauthenticated", "Unauthorized", challenge))


async def body_of(request: Request, kind: type[Body]) -> Body:
    """The body as this shape; unknown fields are refused, so that a misspelt one is not lost.

    Raises:
        Refusal: 415, 413, or 400 `invalid_body` naming the place.
    """
    return decoded(await raw_body(request, JSON) or b"{}", kind)


async def raw_body(request: Request, kind: str) -> bytes:
    """The body, which is of this media type.

    Raises:
        Refusal: 415 or 413.
    """
    if media_type(request) != kind:
        raise Refusal(error_reply(415, "unsupported_media_type", f"Content-Type must be {kind}"))
    return await bounded(request, body_limit(context_of(request)))


def body_limit(context: ServiceContext) -> int:
    """Bytes of a body: a commit has the new values and those that the handler was given."""
    return _LIMIT + 2 * context.sessions.settings.data_limit


def decoded(raw: bytes, kind: type[Body]) -> Body:
    """This JSON as this shape.

    Raises:
        Refusal: 400 `invalid_body` naming the place.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(error_reply(400, "invalid_body", _place(error))) from None


@contextmanager
def checked() -> Generator[None]:
    """What the engine calls a mistake of the application came in the body here: 400 or 413."""
    try:
        yield
    except SessionClosed:
        raise
    except TooLarge as error:
        raise Refusal(error_reply(413, error.code, str(error))) from None
    except (UsageError, DataError) as error:
        raise Refusal(error_reply(400, error.code, str(error))) from None


def sign_in(session: Session, subject: str, claims: dict[str, Any], **options: Any) -> None:
    """`session.sign_in` with claims that came in a body.

    Raises:
        Refusal: 400, a claim has the name of an option.
        UsageError: subject or claims will not do.
    """
    taken = claims.keys() & _OPTIONS
    if taken:
        raise Refusal(error_reply(400, "invalid_body", f"claims: {min(taken)} is no claim"))
    session.sign_in(subject, **options, **claims)


async def looked(context: ServiceContext, id: str) -> Reading:
    """What the store says of the session that is meant.

    Raises:
        Refusal: 404, it is a claim: whoever ends one has the request under it carried out twice.
        StoreError: the store cannot answer.
    """
    reading = await context.sessions.look(id)
    if reading.record is not None and reading.record.policy.name in CLAIMS:
        raise not_found()
    return reading


def not_found() -> Refusal:
    """There is no such session."""
    return Refusal(error_reply(404, "not_found", "Not found"))


def _place(error: Exception) -> str:
    """Msgspec names fields and types, never values; other errors say nothing of use."""
    is_shape = isinstance(error, msgspec.ValidationError)
    return str(error) if is_shape else "The body is no valid JSON"
