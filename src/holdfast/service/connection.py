"""One connection of the server: a head is bounded in size and time, and what is no HTTP is answered.

A body is bounded by who reads it. One that nobody reads, since its request was refused before, has
little time left after the answer. Around it there is what nobody reads at all: the sizes of its
pieces and the fields at its end, which the server's own protocol would keep without a bound and,
worse, take for headers, though no proxy has looked at them. They get the bound of a head, and are
not heard. How many requests may wait for an answer is bounded, too, and how long a client may take
none of what it is sent: an answer that fills the buffers would hold the connection for ever, closed or
not. The system keeps that time (TCP_USER_TIMEOUT); where it cannot, as on macOS, nobody does.

The server's own protocol takes heads of any size for any time, so that a few hundred clients which
send a byte now and then would hold every connection there is; and it refuses what it cannot read in
plain text that nobody is told of. Here the application refuses it as it refuses a request without a
host: 400 with a code, and an audit event (promise 7).

An application that has `at_once` is asked first whether it can answer a request without waiting for
anything. A task, a scope and an answer in pieces would cost as much as a decision of forward-auth.
"""

from __future__ import annotations

import socket
import sys
from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD = 128 * 1024
"""Bytes of a request line with its headers; browsers send some, proxies allow 8 to 64 KiB."""

MAX_PIPELINED = 32
"""Requests that may wait for the answer to one before them; browsers and proxies send none so."""

HEAD_WITHIN = 10.0
"""Seconds for a head to be complete, from the connection or, later, from its first byte (P37)."""

ACCEPTED_WITHIN = 30.0
"""Seconds in which a client must take something of what it is sent, or be gone (P37)."""

_LINGER = 2.0
"""Seconds in which a client that is still sending may read its answer before the end."""

_UNUSUAL = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"proxy-connection",  # to the parser another name of the first
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers of requests that have a body, or more to be considered than what is asked for."""

Message = dict[str, Any]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers and body."""

AtOnce = Callable[[dict[str, Any]], Answer | None]


class Connection(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with a bound and with our refusals."""

    _head = 0  # bytes since the last that were of a body
    _in_head = True
    _refused = False
    _late: TimerHandle | None = None
    _unread: TimerHandle | None = None
    _first = False  # of what has just come nothing has been read
    _usual = False  # the head, as far as it has been read
    _answer: Answer | None = None

    def connection_made(self, transport: Any) -> None:
        """The first head is awaited from now on."""
        super().connection_made(transport)
        _bound_waiting(transport.get_extra_info("socket"))
        app: Any = cast("Any", self).app
        self._at_once: AtOnce | None = getattr(app, "at_once", None)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_came()
        self._body_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand over as much as a head may have left; whatever comes after a refusal is dropped."""
        self._first = True
        while data and not self._refused:
            room = MAX_HEAD - self._head
            piece, data = data[:room], data[room:]
            self._head += len(piece)
            super().data_received(piece)
            if self._head >= MAX_HEAD and not self._refused:
                self.send_400_response("too large")
        if self._in_head and self._head and self._late is None and not self._refused:
            self._await_head()

    def on_message_begin(self) -> None:
        """A head begins.

        Raises:
            OverflowError: too many wait before it; the parser takes it for what is no HTTP.
        """
        if len(self.pipeline) >= MAX_PIPELINED:
            raise OverflowError
        super().on_message_begin()
        self._usual, self._first = self._first, False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the head, or behind the body."""
        name = name.lower()
        if name in _UNUSUAL:
            self._usual = False
            super().on_header(name, value)
        else:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete: what follows is a body, which the routes bound."""
        self._in_head, self._head = False, 0
        self._head_came()
        self._answer = self._answered_at_once() if self._usual else None
        if self._answer is None:
            self._unset_keepalive_if_required()  # an answer at once, before it in one packet, has set it
            super().on_headers_complete()
        self.headers = []  # what comes behind a body goes here: no header (RFC 9110 §6.5.1)

    def on_body(self, body: bytes) -> None:
        """Some of the body, which is not bounded here."""
        self._head = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next bytes are a head again."""
        self._in_head, self._head = True, 0
        self._body_came()
        if self._answer is None:
            super().on_message_complete()
        else:
            status, headers, body = self._answer
            ours = [*self.server_state.default_headers, *headers]
            self.transport.write(_as_bytes(status, ours, body))
            super().on_response_complete()

    def on_response_complete(self) -> None:
        """An answer is out. If its request is not all here, what is left of it is thrown away."""
        super().on_response_complete()
        cycle: Any = self.cycle
        if not self._in_head and cycle.response_complete and self._unread is None:
            self._unread = self.loop.call_later(_LINGER, self.transport.close)

    def _answered_at_once(self) -> Answer | None:
        """The answer of an application that has it; of what comes at once to one request only (P37)."""
        parser: Any = self.parser
        cycle: Any = self.cycle
        under_way = cycle is not None and not cycle.response_complete
        if self._at_once is None or under_way or self.flow.write_paused:
            return None
        path, _, query = self.url.partition(b"?")
        plain = path.isascii() and b"#" not in self.url
        if not plain or parser.get_method() != b"GET" or parser.get_http_version() != "1.1":
            return None
        scope: Any = self.scope
        scope["method"] = "GET"
        scope["path"], scope["raw_path"], scope["query_string"] = path.decode("ascii"), path, query
        return self._at_once(scope)

    def _await_head(self) -> None:
        self._late = self.loop.call_later(HEAD_WITHIN, self._too_late)

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _body_came(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_late(self) -> None:
        """Refuse what has begun; of a client that has sent nothing, nobody need be told."""
        if self._head:
            self.send_400_response("too slow")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what a client gets is ours to say
        """Refuse what cannot be read; behind an answer that is still under way only by the end."""
        self._refused = True
        self._head_came()
        before: Any = self.cycle
        if before is not None and not before.response_complete:
            self.transport.close()
            return
        task = self.loop.create_task(self._refuse())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _refuse(self) -> None:
        """What the application answers to a request that names no host."""
        sent: list[Message] = []

        async def send(message: Any) -> None:
            sent.append(message)

        app: Any = cast("Any", self).app
        await app(self._nothing(), _end, send)
        start, bodies = sent[0], sent[1:]
        headers = [*start["headers"], (b"connection", b"close")]
        body = b"".join(message.get("body", b"") for message in bodies)
        self.transport.write(_as_bytes(start["status"], headers, body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)

    def _nothing(self) -> Any:
        return {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": self.scheme,
            "path": "/-",
            "raw_path": b"/-",
            "query_string": b"",
            "root_path": self.root_path,
            "headers": [],
            "client": self.client,
            "server": self.server,
            "state": self.app_state.copy(),
        }

    def _unsupported_upgrade_warning(self) -> None:
        """Anybody can ask for an upgrade; it is answered as the plain request that it also is."""


def _bound_waiting(connection: socket.socket | None) -> None:
    """Have the system break the connection when its client has taken nothing for too long."""
    if connection is not None and sys.platform == "linux":
        milliseconds = int(ACCEPTED_WITHIN * 1000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)


async def _end() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


def _as_bytes(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """An answer as it is sent.

    Raises:
        ValueError: a header holds a line break, and so the beginning of another answer.
    """
    lines = [b"%b: %b\r\n" % pair for pair in headers]
    head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))
    breaks = len(headers) + 2
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
        raise ValueError("a line break in a header")
    return head + body
