"""Sessions by their public id, and those of one subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.rules.secret import valid_id
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
from holdfast.service.backend.keeping import kept
from holdfast.service.backend.shapes import described, listed
from holdfast.session import Session

if TYPE_CHECKING:
    from holdfast.service.context import ServiceContext

_MOST = 100
_SCOPE = "sessions"


class New(msgspec.Struct, forbid_unknown_fields=True):
    """A session to be made. Without a subject it is an anonymous one, which needs data."""

    subject: str | None = None
    claims: dict[str, Any] = {}
    data: dict[str, Any] = {}
    client: Client = msgspec.field(default_factory=Client)
    policy: str = "default"
    acr: str | None = None
    amr: tuple[str, ...] = ()
    label: str | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """Keys to set and to delete; with `if_version` only if nothing has changed since."""

    set: dict[str, Any] = {}
    delete: tuple[str, ...] = ()
    if_version: str | None = None


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """A new secret: after a re-authentication, or a change of rights."""

    reauthenticated: bool = False
    acr: str | None = None
    amr: tuple[str, ...] = ()
    claims: dict[str, Any] | UnsetType = UNSET


async def create(request: Request) -> Response:
    """A new session and its cookie, which is shown this once."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, New)
    session = Session(client=wanted.client.facts())
    with checked():
        session.update(wanted.data)
        if wanted.subject is not None:
            sign_in(session, wanted.subject, wanted.claims, **_options(wanted))
        elif not wanted.data:
            raise Refusal(error_reply(400, "invalid_body", "A subject or data is needed (P5)"))
        await context.sessions.commit(session)
    return json_answer(_with_cookie(context, session), 201)


async def read(request: Request) -> Response:
    """One session with its data, as the store has it, and how long that may be kept."""
    context = authorised(request, _SCOPE)
    reading = await looked(context, request.path_params["id"])
    if reading.record is None:
        raise not_found()
    shown = described(context.sessions.opened(reading.record))
    return json_answer({**(shown or {}), "keep": await kept(context, reading, cookie=False)})


async def change(request: Request) -> Response:
    """Change some of a session's data; changes to other keys are kept (P3)."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, Change)
    session = await _loaded(context, request)
    if wanted.if_version not in {None, (described(session) or {}).get("version")}:
        raise Refusal(error_reply(409, "conflict", "The session has changed since"))
    with checked():
        session.update(wanted.set)
        for name in wanted.delete:
            session.pop(name, None)
        await context.sessions.commit(session)
    return json_answer(described(session))


async def rotate(request: Request) -> Response:
    """Give a session a new secret; its old cookie is refused at once (R14, R15)."""
    context = authorised(request, _SCOPE)
    wanted = await body_of(request, Rotation)
    session = await _loaded(context, request)
    with checked():
        session.rotate(
            reauthenticated=wanted.reauthenticated,
            acr=wanted.acr,
            amr=wanted.amr,
            claims=None if isinstance(wanted.claims, UnsetType) else wanted.claims,
        )
        await context.sessions.commit(session)
    return json_answer(_with_cookie(context, session))


async def end(request: Request) -> Response:
    """End one session; a retry after a 503 proves again."""
    context = authorised(request, _SCOPE)
    await looked(context, request.path_params["id"])
    ended = await context.sessions.revoke(request.path_params["id"], reason="backend")
    return json_answer({"ended": int(ended)})


async def of_subject(request: Request) -> Response:
    """A page of the living sessions of one subject, or with `prefix` of many; `after` continues."""
    context = authorised(request, _SCOPE)
    after, prefix = (request.query_params.get(name) for name in ("after", "prefix"))
    if prefix:
        return await _below(context, prefix, after)
    with checked():
        page = await context.sessions.sessions_of(_subject(request), after=after, limit=_MOST)
    return json_answer({"sessions": [listed(each) for each in page.records], "after": page.after})


async def _below(context: ServiceContext, prefix: str, after: str | None) -> Response:
    """Of all sessions there are, page by page, those whose subject begins like this."""
    if after is not None and not valid_id(after):
        raise Refusal(error_reply(400, "bad_parameter", "after: is an id"))
    page = await context.sessions.sessions_of_everyone(after=after, limit=_MOST)
    found = [each for each in page.records if (each.subject or "").startswith(prefix)]
    return json_answer({"sessions": [listed(each) for each in found], "after": page.after})


async def end_of_subject(request: Request) -> Response:
    """End all sessions of one subject, but `keep`."""
    context = authorised(request, _SCOPE)
    keep = request.query_params.get("keep")
    with checked():
        ended = await context.sessions.revoke_all(_subject(request), keep=keep)
    return json_answer({"ended": ended})


ROUTES = (
    Route("/backend/v1/sessions", once(_SCOPE, create), methods=["POST"]),
    Route("/backend/v1/sessions", of_subject),
    Route("/backend/v1/sessions", end_of_subject, methods=["DELETE"]),
    Route("/backend/v1/sessions/{id}", read),
    Route("/backend/v1/sessions/{id}", once(_SCOPE, change), methods=["PATCH"]),
    Route("/backend/v1/sessions/{id}", end, methods=["DELETE"]),
    Route("/backend/v1/sessions/{id}/rotate", once(_SCOPE, rotate), methods=["POST"]),
)


def _options(wanted: New) -> dict[str, Any]:
    names = ("policy", "acr", "amr", "label")
    return {name: getattr(wanted, name) for name in names}


async def _loaded(context: ServiceContext, request: Request) -> Session:
    session = await context.sessions.load(request.path_params["id"])
    if session is None:
        raise not_found()
    return session


def _with_cookie(context: ServiceContext, session: Session) -> dict[str, Any]:
    cookie = session.cookie or ""
    return {
        "session": described(session),
        "cookie": cookie,
        "set_cookie": context.assembly.chain.set_cookie(cookie),
    }


def _subject(request: Request) -> str:
    subject = request.query_params.get("subject")
    if not subject:
        raise Refusal(error_reply(400, "bad_parameter", "subject: is needed"))
    return subject
