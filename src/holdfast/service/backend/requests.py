"""Judging requests in place of an application's own chain: begin before its handler, commit after.

The application hands over the facts of a request as an adapter does, gets the session or a refusal,
runs its handler, and hands over what the handler did. Cookies, refusals, CSRF and quotas are those
of the chain, so an application in any language behaves as one in Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Chain, Proof, Reply, Visit
from holdfast.chain import Request as ChainRequest
from holdfast.errors import Conflict, HoldfastError, SessionEnded
from holdfast.service.answers import json_answer
from holdfast.service.backend.asking import authorised, body_of, checked, sign_in
from holdfast.service.backend.idempotency import once
from holdfast.service.backend.keeping import kept_of
from holdfast.service.backend.shapes import described

if TYPE_CHECKING:
    from holdfast.service.context import ServiceContext
    from holdfast.session import Session

SCOPE = "requests"
_PATH = "/requested"
"""The path that the chain sees: the application's paths are not this service's."""
_ABSENT = object()


class Facts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One request, as the application's server saw it. Header names are in lower case.

    `peer` is the address of the connection. `form_token` is the form field that holds a CSRF token.
    """

    method: str
    scheme: Literal["http", "https"]
    host: str
    path: str
    peer: str | None = None
    headers: dict[str, str] = {}
    form_token: str | None = None
    websocket: bool = False

    def __repr__(self) -> str:
        return f"<Facts {self.method}>"


class SignIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag="sign_in"):
    """Make this the session of a subject, under a new id."""

    subject: str
    claims: dict[str, Any] = {}
    keep_data: bool = True
    acr: str | None = None
    amr: tuple[str, ...] = ()


class SignOut(msgspec.Struct, forbid_unknown_fields=True, tag="sign_out"):
    """End the session and every credential of it."""


class Rotate(msgspec.Struct, forbid_unknown_fields=True, tag="rotate"):
    """Go on under a new secret."""

    reauthenticated: bool = False


class Begin(msgspec.Struct, forbid_unknown_fields=True):
    """A request before its handler runs. `keep` asks how long its session may be kept."""

    request: Facts
    keep: bool = False


class Commit(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A request after its handler: `status` of its answer, what it did, what `begin` had proved.

    `clear` comes before `set` and `delete`. `base` has the values, as the handler was given them, of
    what it changed: where the session has another one by now, nothing is carried out (409).
    `session` is the id of the session that it had: if that has ended, so has the request (401), and
    what it wrote makes no new session.
    `csrf_token` asks for a token for the next request.
    """

    request: Facts
    status: int = 200
    proof: Proof | None = None
    intent: SignIn | SignOut | Rotate | None = None
    set: dict[str, Any] = {}
    delete: tuple[str, ...] = ()
    clear: bool = False
    base: dict[str, Any] | None = None
    session: str | None = None
    csrf_token: bool = False


async def begin(request: Request) -> Response:
    """Judge a request: `reply` is set if it is refused; otherwise its session, null for none.

    `due`: a commit has to follow, whatever the handler does; its answer has a cookie to set.
    """
    return json_answer(await begun(authorised(request, SCOPE), await body_of(request, Begin)))


async def begun(context: ServiceContext, wanted: Begin) -> dict[str, Any]:
    """The answer of `begin`."""
    visit = await context.assembly.chain.begin(_chain_request(wanted.request))
    if visit.reply is not None:
        return {"reply": _reply(visit.reply)}
    session = visit.session
    answer = {
        "reply": None,
        "session": described(session),
        "reason": session.reason,
        "via": visit.came_by,
        "proof": visit.csrf,
        "due": visit.forget_old,
    }
    if wanted.keep:
        answer["keep"] = None if visit.forget_old else await kept_of(context, session)
    return answer


async def commit(request: Request) -> Response:
    """Carry out what a handler did: headers for its answer, or a `reply` that replaces it."""
    return json_answer(await committed(authorised(request, SCOPE), await body_of(request, Commit)))


async def committed(context: ServiceContext, wanted: Commit) -> dict[str, Any]:
    """The answer of `commit`; raises what is wrong with the request, as a refusal."""
    chain = context.assembly.chain
    near = wanted.intent is None and not wanted.csrf_token
    visit, error = await _resumed(chain, wanted, near=near)
    if near and error is not None:  # what was kept is no ground for a refusal
        visit, error = await _resumed(chain, wanted, near=False)
    if visit.reply is not None:
        return {"reply": _reply(visit.reply)}
    if error is not None:
        return {"reply": _reply(chain.refused(visit, error))}
    with checked():
        token = _apply(chain, visit, wanted)
    reply = await chain.commit(visit, wanted.status)
    if reply.status is not None:
        return {"reply": _reply(reply)}
    return {
        "reply": None,
        "headers": [list(pair) for pair in reply.headers],
        "session": described(visit.session),
        "csrf_token": token,
    }


ROUTES = (
    Route("/backend/v1/requests/begin", begin, methods=["POST"]),
    Route("/backend/v1/requests/commit", once(SCOPE, commit), methods=["POST"]),
)


def _chain_request(facts: Facts) -> ChainRequest:
    async def field(_name: str) -> str | None:
        return facts.form_token

    return ChainRequest(
        method=facts.method,
        scheme=facts.scheme,
        host=facts.host,
        path=_PATH,
        peer=facts.peer,
        headers=facts.headers,
        form_field=field,
        websocket=facts.websocket,
    )


def _reply(reply: Reply) -> dict[str, Any]:
    return {
        "status": reply.status,
        "headers": [list(pair) for pair in reply.headers],
        "body": reply.body.decode(),
    }


async def _resumed(
    chain: Chain, wanted: Commit, *, near: bool
) -> tuple[Visit, HoldfastError | None]:
    """The visit that `begin` has let in, and what has overtaken it."""
    visit = await chain.resume(_chain_request(wanted.request), wanted.proof, near=near)
    if visit.reply is not None:
        return visit, None
    visit.require_session()
    return visit, _overtaken(visit.session, wanted)


def _overtaken(session: Session, wanted: Commit) -> HoldfastError | None:
    """What another request has done meanwhile that this one must not write over."""
    if isinstance(wanted.intent, SignIn | SignOut):
        return None
    if wanted.session is not None and session.id != wanted.session:
        return SessionEnded("the session ended while the request was under way")
    base = wanted.base
    if base is None or session.record is None:
        return None
    named = {*wanted.set, *wanted.delete, *(base if wanted.clear else ())}
    changed = any(session.get(name, _ABSENT) != base.get(name, _ABSENT) for name in named)
    return Conflict("another request changed the same key") if changed else None


def _apply(chain: Chain, visit: Visit, wanted: Commit) -> str | None:
    """Do to the session what the handler did to its copy; a CSRF token for what it is then."""
    session, intent = visit.session, wanted.intent
    if wanted.clear:
        session.clear()
    session.update(wanted.set)
    for name in wanted.delete:
        session.pop(name, None)
    match intent:
        case SignIn():
            sign_in(session, intent.subject, intent.claims, **_options(intent))
        case SignOut():
            session.sign_out()
        case Rotate():
            session.rotate(reauthenticated=intent.reauthenticated)
        case None if wanted.csrf_token:
            return chain.csrf.token(visit)
        case None:
            pass
    return None


def _options(intent: SignIn) -> dict[str, Any]:
    return {"keep_data": intent.keep_data, "acr": intent.acr, "amr": intent.amr}
