"""Streaming responses end with their session: on event loops at once, in threads at the next chunk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import django
from django.core.exceptions import RequestAborted

from holdfast.web.lasting import EVENTS, signed_in
from holdfast.web.wsgi_stream import Living

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable

    from django.http.response import HttpResponseBase

    from holdfast.session import Session
    from holdfast.web.asgi_held import Holding
    from holdfast.web.django.exchange import Exchange

_GONE = RequestAborted if django.VERSION >= (6, 1) else asyncio.CancelledError
"""What Django raises at a client that has gone: it lets go of everything, and completes nothing, so that
the server cuts the answer off. Before 5.0 it knows no such client, and the server says so in its log."""


class Streams:
    """The streams of one middleware."""

    def __init__(self) -> None:
        self._holding: Holding | None = None

    def followed(self, exchange: Exchange, response: Any) -> HttpResponseBase:
        """The response; if it streams to somebody who is signed in, then only while that lasts."""
        found: HttpResponseBase = response
        if not found.streaming or found.has_header("Content-Length"):
            return found
        session = exchange.known
        if session is None or signed_in(session) is None:
            return found
        events = found.headers.get("Content-Type", "").startswith(EVENTS)
        chunks = response.streaming_content
        if response.is_async:
            response.streaming_content = _living(
                self._here(exchange), session, chunks, events=events
            )
        else:
            chain = exchange.assembly.blocking_chain
            response.streaming_content = Living(chain, session, chunks, events=events)
        return found

    def _here(self, exchange: Exchange) -> Holding:
        from holdfast.web.asgi_held import Holding

        chain = exchange.assembly.chain
        if self._holding is None or self._holding.chain is not chain:
            self._holding = Holding(chain)
        return self._holding


class _Stream:
    """A stream that is open in the task that made this; `over` once it was ended."""

    __slots__ = ("_task", "events", "id", "over", "session")

    def __init__(self, session: Session, *, events: bool) -> None:
        self.id = session.id or ""
        self.events = events
        self.session = session
        self.over = False
        self._task = asyncio.current_task()

    def end(self, *, known: bool) -> None:  # noqa: ARG002 - a client is told by nothing but the end
        """Stop the task, whatever it waits for."""
        self.over = True
        if self._task is not None:
            self._task.cancel()

    def go_on(self) -> bool:
        """Take the stop back; False: somebody else has stopped the task as well."""
        return self._task is not None and not self._task.uncancel()


async def _living(
    holding: Holding, session: Session, chunks: AsyncIterable[bytes], *, events: bool
) -> AsyncGenerator[bytes]:
    """The chunks; after the end events just end, and of anything else the client is said to have gone."""
    stream, keeper = _Stream(session, events=events), holding.keeper()
    keeper.add(stream)
    try:
        async for chunk in chunks:
            if stream.over:
                break
            yield chunk
    except asyncio.CancelledError:
        if not stream.over:
            raise
    finally:
        keeper.drop(stream)
    if stream.over:
        if not stream.go_on():
            raise asyncio.CancelledError
        if not events:
            raise _GONE
