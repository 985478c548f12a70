"""What the rest of a request is held to: the end of its session, and of the cookie that it came with."""

from datetime import timedelta

import pytest

from held.site import SECRET, settings
from holdfast.assembly import assemble
from holdfast.chain import Request as Facts
from holdfast.chain import Visit
from holdfast.faces import run
from holdfast.session import Session
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, MemoryStore
from holdfast.web import lasting

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
