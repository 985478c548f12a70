"""A request body that can be looked into once and is then replayed in full."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from holdfast.chain.request import MAX_FORM
from holdfast.rules import form

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from holdfast.web.asgi_types import Message, Receive


class Body:
    """Wraps `receive`; `field` buffers at most 64 KiB, and `receive` gives everything again."""

    __slots__ = ("_content_type", "_receive", "_replay", "_start")

    def __init__(self, receive: Receive, content_type: str) -> None:
        self._receive = receive
        self._content_type = content_type
        self._replay: deque[Message] = deque()
        self._start: bytes | None = None

    def receive(self) -> Awaitable[Message]:
        """The next message, buffered ones first."""
        return self._buffered() if self._replay else self._receive()

    async def _buffered(self) -> Message:
        return self._replay.popleft()

    async def field(self, name: str) -> str | None:
        """A field of a form body, if it stands in the first 64 KiB; None if not."""
        if not form.is_form(self._content_type):
            return None
        if self._start is None:
            self._start = await self._read_start()
        return form.field(self._content_type, self._start, name)

    async def _read_start(self) -> bytes:
        """What was sent so far is kept in one piece: a byte in a message of its own takes 300."""
        seen = bytearray()
        more = True
        while more and len(seen) < MAX_FORM:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._replay.append(message)
                break
            seen += message.get("body", b"")
            more = message.get("more_body", False)
        self._replay.appendleft({"type": "http.request", "body": bytes(seen), "more_body": more})
        return bytes(seen[:MAX_FORM])
