"""Looking up a host and connecting to it, all of it within a time limit.

The operating system's look-up takes none, and may hang for half a minute. So it has a thread of its
own, which nobody waits for longer than they can; while it hangs all that ask wait for the same one,
so that there is never more than one thread for a host.
"""

from __future__ import annotations

import socket
import time
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_Address = tuple[Any, ...]


class Resolver:
    """Looks hosts up, by `look_up`: `socket.getaddrinfo`, but in tests."""

    def __init__(self, look_up: Callable[..., list[_Address]] = socket.getaddrinfo) -> None:
        self._look_up = look_up
        self._lock = Lock()
        self._pending: dict[tuple[str, int], Future[list[_Address]]] = {}

    def connect(self, host: str, port: int, ends_at: float) -> socket.socket:
        """A connection, whose time limit is what is left until then (`time.monotonic`).

        Raises:
            OSError: the host is not known, or none of its addresses answers, in time.
        """
        error: OSError = TimeoutError("no address in time")
        for family, kind, protocol, _, address in self._addresses(host, port, ends_at):
            left = ends_at - time.monotonic()
            if left <= 0:
                break
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(left)
                sock.connect(address)
            except OSError as failure:
                sock.close()
                error = failure
            else:
                return sock
        raise error

    def _addresses(self, host: str, port: int, ends_at: float) -> list[_Address]:
        with self._lock:
            pending = self._pending.get((host, port))
            if pending is None:
                pending = self._pending[host, port] = Future()
                Thread(target=self._find, args=(host, port, pending), daemon=True).start()
        return pending.result(max(ends_at - time.monotonic(), 0))

    def _find(self, host: str, port: int, found: Future[list[_Address]]) -> None:
        try:
            addresses = self._look_up(host, port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001 - such as UnicodeError for a name of another shape
            failure = error if isinstance(error, OSError) else OSError(type(error).__name__)
            self._done(host, port)
            found.set_exception(failure)
        else:
            self._done(host, port)
            found.set_result(addresses)

    def _done(self, host: str, port: int) -> None:
        """Whoever asks from now on has it looked up anew."""
        with self._lock:
            del self._pending[host, port]
