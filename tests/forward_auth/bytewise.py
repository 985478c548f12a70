"""Requests to a proxy as bytes, for what no client library sends."""

import socket
from contextlib import contextmanager
from http.client import HTTPResponse
from urllib.parse import urlsplit

HANDSHAKE = (
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def raw(proxy, target, *headers, **more):
    """The status that a request line gets, sent as it is."""
    with listening(proxy, target, *headers, **more) as answer:
        return answer.status


@contextmanager
def listening(proxy, target, *headers, **more):
    """The answer to it."""
    with requested(proxy, target, *headers, **more) as connection:
        answer = HTTPResponse(connection)
        answer.begin()
        yield answer


@contextmanager
def requested(proxy, target, *headers, method="GET", end="close"):
    """The connection on which it was sent."""
    host, port = urlsplit(proxy).netloc.split(":")
    end = "Upgrade" if HANDSHAKE[0] in headers else end
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}:{port}", f"Connection: {end}", *headers]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        yield connection
