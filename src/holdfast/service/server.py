"""Running the application under uvicorn: one process, or several over the same socket."""

from __future__ import annotations

import errno
import http.client
import signal
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType
from typing import NoReturn

import uvicorn

from holdfast.errors import ConfigurationError
from holdfast.rules.forwarded import is_loopback
from holdfast.service.connection import Connection

APPLICATION = "holdfast.service.app:from_environment"
_GRACE = 10
_ANSWERS_WITHIN = 60.0
_EVERY = 0.05
_FREE_WITHIN = 2.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - nothing is bound


def run(host: str, port: int, *, workers: int, ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way.

    The configuration of the application comes from the environment. A worker that dies is replaced.
    `ready` is called as soon as requests are answered.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    require_free(host, port)
    signal.signal(signal.SIGTERM, _leave)
    Thread(target=_announce, args=(host, port, ready), name="holdfast-ready", daemon=True).start()
    uvicorn.run(
        APPLICATION,
        factory=True,
        host=host,
        port=port,
        workers=workers,
        lifespan="on",
        http=Connection,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the chain judges them itself
        timeout_graceful_shutdown=_GRACE,
    )


def require_free(host: str, port: int) -> None:
    """Make sure that the address can be listened on, soon: an earlier start may be shutting down.

    Raises:
        ConfigurationError: it cannot; the message says what to do.
    """
    deadline = time.monotonic() + _FREE_WITHIN
    while (problem := _problem(host, port)) is not None:
        if problem.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
            raise ConfigurationError(
                f"{host}:{port} cannot be listened on ({problem.strerror});"
                f" choose another port, for example --port {port + 1} or HOLDFAST_PORT={port + 1}"
            ) from problem
        time.sleep(_EVERY)


def _problem(host: str, port: int) -> OSError | None:
    """Why the address cannot be listened on now."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        with socket.socket(found[0][0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        return error
    return None


def url(host: str, port: int) -> str:
    """How a browser on this machine reaches it."""
    name = _ANY.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def names_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    return host == "localhost" or is_loopback(host)


def _announce(host: str, port: int, ready: Callable[[], None]) -> None:
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while time.monotonic() < deadline:
        if _answers(_ANY.get(host, host), port):
            ready()
            return
        time.sleep(_EVERY)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM: uvicorn shuts down first and then raises it again; that it came is no failure."""
    sys.exit(0)
