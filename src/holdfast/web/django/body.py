"""A request body that can be looked into before Django parses it, and is then read as ever."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from holdfast.chain.request import MAX_FORM
from holdfast.faces import run
from holdfast.rules import form
from holdfast.web.django import csrf, here
from holdfast.web.django.answers import answer
from holdfast.web.lasting import Proved, signed_in
from holdfast.web.wsgi_body import Lasting, Readable, Replay, read_up_to

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from holdfast.errors import HoldfastError


class Body:
    """The body of one request. `twin` is a second name under which the token's field may come.

    Upload handlers, the REST framework's parsers and `request.body` all work on behind it: what was
    read is put back in front of the rest.
    """

    def __init__(self, request: HttpRequest, twin: str) -> None:
        self._request = request
        self._twin = twin

    async def field(self, name: str) -> str | None:
        """A field of a form body, if it stands in the first 64 KiB; None if not."""
        content_type: str = self._request.META.get("CONTENT_TYPE", "")
        if not form.is_form(content_type):
            return None
        head = self._head()
        text = form.field(content_type, head, name)
        if text is None:
            text = form.field(content_type, head, self._twin)
        return None if text is None else csrf.unmasked(text)

    def _head(self) -> bytes:
        """The beginning; none if somebody has read the stream before."""
        state = vars(self._request)
        if "_body" in state:
            return self._request.body[:MAX_FORM]
        stream: Readable | None = state.get("_stream")
        if stream is None or state.get("_read_started"):
            return b""
        head = read_up_to(stream, MAX_FORM)
        state["_stream"] = io.BufferedReader(_Whole(head, stream))
        return head


def too_late(request: HttpRequest) -> HttpResponse | None:
    """The answer if the check of its token waited for the body beyond its session's end; None: go on."""
    error = ended(request)
    if error is None:
        return None
    exchange = here.exchange_of(request)
    exchange.visit.reply = run(exchange.assembly.blocking_chain.fail(exchange.visit, error))
    return answer(request, exchange.visit.reply)


def ended(request: HttpRequest) -> HoldfastError | None:
    """Why nothing more may come of it; None: its session lives, and reading on will raise once not.

    Raises:
        StoreError: the store cannot answer.
    """
    exchange = here.exchange_of(request)
    visit = exchange.seen()
    if signed_in(visit.session) is None:
        return None
    if exchange.proved is None:  # reads are no coroutines, so it asks as threads do
        chain, by_cookie = exchange.assembly.blocking_chain, visit.came_by == "cookie"
        exchange.proved = Proved(chain, visit.session, exchange.since, cookie=by_cookie)
        _hold_to(exchange.proved, request)
    return run(exchange.proved.over())


def _hold_to(proved: Proved, request: HttpRequest) -> None:
    state = vars(request)
    stream: Any = state.get("_stream")
    if stream is not None and "_body" not in state:
        state["_stream"] = _Lasting(stream, proved)


class _Whole(Replay):
    """What was read and the rest; closing it closes the file that ASGI bodies are kept in."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        super().__init__(head, stream, None)
        self._inner = stream

    def close(self) -> None:
        """Close both."""
        _close(self, self._inner)
        super().close()


class _Lasting(Lasting):
    """The same for a body that ends with its session."""

    def close(self) -> None:
        """Close both."""
        _close(self, self._stream)
        super().close()


def _close(outer: io.RawIOBase, inner: Any) -> None:
    close = getattr(inner, "close", None)
    if close is not None and not outer.closed:
        close()
