"""Looking up the name of a host within a time limit, which the system itself does not set."""

from __future__ import annotations

import ipaddress
import socket
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic


def require_found(host: str, deadline: float) -> None:
    """Wait until a host's name is looked up, on the clock `time.monotonic`; its address is not kept.

    Whoever connects afterwards looks it up again, and is answered at once by whoever has just been.
    An address, or the folder of a socket, has nothing to be looked up.

    Raises:
        TimeoutError: nobody has said so far.
        OSError: there is no such host, or no thread to be had that asks.
    """
    if host.startswith(("/", "@")) or _is_address(host):
        return
    found: SimpleQueue[Exception | None] = SimpleQueue()
    try:
        Thread(target=_look_up, args=(host, found), name="holdfast-lookup", daemon=True).start()
    except RuntimeError as none:
        raise OSError(f"the name {host} cannot be looked up now") from none
    try:
        error = found.get(timeout=max(deadline - monotonic(), 0))
    except Empty:
        raise TimeoutError(f"the name {host} was not looked up in time") from None
    if error is not None:
        raise OSError(f"there is no host of the name {host}") from error


def _look_up(host: str, found: SimpleQueue[Exception | None]) -> None:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        found.put(error)
    else:
        found.put(None)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
