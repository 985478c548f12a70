"""Several questions about requests in one call, for a busy application.

Most of what `begin` and `commit` cost are the call around them and the turn of the store. Questions
that come together share both. Each has a line of its own, and an answer as soon as there is one. None
hears of another: not of its mistakes, which may come from a client and may be no JSON, nor of its
outage, nor of its bugs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.errors import HoldfastError
from holdfast.service.backend.asking import authorised, decoded, raw_body
from holdfast.service.backend.requests import SCOPE, Begin, Commit, begun, committed
from holdfast.service.internal_errors import internal_error

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from holdfast.service.context import ServiceContext
    from holdfast.web.asgi_types import Receive, Scope, Send

MOST = 64
"""Questions of one call."""

LINES = "application/jsonl"
"""A JSON text on each line."""


class Ask(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A line: what is asked, and the body of `requests/begin` or `requests/commit`."""

    kind: Literal["begin", "commit"]
    body: msgspec.Raw

    def __repr__(self) -> str:
        return f"<Ask {self.kind}>"


async def together(request: Request) -> Response:
    """A line of JSON for each question, in the order of their answers: its place, status, body."""
    context = authorised(request, SCOPE)
    asks = (await raw_body(request, LINES)).removesuffix(b"\n").split(b"\n")
    if len(asks) > MOST:
        raise Refusal(error_reply(400, "invalid_body", f"At most {MOST} lines"))
    return _Lines(_answer(context, place, ask) for place, ask in enumerate(asks))


ROUTES = (Route("/backend/v1/requests/together", together, methods=["POST"]),)


class _Lines(Response):
    media_type = LINES

    def __init__(self, answers: Any) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._answers: list[Coroutine[Any, Any, bytes]] = list(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        pending = {asyncio.ensure_future(each) for each in self._answers}
        await send(head)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            lines = b"".join([each.result() for each in done])
            await send({"type": "http.response.body", "body": lines, "more_body": bool(pending)})


async def _answer(context: ServiceContext, place: int, ask: bytes) -> bytes:
    """The line of one question; never raises."""
    try:
        line: list[Any] = [place, 200, await _asked(context, ask)]
    except HoldfastError as error:
        line = [place, *_refusal(context, error)]
    except Exception:  # noqa: BLE001 - logged there; its neighbours have nothing to do with it
        reply = internal_error("a question about a request")
        line = [place, reply.status, msgspec.Raw(reply.body)]
    # A line feed in JSON that is stored can only be white space: it must not end the line.
    return msgspec.json.encode(line).replace(b"\n", b" ") + b"\n"


async def _asked(context: ServiceContext, ask: bytes) -> dict[str, Any]:
    wanted = decoded(ask, Ask)
    body = bytes(wanted.body)
    if wanted.kind == "begin":
        return await begun(context, decoded(body, Begin))
    return await committed(context, decoded(body, Commit))


def _refusal(context: ServiceContext, error: HoldfastError) -> list[Any]:
    """Status, body, and seconds to wait if the answer names them."""
    reply = context.assembly.chain.reply_to(error)
    wait = [int(value) for name, value in reply.headers if name == "Retry-After"]
    return [reply.status, msgspec.Raw(reply.body), *wait]
