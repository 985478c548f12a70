"""What the rest of a request is held to: the end of its session, and of the cookie that it came with."""

import io
from datetime import timedelta

import pytest

from held.site import SECRET, settings
from holdfast.assembly import assemble
from holdfast.chain import Request as Facts
from holdfast.chain import Visit
from holdfast.errors import SessionEnded
from holdfast.faces import run
from holdfast.session import Session
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, MemoryStore
from holdfast.web import lasting
from holdfast.web.wsgi_body import Body

BOUND = 0.1


@pytest.fixture
def passing(monkeypatch):
    """Time, as requests see it, in seconds."""
    now = [100.0]
    monkeypatch.setattr(lasting, "moment", lambda: now[0])
    return now


@pytest.fixture
def parts():
    memory = MemoryStore()
    store = Opened(memory, AsyncMemoryStore(memory))
    parts = assemble(
        settings(cache_bound=timedelta(seconds=BOUND)), secret=SECRET, store=store, audit=[]
    )
    yield parts
    parts.close()


@pytest.fixture
def session(parts):
    session = Session()
    parts.blocking.sign_in(session, "ann")
    return session


def held(parts, session):
    """What the body of a request of this session is held to."""
    visit = Visit(Facts("POST", "http", "localhost", "/", None, {}), unsafe=True, session=session)
    visit.came_by = session.via
    return run(lasting.in_time(parts.blocking_chain, visit, lasting.moment()))


def code(proved):
    error = run(proved.over())
    return None if error is None else error.code


def test_who_asks_again_gets_no_more(parts, session, passing):
    """A handler that goes on after the end, since it catches whatever a read raises."""
    proved = held(parts, session)
    parts.blocking.revoke_all("ann")
    passing[0] += BOUND
    for _ in range(3):
        assert proved.due()
        assert code(proved) == "session_ended"


def test_a_rotation_ends_what_was_laid_by(parts, session, passing):
    """After a change of password the old cookie is worth nothing (R14), and no half-sent request of it."""
    laid_by, socket = (
        held(parts, session),
        lasting.Proved(parts.blocking_chain, session, passing[0]),
    )
    parts.blocking.rotate(parts.blocking.begin(session.cookie))
    passing[0] += BOUND
    assert code(laid_by) == "session_ended"
    assert code(socket) is None


def test_a_rotation_of_its_own_does_not(parts, session, passing):
    proved = held(parts, session)
    parts.blocking.rotate(session)
    passing[0] += BOUND
    assert code(proved) is None


def test_a_rotation_ends_no_token(parts, session, passing):
    """Tokens keep their session through it."""
    tokens = parts.blocking.issue_tokens(session)
    bearer = parts.blocking.begin_bearer(tokens.access_token)
    proved = held(parts, bearer)
    parts.blocking.rotate(session)
    passing[0] += BOUND
    assert code(proved) is None


class Server(io.RawIOBase):
    """A body of which always as much has come as is asked for."""

    def __init__(self):
        self.asked = []

    def read(self, size=-1, /):
        self.asked.append(size)
        return b"x" * size

    def readline(self, size=-1, /):
        self.asked.append(size)
        return b"line\n"


def test_no_more_is_waited_for_than_is_asked(parts, session, passing):
    """A handler that takes a body as it comes, line by line, sees each line when it is there."""
    server = Server()
    environ = {"wsgi.input": server, "CONTENT_LENGTH": "99"}
    Body(environ).hold_to(held(parts, session))
    body = environ["wsgi.input"]
    assert body.read(5) == b"xxxxx"
    assert body.readline(80) == b"line\n"
    assert body.readinto(bytearray(3)) == 3
    assert server.asked == [5, 80, 3]
    parts.blocking.revoke_all("ann")
    passing[0] += BOUND
    for read in (body.read, body.readline):
        with pytest.raises(SessionEnded):
            read(3)
