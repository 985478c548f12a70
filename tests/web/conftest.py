"""A site in each framework, over a store that can be made to fail, and a clock that stands still."""

import secrets

import pytest

from holdfast.assembly import assemble
from holdfast.errors import StoreUnavailable
from holdfast.rules.keys import KeyRing
from holdfast.settings import Rate, Settings
from holdfast.stores import Opened
from holdfast.testing import AsyncMemoryStore, FakeClock, HookedStore, MemoryStore
from web.browser import Browser
from web.site_work import REACHED
from web.sites import SITES


class Parts:
    """What a test turns its screws on: the store under either face, time, what was audited."""

    def __init__(self, settings, keys):
        self.clock = FakeClock()
        self.events = []
        memory = MemoryStore()
        self.store = HookedStore(AsyncMemoryStore(memory))
        blocking = HookedStore(memory)
        vars(blocking).update({**vars(self.store), "_store": memory})  # the same hooks and calls
        self.assembly = assemble(
            settings,
            keys=keys,
            store=Opened(blocking.blocking(), self.store.asynchronous()),
            audit=[self.events.append],
            clock=self.clock,
        )

    @property
    def sessions(self):
        """For what another request does meanwhile, whichever face the site is on."""
        return self.assembly.blocking

    def fail(self, verb, error=StoreUnavailable, times=1):
        """The store answers the next calls of this verb with an error."""

        def hook():
            raise error("as the test wishes")

        self.store.before(verb, hook, times=times)

    def reasons(self):
        return [event.reason for event in self.events if event.reason]


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
