"""Connections to a Redis server: bytes out, replies in. The only file that knows the parser.

There are two, one for threads and one for an event loop, over the same packing and greeting. A
thread has a connection to itself while it asks. On an event loop all tasks share one: what is asked
in one tick goes out in one write, and the replies come back in the same order.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import struct
import time
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import hiredis

from holdfast.stores.lookup import require_found
from holdfast.stores.redis.errors import Late, Lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.stores.redis.target import Address

ReplyError = hiredis.ReplyError
"""An error that a server replied with; it comes back as a value."""

PushNotification = hiredis.PushNotification
"""What a server sends without having been asked."""

Argument = bytes | str | int

_pack: Callable[[tuple[Argument, ...]], bytes] = cast("Any", hiredis).pack_command
_CHUNK = 65_536
_NOTHING = object()
_SLACK_S = 0.05
"""How much longer than its limit a call may take, rather than that the kernel is told another one."""
_MOMENT_S = 0.02
"""For how long after an answer a connection is taken to stand without a look."""
_BROKEN = (OSError, hiredis.ProtocolError, TypeError)
"""How a connection breaks; the last is the parser's word for a map whose keys are lists."""
_TOO_LATE = (TimeoutError, BlockingIOError)
"""How Python's time limit shows, and the kernel's."""


def pack(commands: Iterable[Sequence[Argument]]) -> bytes:
    """The bytes of some commands."""
    return b"".join([_pack(tuple(each)) for each in commands])


class Wire:
    """A connection for one thread at a time. A `deadline` is in the time of `time.monotonic`."""

    def __init__(self, address: Address, tls: ssl.SSLContext | None, deadline: float) -> None:
        """Connect.

        Raises:
            Lost: nobody listens there, or the certificate is not trusted.
        """
        self.node = ""
        self._server = f"the Redis server at {address}"
        self._limit = 0.0
        self._answered_at = 0.0
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        try:
            require_found(address.host, deadline)
            self._socket = socket.create_connection(address, _left(deadline))
            self._secure(address, tls)
        except TimeoutError as error:
            raise Late(f"{self._server} does not answer") from error
        except ssl.SSLCertVerificationError as error:
            raise Lost(f"the certificate of {self._server} is not trusted") from error
        except (OSError, UnicodeError) as error:
            raise Lost(f"{self._server} cannot be reached") from error
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def ask(self, payload: bytes, count: int, deadline: float) -> list[Any]:
        """Send packed commands and read their `count` replies; error replies are values.

        Raises:
            Lost: the connection broke; it must be closed.
        """
        try:
            return self._ask(payload, count, deadline)
        except _TOO_LATE as error:
            raise Late(f"{self._server} did not answer in time", sent=True) from error
        except _BROKEN as error:
            raise Lost(f"the connection to {self._server} broke", sent=True) from error

    def stands(self) -> bool:
        """Whether the server has neither closed the connection nor said something unasked.

        Of one that has just answered it is believed: a look costs a system call, and the interpreter
        goes to another thread meanwhile. If it has ended since, what is asked finds out.
        """
        if time.monotonic() - self._answered_at < _MOMENT_S or not self._poll.poll(0):
            return True
        try:  # what came may concern TLS alone
            self._socket.settimeout(0)
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._socket.settimeout(None)
            return True
        except OSError:
            return False
        return False

    def send(self, payload: bytes) -> None:
        """Send packed commands whose replies are read with `receive`.

        Raises:
            Lost: the connection broke.
        """
        try:
            self._socket.sendall(payload)
        except OSError as error:
            raise Lost(f"the connection to {self._server} broke", sent=True) from error

    def receive(self, seconds: float) -> list[Any]:
        """The replies and messages that have come; none after so many seconds.

        Raises:
            Lost: the connection broke.
        """
        self._socket.settimeout(seconds)
        self._limit = 0.0
        try:
            return self._received()
        except TimeoutError:
            return []
        except _BROKEN as error:
            raise Lost(f"the connection to {self._server} broke") from error

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _secure(self, address: Address, tls: ssl.SSLContext | None) -> None:
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls is not None:
                self._socket = tls.wrap_socket(self._socket, server_hostname=address.host)
        except BaseException:
            self._socket.close()
            raise

    def _ask(self, payload: bytes, count: int, deadline: float) -> list[Any]:
        self._limit_to(deadline)
        self._socket.sendall(payload)
        replies = self._received()
        while len(replies) < count:
            self._limit_to(deadline)
            replies += self._received()
        if len(replies) > count:
            raise ConnectionError  # it says what nobody asked: an answer might be another question's
        self._answered_at = time.monotonic()
        return replies

    def _limit_to(self, deadline: float) -> None:
        """Let the kernel end a wait: Python's own limits cost three more system calls a call.

        Each of them also lets go of the interpreter, which other threads then hold for a while.
        """
        left = _left(deadline)
        if isinstance(self._socket, ssl.SSLSocket):  # OpenSSL would go on waiting
            self._socket.settimeout(left)
            return
        if 0 <= self._limit - left < _SLACK_S:
            return
        seconds, rest = divmod(left, 1)
        limit = struct.pack("ll", int(seconds), int(rest * 1_000_000))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._socket.settimeout(None)
        self._limit = left

    def _received(self) -> list[Any]:
        chunk = self._socket.recv(_CHUNK)
        if not chunk:
            raise ConnectionResetError
        self._reader.feed(chunk)
        found: list[Any] = []
        while (reply := self._reader.gets()) is not _NOTHING:
            found.append(reply)
        return found


