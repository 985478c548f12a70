"""A session that one application made is used by all the others on the same store."""

import pytest

from holdfast.assembly import assemble
from holdfast.faces import async_shaped
from holdfast.settings import Settings
from holdfast.stores import Opened, open_store
from scenarios.applications import HAVE_DATA, OVER_HTTP
from scenarios.conftest import SECRET
from scenarios.visitors import ANN, Visitor, bearer
from web.browser import Browser
from web.sites import SITES

EVERY = [*SITES, *OVER_HTTP]
ORIGIN = "http://localhost:8000"


@pytest.fixture
def assembly(running):
    """The parts of an application in this process, over the store and secret of the service.

    Each request here has an event loop of its own, so that the store is blocking throughout.
    """
    store = open_store(running.store.url)
    both = Opened(store, async_shaped(store))
    assembly = assemble(Settings.for_development(), secret=SECRET, store=both)
    yield assembly
    assembly.close()


@pytest.fixture
def visitor_of(assembly, over_http):
    """Somebody in front of one of them."""

    def find(name):
        if name in OVER_HTTP:
            return over_http(name).visitor()
        browser = Browser(SITES[name](assembly), origin=ORIGIN, peer="127.0.0.1")
        return Visitor(browser, name="session")

    return find


@pytest.mark.parametrize("maker", EVERY)
def test_a_session_is_good_everywhere(maker, visitor_of):
    """Who signed in at one is known to all, by cookie and by token; so are the data, and the end."""
    made = visitor_of(maker)
    made.sign_in()
    token = made.tokens()["access_token"]
    users, written = {name: visitor_of(name) for name in EVERY}, 0
    for name, user in users.items():
        assert user.me(**bearer(token)).status == 200, name
        user.cookie = made.cookie
        assert user.subject() == ANN, name
        if name in HAVE_DATA:
            user.settle()
            written += 1
            assert user.data() == written, name
    users[EVERY[EVERY.index(maker) - 1]].sign_out()
    for user in users.values():
        user.settle()
    assert {name: user.me().status for name, user in users.items()} == dict.fromkeys(EVERY, 401)
