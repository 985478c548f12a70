"""My sessions: list them, end one, end the others. Ending asks for a fresh sign-in (R36)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.rules.secret import valid_id
from holdfast.service import devices
from holdfast.service.answers import json_answer
from holdfast.service.bodies import no_other_body
from holdfast.service.context import context_of
from holdfast.service.moments import iso
from holdfast.web.asgi import require, require_fresh


async def mine(request: Request) -> Response:
    """One page of the sessions of who is signed in; `after` continues."""
    session = require(request)
    after, limit = request.query_params.get("after"), _limit(request)
    if after is not None and not valid_id(after):
        raise _bad("after", "is no session id")
    page = await devices.devices_of(context_of(request), session, after=after, limit=limit)
    shown = [_shown(device) for device in page.devices]
    return json_answer({"sessions": shown, "after": page.after})


async def end(request: Request) -> Response:
    """End one of my sessions."""
    context = context_of(request)
    session = require_fresh(request, context.options.fresh_for)
    await devices.end(context, session, request.path_params["id"])
    return json_answer({"success": True})


async def end_others(request: Request) -> Response:
    """End all of my sessions but this one."""
    context = context_of(request)
    session = require_fresh(request, context.options.fresh_for)
    await no_other_body(request, context.options.body_limit)
    return json_answer({"ended": await devices.end_others(context, session)})


ROUTES = (
    Route("/api/sessions", mine),
    Route("/api/sessions/end-others", end_others, methods=["POST"]),
    Route("/api/sessions/{id}", end, methods=["DELETE"]),
)


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(devices.MOST))
    if not (
        text.isascii()
        and text.isdecimal()
        and 1 <= len(text) <= 3
        and 1 <= int(text) <= devices.MOST
    ):
        raise _bad("limit", f"is a number from 1 to {devices.MOST}")
    return int(text)


def _bad(name: str, problem: str) -> Refusal:
    return Refusal(error_reply(400, "bad_parameter", f"{name}: {problem}"))


def _shown(device: devices.Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "device": device.label,
        "created_at": iso(device.created_at),
        "last_seen_at": iso(device.seen_at),
        "address": device.address,
        "current": device.current,
    }
