"""A small Flask application on a store in memory that can be made to fail, and a clock that stands still."""

import pytest
from flask import Flask

from holdfast.assembly import assemble
from holdfast.settings import Settings
from holdfast.testing import FakeClock, client
from holdfast.web import flask as holdfast

SECRET = "a secret for tests: kelp 4 seven otters 0291"


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def events():
    return []


@pytest.fixture
def settings():
    return Settings()


@pytest.fixture
def parts(settings, clock, events):
    parts = assemble(settings, secret=SECRET, store="memory://", clock=clock, audit=[events.append])
    yield parts
    parts.close()


@pytest.fixture
def app(parts, clock):
    app = Flask("shop")
    holdfast.Holdfast(app, assembly=parts)
    return app


@pytest.fixture
def browser(app):
    return client(app)
