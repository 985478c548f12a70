"""A Django project on a store in memory that can be made to fail, and a clock that stands still."""

import asyncio

import pytest
from django.apps import apps
from django.conf import settings as conf
from django.db import connections
from django.test import AsyncClient, Client

from holdfast.rules.keys import KeyRing
from holdfast.session import Session
from holdfast.settings import Settings
from holdfast.web import lasting
from slow_bodies import time_in
from web.parts import Parts
from web_django import project

project.set_up()

from holdfast.web.django import adoption, exchange  # noqa: E402 - once Django is set up
from web_django import urls  # noqa: E402 - once Django is set up

SECRET = "a secret for tests: kelp 4 seven otters 0291"


class Browser(Client):
    """Django's test client, over HTTPS, and with the CSRF checks that it leaves out by itself."""

    def __init__(self, **options):
        super().__init__(enforce_csrf_checks=True, **options)

    def generic(self, *args, secure=True, **options):
        return super().generic(*args, **{**options, "secure": True})


class AsyncBrowser(AsyncClient):
    """The same for async views."""

    def __init__(self, **options):
        super().__init__(enforce_csrf_checks=True, **options)

    def generic(self, *args, secure=True, **options):
        return super().generic(*args, **{**options, "secure": True})


@pytest.fixture
def settings():
    return Settings()


@pytest.fixture
def parts(settings):
    keys = KeyRing.from_secrets([SECRET], environment=settings.environment)
    parts = Parts(settings, keys, adoption.of(conf))
    apps.get_app_config("holdfast").run_on(parts.assembly)
    yield parts
    apps.get_app_config("holdfast").run_on(None)
    parts.assembly.close()


@pytest.fixture
def session(parts):
    """The session of somebody, whose cookie comes with a request that takes its time."""
    session = Session()
    session.sign_in("77")
    parts.sessions.commit(session)
    return session


@pytest.fixture
def passing(monkeypatch):
    """Time, as requests see it, in seconds."""
    return time_in(monkeypatch, lasting, exchange)


@pytest.fixture
def browser(parts):
    return Browser()


@pytest.fixture
def abrowser(parts):
    return AsyncBrowser()


@pytest.fixture(scope="session")
def tables():
    project.make_tables()
    yield
    connections.close_all()


@pytest.fixture
def users(tables):
    """The model of users; there are none at the end, as at the beginning."""
    from django.contrib.auth import get_user_model

    model = get_user_model()
    yield model.objects
    model.objects.all().delete()


@pytest.fixture
def ada(users):
    return users.create_user("ada", password="correct horse battery")


@pytest.fixture
def admin(users):
    return users.create_superuser("root", password="correct horse battery")


@pytest.fixture
def run(browser):
    """Run each step, a function of the request, in a request of its own; what the last returned."""
    yield lambda *steps: [visited(browser, step) for step in steps][-1]
    urls.STEPS.clear()


@pytest.fixture
def arun(abrowser):
    """The same for coroutine functions, on an event loop."""

    async def every(steps):
        return [await avisited(abrowser, step) for step in steps]

    yield lambda *steps: asyncio.run(every(steps))[-1]
    urls.STEPS.clear()


def visited(browser, step, **options):
    urls.STEPS.append(step)
    answer = browser.get("/visit", **options)
    return answer.json()["got"] if answer.status_code == 200 else answer


async def avisited(browser, step):
    urls.STEPS.append(step)
    answer = await browser.get("/avisit")
    return answer.json()["got"] if answer.status_code == 200 else answer
