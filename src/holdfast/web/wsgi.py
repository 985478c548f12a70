"""Holdfast for any WSGI application: a middleware that runs the chain around it.

The commit happens when the application starts its answer, before the first byte; streaming answers
pass through as they come while the session lives, and writes to it after that raise `SessionClosed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from holdfast.chain import Chain, Reply, merged
from holdfast.errors import HoldfastError
from holdfast.web.lasting import EVENTS, signed_in
from holdfast.web.wsgi_exchange import Exchange
from holdfast.web.wsgi_request import Environ
from holdfast.web.wsgi_stream import Living, close

Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Header = tuple[str, str]

_EXCHANGE = "holdfast.exchange"
_SERVER_ERROR = 500


class HoldfastMiddleware:
    """Runs `chain`, which must be over a blocking engine, around a WSGI application."""

    def __init__(self, app: App, chain: Chain) -> None:
        self._app = app
        self.chain = chain

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        exchange = Exchange(self.chain, environ)
        answer = Answer(exchange, start_response, head=environ["REQUEST_METHOD"] == "HEAD")
        if exchange.visit.reply is not None:
            return answer.replace(exchange.visit.reply)
        environ[_EXCHANGE] = exchange
        try:
            body = self._app(environ, answer.start)
        except HoldfastError as error:
            if answer.begun:
                raise
            return answer.replace(exchange.fail(error))
        except Exception:
            if not answer.begun:
                exchange.commit(_SERVER_ERROR)  # a sign-out is carried out all the same
            raise
        return answer.body(body)


class Answer:
    """The answer on its way out: the commit happens when the application starts it."""

    def __init__(self, exchange: Exchange, start_response: StartResponse, *, head: bool) -> None:
        self._exchange = exchange
        self._start_response = start_response
        self._head = head
        self._added: tuple[Header, ...] = ()
        self._replacement: list[bytes] | None = None
        self._headers: list[Header] = []
        self.begun = False

    def start(self, status: str, headers: list[Header], exc_info: Any = None) -> Write:
        """The application's `start_response`; it may begin anew with `exc_info` (PEP 3333)."""
        if not self.begun:
            reply = self._exchange.commit(int(status[:3]))
            if reply.status is not None:
                self.replace(reply)
            self._added = reply.headers
            self.begun = True
        if self._replacement is not None:
            return _nowhere
        if self._added:
            headers = merged(headers, self._added)
        self._headers = headers
        return self._start_response(status, headers, *([exc_info] if exc_info else []))

    def replace(self, reply: Reply) -> list[bytes]:
        """Answer in place of the application; what it still sends goes nowhere."""
        self.begun = True
        status = HTTPStatus(reply.status or 500)
        length = ("Content-Length", str(len(reply.body)))
        self._start_response(f"{status.value} {status.phrase}", [*reply.headers, length])
        self._replacement = [] if self._head else [reply.body]
        return self._replacement

    def body(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """What follows the headers: the application's own, or what replaces it."""
        if not self.begun:
            return self._late(chunks)
        if self._replacement is None:
            return self._followed(chunks)
        close(chunks)
        return self._replacement

    def _late(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """An application may wait with `start_response` until its first chunk is asked for."""
        rest = iter(chunks)
        try:
            first = next(rest, None)
            if first is not None and self._replacement is None:
                followed = self._followed(rest)
                yield first
                for chunk in followed:  # noqa: UP028 - `yield from` would close it, and we do so below
                    yield chunk
        finally:
            close(chunks)
        yield from self._replacement or ()

    def _followed(self, chunks: Iterable[bytes]) -> Iterable[bytes]:
        """What somebody who is signed in is sent without an end in sight, while that lasts."""
        session = self._exchange.known
        if session is None or signed_in(session) is None:
            return chunks
        events = False
        for name, value in self._headers:
            lower = name.lower()
            if lower == "content-length":
                return chunks
            if lower == "content-type":
                events = value.startswith(EVENTS)
        return Living(self._exchange.chain, session, chunks, events=events)


def exchange_of(environ: Environ) -> Exchange | None:
    """The exchange that an application is taking part in; None if no middleware runs around it."""
    return environ.get(_EXCHANGE)


def begin_alone(chain: Chain, environ: Environ) -> Exchange:
    """Begin what no middleware has begun, as in a request context that a test makes by itself."""
    environ[_EXCHANGE] = exchange = Exchange(chain, environ, alone=True)
    return exchange


def _nowhere(_chunk: bytes, /) -> None: ...
