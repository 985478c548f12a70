"""Hostile requests, byte by byte, at every adapter and every proxy: see the table in `hostile`."""

import re
import socket
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest

from scenarios.applications import OVER_HTTP
from scenarios.hostile import ROWS, as_bytes, is_for
from scenarios.serving import served
from scenarios.visitors import HttpBrowser, Visitor
from web.sites import SITES


@pytest.fixture(scope="session")
def served_sites():
    """Those that have been asked for, started once."""
    with ExitStack() as stack:
        started = {}

        def find(name):
            if name not in started:
                started[name] = stack.enter_context(served(name))
            return Visitor(HttpBrowser(started[name]), name="session")

        yield find


@pytest.fixture(scope="module")
def victims():
    """Who is signed in where; a table of requests asks for one sign-in."""
    return {}


@pytest.fixture(params=[*SITES, *OVER_HTTP])
def victim(request, victims):
    """Somebody signed in, the column of the table, and the values that a request of theirs has."""
    name = request.param
    if name not in victims:
        wanted = "served_sites" if name in SITES else "over_http"
        found = request.getfixturevalue(wanted)(name)
        visitor = found if name in SITES else found.visitor()
        visitor.sign_in()
        column = "sites" if name in SITES else found.column
        values = {
            "host": urlsplit(visitor.browser.origin).netloc,
            "cookie": visitor.cookie,
            "token": visitor.csrf_token(),
            "access": visitor.tokens()["access_token"],
        }
        victims[name] = visitor, column, values
    return victims[name]


def sent(address, data):
    """Everything that comes of these bytes."""
    url = urlsplit(address)
    came = b""
    with socket.create_connection(("127.0.0.1", url.port), timeout=30) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before it was read
            connection.sendall(data)
        with suppress(ConnectionResetError):
            while part := connection.recv(65536):
                came += part
    return came


@pytest.mark.parametrize("name", ROWS)
def test_hostile_requests(name, victim):
    """The expected answer, one answer, and nothing in it that the client could have put there."""
    visitor, column, values = victim
    row = ROWS[name]
    came = sent(visitor.browser.origin, as_bytes(row, **values))
    statuses = [int(digits) for digits in re.findall(rb"HTTP/1\.[01] (\d{3})", came)] or [0]
    assert len(statuses) == 1, came[:2000]
    assert statuses[0] in getattr(row, column), came[:2000]
    head, _, body = came.partition(b"\r\n\r\n")
    assert b"evil.example" not in head
    assert b"\nset-cookie" not in head.lower()
    assert b"\nX-Injected" not in head
    if statuses == [200] and body:
        assert is_for(body) or b'"success"' in body, body


def test_nobody_was_signed_out(victim):
    """After all that."""
    visitor, *_ = victim
    assert visitor.me().status == 200
