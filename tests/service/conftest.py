"""The service in one process, over a real database file and a clock that stands still."""

import pytest

from holdfast.assembly import now_ms
from holdfast.service import building
from holdfast.service.administration import Administration
from holdfast.service.app import create_app
from holdfast.service.passwords import Hasher
from holdfast.testing import FakeClock
from service.clients import EMAIL, PASSWORD, Client, built


@pytest.fixture
def clock():
    return FakeClock(now_ms())


@pytest.fixture
def events():
    """The audit events so far."""
    return []


@pytest.fixture
def quick(monkeypatch):
    """Hashes with the smallest parameters; what they cost is a matter of `test_passwords`."""
    monkeypatch.setattr(building, "Hasher", lambda: Hasher(memory_kib=8, passes=1))


@pytest.fixture
def variables():
    """Variables beyond those of the development profile; tests override it."""
    return {}


@pytest.fixture
def context(tmp_path, clock, events, quick, variables):
    context = built(tmp_path, clock, events, **variables)
    yield context
    context.close()


@pytest.fixture
def administration(context, clock):
    return Administration(context.assembly, context.database, context.options, clock)


@pytest.fixture
def ada(administration):
    """A user."""
    return administration.add(EMAIL, PASSWORD, "admin")


@pytest.fixture
def app(context, ada):
    return create_app(context)


@pytest.fixture
def client(app):
    return Client(app)


@pytest.fixture
def other(app):
    """Another client, from the same address."""
    return Client(app, agent="curl/8.0")
