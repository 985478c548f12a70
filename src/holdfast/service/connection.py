"""One connection of the server: a head is bounded in size and time, and what is no HTTP is answered.

A body is bounded by who reads it. One that nobody reads, since its request was refused before, has
little time left after the answer. Around it there is what nobody reads at all: the sizes of its
pieces and the fields at its end, which the server's own protocol would keep without a bound and,
worse, take for headers, though no proxy has looked at them. They get the bound of a head, and are
not heard. How many requests may wait for an answer is bounded, too.

The server's own protocol takes heads of any size for any time, so that a few hundred clients which
send a byte now and then would hold every connection there is; and it refuses what it cannot read in
plain text that nobody is told of. Here the application refuses it as it refuses a request without a
host: 400 with a code, and an audit event (promise 7).
"""

from __future__ import annotations

from asyncio import TimerHandle
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 128 * 1024
"""Bytes of a request line with its headers; browsers send some, proxies allow 8 to 64 KiB."""

MAX_PIPELINED = 32
"""Requests that may wait for the answer to one before them; browsers and proxies send none so."""

HEAD_WITHIN = 10.0
"""Seconds for a head to be complete, from the connection or, later, from its first byte (P37)."""

_LINGER = 2.0
"""Seconds in which a client that is still sending may read its answer before the end."""

Message = dict[str, Any]


class Connection(HttpToolsProtocol):
    """uvicorn's protocol over httptools, with a bound and with our refusals."""

    _head = 0  # bytes since the last that were of a body
    _in_head = True
    _refused = False
    _late: TimerHandle | None = None
    _unread: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The first head is awaited from now on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_came()
        self._body_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand over as much as a head may have left; whatever comes after a refusal is dropped."""
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

    def on_headers_complete(self) -> None:
        """The head is complete: what follows is a body, which the routes bound."""
        self._in_head, self._head = False, 0
        self._head_came()
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
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is out. If its request is not all here, what is left of it is thrown away."""
        super().on_response_complete()
        cycle: Any = self.cycle
        if not self._in_head and cycle.response_complete and self._unread is None:
            self._unread = self.loop.call_later(_LINGER, self.transport.close)

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
        self.transport.write(_as_bytes(sent))
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


async def _end() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


def _as_bytes(sent: list[Message]) -> bytes:
    start, bodies = sent[0], sent[1:]
    status = HTTPStatus(start["status"])
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode("ascii")]
    lines += [name + b": " + value for name, value in start["headers"]]
    body = b"".join(message.get("body", b"") for message in bodies)
    return b"\r\n".join([*lines, b"connection: close", b"", body])