def _left(deadline: float) -> float:
    """Seconds until the deadline; at least a few ms, because 0 would mean not to wait at all."""
    return max(deadline - time.monotonic(), 0.005)


Replies = tuple[list[Any], str]
"""The replies to some commands, and the server process that gave them."""

_Question = tuple["asyncio.Future[Replies]", int, float, list[Any]]
"""What was asked on an event loop: where the replies go, how many, until when (loop time), those that came."""


class AsyncWire(asyncio.Protocol):
    """A connection for any number of tasks of one event loop. `closed` is called at its end."""

    def __init__(self, address: Address, closed: Callable[[AsyncWire], None]) -> None:
        self.node = ""
        self._server = f"the Redis server at {address}"
        self.open = False
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._asked: deque[_Question] = deque()
        self._out: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None

    def ask(self, payload: bytes, count: int, seconds: float) -> asyncio.Future[Replies]:
        """Send packed commands with all others of this tick; resolves to their replies.

        Error replies are values. Raises, at once or when awaited:
            Lost: the connection broke.
        """
        if not self.open:
            raise Lost(f"the connection to {self._server} broke")
        future: asyncio.Future[Replies] = self._loop.create_future()
        deadline = self._loop.time() + seconds
        self._asked.append((future, count, deadline, []))
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(payload)
        if self._watch is None:
            self._watch = self._loop.call_at(deadline, self._look)
        return future

    def close(self) -> None:
        """Close the connection at once; what was asked fails."""
        self.open = False
        if self._watch is not None:
            self._watch.cancel()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`, as for the methods below."""
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Hand the replies to who asked, in order."""
        self._reader.feed(data)
        gets, asked = self._reader.gets, self._asked
        try:
            while (reply := gets()) is not _NOTHING:
                future, wanted, _, replies = asked[0]
                replies.append(reply)
                if len(replies) == wanted:
                    asked.popleft()
                    if not future.done():  # whoever asked may have been cancelled
                        future.set_result((replies, self.node))
        except (*_BROKEN, IndexError):  # such as a good-bye before the first question
            self._fail(Lost)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Fail what has no reply yet."""
        self._fail(Lost)
        self._closed(self)

    def _flush(self) -> None:
        payload = b"".join(self._out)
        self._out.clear()
        if self.open:
            self._transport.write(payload)

    def _look(self) -> None:
        """Give up if the oldest question is late; otherwise look again when it would be."""
        self._watch = None
        if not self._asked:
            return
        deadline = self._asked[0][2]
        if deadline <= self._loop.time():
            self._fail(Late)
        else:
            self._watch = self._loop.call_at(deadline, self._look)

    def _fail(self, error: type[Lost]) -> None:
        self.close()
        while self._asked:
            future = self._asked.popleft()[0]
            if not future.done():
                future.set_exception(error(f"{self._server} gave no answer", sent=True))
