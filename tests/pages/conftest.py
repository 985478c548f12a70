"""The service in one process: a store in memory, and a throttle that is told what to do."""

from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from holdfast.assembly import assemble
from holdfast.service.app import create_app
from holdfast.service.authenticator import Account
from holdfast.service.backend.claims import Claims
from holdfast.service.context import ServiceContext
from holdfast.service.known_device import KnownDevices
from holdfast.service.options import ServiceOptions
from holdfast.service.readiness import Readiness
from holdfast.settings import Rate, Settings
from holdfast.testing import FakeClock
from pages.browsing import CHROME, PEOPLE, Browser

SECRET = "a secret for tests: kelp 4 seven otters 0291"


class People:
    """An authenticator over PEOPLE."""

    def check(self, email, password):
        return (
            Account(subject=f"id-of-{email}", email=email)
            if PEOPLE.get(email) == password
            else None
        )

    def still_valid(self, account):
        return True


class Throttle:
    """Lets everybody in until it is given a refusal."""

    def __init__(self):
        self.refusal = None

    async def enter(self, email, device, client):
        if self.refusal is not None:
            raise self.refusal

    async def failed(self, entry): ...

    async def succeeded(self, entry): ...

    async def undecided(self, entry): ...

    def refused(self, client): ...


class Checks:
    """Checks at once."""

    @asynccontextmanager
    async def slot(self):
        yield

    async def run(self, check):
        return check()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def settings():
    clear = ("cache", "cookies", "storage")
    return Settings.for_development(rate=Rate(limit=1000), clear_site_data=clear)


@pytest.fixture
def context(clock, settings):
    assembly = assemble(settings, secret=SECRET, store="memory://", audit=[], clock=clock)
    known_devices = KnownDevices(
        assembly.keys, settings.cookie, timedelta(days=1), clock=clock, entropy=bytes
    )
    yield ServiceContext(
        assembly=assembly,
        database=None,
        options=ServiceOptions(),
        authenticator=People(),
        checks=Checks(),
        throttle=Throttle(),
        known_devices=known_devices,
        readiness=Readiness(assembly.store, clock),
        service_keys=(),
        claims=Claims(assembly, ServiceOptions(), clock=clock, entropy=bytes),
        show_docs=False,
        clock=clock,
    )
    assembly.close()


@pytest.fixture
def app(context):
    return create_app(context)


@pytest.fixture
def browser(app):
    return Browser(app)


@pytest.fixture
def second(app):
    """Another browser."""
    return Browser(app, CHROME)
