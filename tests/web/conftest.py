"""A site in each framework, over a store that can be made to fail, and a clock that stands still."""

import secrets

import pytest

from holdfast.rules.keys import KeyRing
from holdfast.settings import Rate, Settings
from web.browser import Browser
from web.parts import Parts
from web.site_work import REACHED
from web.sites import SITES


@pytest.fixture
def settings():
    return Settings(rate=Rate(limit=20), exclude_paths=("/excluded", "/below/"))


@pytest.fixture
def keys(settings):
    return KeyRing.from_secrets([secrets.token_urlsafe(32)], environment=settings.environment)


@pytest.fixture
def parts(settings, keys):
    parts = Parts(settings, keys)
    yield parts
    parts.assembly.close()


@pytest.fixture
def reached():
    """The orders that handlers of `/work` were given."""
    REACHED.clear()
    return REACHED


@pytest.fixture(params=SITES)
def app(request, parts):
    return SITES[request.param](parts.assembly)


@pytest.fixture
def browser(app):
    return Browser(app)


@pytest.fixture
def other(app):
    return Browser(app)
