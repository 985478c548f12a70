"""A request body that can be looked into once, is then replayed in full, and ends with its session."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.chain.request import MAX_FORM
from holdfast.faces import run
from holdfast.rules import form

if TYPE_CHECKING:
    from holdfast.web.lasting import Proved

_MOST_DIGITS = 18
"""Of a length: what has more is more than anybody sends, and Python reads only so long a number."""


class Readable(Protocol):
    """What PEP 3333 promises of `wsgi.input`, as far as it is used here."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        ...


class Body:
    """The `wsgi.input` of one `environ`, with a replay in its place once it was looked into."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    async def field(self, name: str) -> str | None:
        """A field of a form body, if it stands in the first 64 KiB, which are buffered; or None."""
        content_type: str = self._environ.get("CONTENT_TYPE", "")
        length = _length(self._environ)
        if not form.is_form(content_type) or length == 0:
            return None
        stream: Readable = self._environ["wsgi.input"]
        head = read_up_to(stream, MAX_FORM if length is None else min(length, MAX_FORM))
        rest = None if length is None else length - len(head)
        self._environ["wsgi.input"] = io.BufferedReader(Replay(head, stream, rest))
        return form.field(content_type, head, name)

    def hold_to(self, proved: Proved) -> None:
        """Have what is still to be read end with the session: reading it raises then."""
        self._environ["wsgi.input"] = Lasting(self._environ["wsgi.input"], proved)


class Lasting(io.RawIOBase):
    """A body for as long as its session lives: what comes after the end raises `SessionEnded`.

    It asks the server for what it is asked for, and so waits for no more than that.
    """

    def __init__(self, stream: Any, proved: Proved) -> None:
        self._stream = stream
        self._proved = proved

    def readable(self) -> bool:
        """Always; `io` asks."""
        return True

    def read(self, *size: Any) -> bytes:
        """As the server's."""
        return self._in_time(self._stream.read(*size))

    def readline(self, *size: Any) -> bytes:
        """As the server's."""
        return self._in_time(self._stream.readline(*size))

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer as far as one read goes; 0 at the end."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _in_time(self, chunk: bytes) -> bytes:
        error = run(self._proved.over()) if self._proved.due() else None
        if error is not None:
            raise error
        return chunk


class Replay(io.RawIOBase):
    """First what was read already, then the rest of the stream; `rest` None: up to its end."""

    def __init__(self, head: bytes, stream: Readable, rest: int | None) -> None:
        self._head = io.BytesIO(head)
        self._stream = stream
        self._rest = rest

    def readable(self) -> bool:
        """Always; `io` asks."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer as far as one read goes; 0 at the end."""
        size = len(buffer)
        chunk = self._head.read(size) or self._next(size)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def _next(self, size: int) -> bytes:
        if self._rest is None:
            return self._stream.read(size)
        chunk = self._stream.read(min(size, self._rest)) if self._rest else b""
        self._rest -= len(chunk)
        return chunk


def _length(environ: dict[str, Any]) -> int | None:
    """How long the body is; None: it ends by itself, since it is chunked."""
    if environ.get("wsgi.input_terminated"):
        return None
    text: str = environ.get("CONTENT_LENGTH") or "0"
    return int(text[:_MOST_DIGITS]) if text.isascii() and text.isdigit() else 0


def read_up_to(stream: Readable, size: int) -> bytes:
    """Up to `size` bytes, fewer only at the end: servers may hand over less at a time."""
    seen = bytearray()
    while len(seen) < size and (chunk := stream.read(size - len(seen))):
        seen += chunk
    return bytes(seen)
