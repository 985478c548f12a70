"""A client that never reads what it is sent holds a connection no longer than the bound (P37)."""

import socket
import threading
from contextlib import contextmanager

import pytest
import uvicorn

from holdfast.service import connection
from service.running import until

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
PIECE = b"x" * 1_000_000
LINUX = pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system's own bound")


async def much(scope, receive, send):
    """More than all buffers take."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(16):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def much_at_once(scope, receive, send):
    """As much; the answer is complete, for the application, before anything is read."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]}
    )
    await send({"type": "http.response.body", "body": PIECE * 16})


@contextmanager
def serving(app):
    """The server in a thread."""
    config = uvicorn.Config(
        app, port=0, lifespan="off", http=connection.Connection, ws="none", log_config=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started, "the server listens")
        yield server
    finally:
        server.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


@LINUX
@pytest.mark.parametrize("app", [much, much_at_once])
def test_it_is_cut_off(monkeypatch, app):
    """The server has let go of it, and its shutdown waits for nobody."""
    monkeypatch.setattr(connection, "ACCEPTED_WITHIN", 2.0)
    with serving(app) as server:
        address = server.servers[0].sockets[0].getsockname()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            client.sendall(REQUEST)
            until(lambda: server.server_state.connections, "the connection is there")
            until(lambda: not server.server_state.connections, "the connection is gone")


@LINUX
def test_who_reads_late_reads_all(monkeypatch):
    """As long as something is taken within the bound."""
    monkeypatch.setattr(connection, "ACCEPTED_WITHIN", 10.0)
    with serving(much) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(server.servers[0].sockets[0].getsockname())
        client.sendall(REQUEST)
        until(lambda: server.server_state.tasks, "the answer has begun")
        with client.makefile("rb") as answer:
            assert sum(line.count(b"x") for line in answer) >= 16 * len(PIECE)
            client.shutdown(socket.SHUT_RDWR)
