"""The stream of changes: which sessions are other ones now, or gone, for who keeps what was read.

A client must know how old its knowledge can be, and has nothing but its own clock. So the stream
carries proofs: a moment of this machine's clock, and everything that was acknowledged before it has
been told above. The client learns the same clock by asking: an answer of now was given after the
question was sent. Hence, on the client's clock,

    moment of a proof >= question sent + (proof.at - answer.now),

whatever the network does. The page "Keep sessions near, and follow their changes" has it in full.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from holdfast.chain import Refusal, error_reply
from holdfast.service.answers import json_answer
from holdfast.service.backend.asking import service_key
from holdfast.service.backend.keeping import name_of_store, node_name
from holdfast.service.context import ServiceContext, context_of
from holdfast.settings import ms
from holdfast.stores.feed import PROBES_PER_BOUND, moment
from holdfast.web.asgi_leaving import server_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.protocols import Told, Watcher
    from holdfast.web.asgi_types import Receive, Scope, Send

_SCOPE = "changes"
_IDS = 500
"""Ids in one event."""
_PATIENCE = 10.0
"""Seconds that a client may take to accept what is sent; then the stream ends."""
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def clock(request: Request) -> Response:
    """This moment on the clock of the proofs."""
    service_key(request, _SCOPE)
    return json_answer(_now(context_of(request)))


async def changes(request: Request) -> Response:
    """A stream of changes, until the client goes or this server does."""
    key, context = service_key(request, _SCOPE), context_of(request)
    if context.assembly.changes is None:
        retry = ("Retry-After", "60")
        raise Refusal(error_reply(503, "no_changes", "This store tells no changes now", retry))
    store = await name_of_store(context)
    context.streams.require_room(key.name)  # and take it, below: nothing is awaited in between
    return Stream(context, key.name, store, context.assembly.changes.watch())


ROUTES = (
    Route("/backend/v1/changes", changes),
    Route("/backend/v1/changes/clock", clock),
)


class Stream(Response):
    """Server-sent events: `open` once; then `changed` and `forget`, and a `proof` behind them."""

    def __init__(
        self, context: ServiceContext, key: str, store: str | None, watcher: Watcher
    ) -> None:
        super().__init__()
        self._context = context
        self._key = key
        self._store = store
        self._watcher = watcher
        self._bound = context.assembly.settings.cache_bound

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """The ASGI interface."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            with self._context.streams.open(self._key):
                await self._tell(send, gone)
        except TimeoutError:
            pass  # who does not read starts anew, with everything forgotten
        finally:
            gone.cancel()
            self._watcher.close()

    async def _tell(self, send: Send, gone: asyncio.Future[None]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        every = self._bound.total_seconds() / PROBES_PER_BOUND
        await self._send(send, _event("open", {**_now(self._context), "bound_ms": ms(self._bound)}))
        while not gone.done() and not server_leaves():
            told = await self._watcher.take()
            nodes = [self._store] if self._store else list(map(node_name, told.nodes))
            await self._send(send, "".join(_events(told, nodes)))
            await asyncio.wait({gone}, timeout=every)
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, send: Send, text: str) -> None:
        message = {"type": "http.response.body", "body": text.encode(), "more_body": True}
        async with asyncio.timeout(_PATIENCE):
            await send(message)


def _events(told: Told, nodes: list[str]) -> Iterator[str]:
    """What was told, and behind it the proof. There is none while the store is not heard."""
    if told.everything:
        yield _event("forget", {})
    for start in range(0, len(told.ids), _IDS):
        yield _event("changed", {"ids": told.ids[start : start + _IDS]})
    if math.isfinite(told.heard_at):
        yield _event("proof", {"at": math.floor(told.heard_at * 1000), "nodes": nodes})
    else:
        yield ": the store is not heard\n\n"


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n"


def _now(context: ServiceContext) -> dict[str, Any]:
    """This moment, rounded up: a later one is believed for less."""
    return {"clock": context.streams.clock, "now": math.ceil(moment() * 1000)}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
