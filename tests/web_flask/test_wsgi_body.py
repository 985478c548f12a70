"""A body that was looked into is read again in full, however the server hands it over."""

import io

import pytest

from holdfast.faces import run
from holdfast.web.wsgi_body import Body
from holdfast.web.wsgi_request import facts

FORM = "application/x-www-form-urlencoded"


class Dripping:
    """A server's stream that gives a few bytes at a time, and notes if it is asked past the end."""

    def __init__(self, content, *, ends):
        self._rest = io.BytesIO(content)
        self._left = len(content)
        self._ends = ends

    def read(self, size):
        if not self._ends:
            assert 0 < size <= self._left, "a socket would wait for ever here"
        chunk = self._rest.read(min(size, 7_000))
        self._left -= len(chunk)
        return chunk


def environ(content, *, chunked=False, content_type=FORM, length=None):
    made = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": content_type,
        "wsgi.input": Dripping(content, ends=chunked),
    }
    if chunked:
        made["wsgi.input_terminated"] = True
    else:
        made["CONTENT_LENGTH"] = str(len(content)) if length is None else length
    return made


@pytest.mark.parametrize("size", [0, 1, 6_999, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("chunked", [True, False])
def test_found_and_replayed(size, chunked):
    content = b"csrf_token=t&rest=" + b"x" * size
    request = environ(content, chunked=chunked)
    assert run(Body(request).field("csrf_token")) == "t"
    assert request["wsgi.input"].read() == content
    assert request["wsgi.input"].read() == b""


def test_the_replay_has_what_pep_3333_asks_for():
    """read(n), readline, readlines and iteration."""
    content = b"csrf_token=t&a=\nsecond line\nthird"
    request = environ(content)
    run(Body(request).field("csrf_token"))
    stream = request["wsgi.input"]
    assert stream.read(5) == b"csrf_"
    assert stream.readline() == b"token=t&a=\n"
    assert list(stream) == [b"second line\n", b"third"]


@pytest.mark.parametrize("length", ["", "0", "-1", "12x", "١"])
def test_a_length_that_is_none_means_no_body(length):
    """Nothing is read: a server that does not end the stream would wait for ever."""
    request = environ(b"", length=length)
    assert run(Body(request).field("csrf_token")) is None


def test_a_length_of_any_number_of_digits():
    """Servers hand it over as it was sent, and Python reads no number of more than 4,300."""
    content = b"csrf_token=t"
    request = environ(content, length="9" * 5_000)
    request["wsgi.input"] = io.BytesIO(content)
    assert run(Body(request).field("csrf_token")) == "t"
    assert request["wsgi.input"].read() == content


def test_what_is_no_form_is_left_alone():
    request = environ(b"{}", content_type="application/json")
    before = request["wsgi.input"]
    assert run(Body(request).field("csrf_token")) is None
    assert request["wsgi.input"] is before


def test_the_facts_of_a_request():
    """Headers by their names, the path as the client wrote it, and no peer for a Unix socket."""
    made = {
        "REQUEST_METHOD": "GET",
        "wsgi.url_scheme": "https",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "8443",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/ä".encode().decode("latin-1"),
        "REMOTE_ADDR": "",
        "HTTP_X_CSRF_TOKEN": "t",
        "HTTP_COOKIE": "a=b",
        "CONTENT_TYPE": "text/plain",
    }
    wanted = frozenset({"x-csrf-token", "cookie", "content-type", "origin"})
    request = facts(made, wanted, Body(made).field)
    assert (request.host, request.path, request.peer) == ("shop.example:8443", "/app/ä", None)
    assert dict(request.headers) == {
        "x-csrf-token": "t",
        "cookie": "a=b",
        "content-type": "text/plain",
    }
