"""An application under test at a time; those in processes of their own share one service."""

import secrets
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from holdfast.rules.keys import KeyRing
from holdfast.settings import Rate, Settings
from nodejs import built_package
from redis_servers import Server as RedisServer
from redis_servers import require_program
from scenarios.applications import BUDGET, OVER_HTTP, InProcess, Running
from service.running import Server
from web.parts import Parts
from web.sites import SITES

SECRET = "a secret for tests: kelp 4 seven otters 0291"
PROOFS = Path(__file__).parents[1] / "proofs"
"""Where the authenticator `people` is, which knows everybody."""


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """A service over Redis, for the applications that run for themselves.

    `variables` are those of every service over this store.
    """
    require_program()
    folder = tmp_path_factory.mktemp("running")
    store = RedisServer(folder)
    store.start()
    variables = {
        "PROFILE": "development",
        "SECRET": SECRET,
        "STORE": store.url,
        "STORE_TIMEOUT": "3s",
        "RATE": f"{BUDGET}/15m",
    }
    service = Server(
        folder / "home",
        paths=[PROOFS],
        AUTHENTICATOR="people:check",
        TRUSTED_PROXIES="127.0.0.1",
        FORWARD_AUTH_SIGN_IN="http://localhost/sign-in",
        **variables,
    )
    yield Running(service, store, folder, variables, partial(built_package, tmp_path_factory))
    service.stop()
    store.close()


@pytest.fixture(scope="session")
def over_http(running):
    """Those that have been asked for, started once."""
    with ExitStack() as stack:
        started = {}

        def find(name):
            if name not in started:
                folder = running.folder / name
                folder.mkdir()
                own = replace(running, folder=folder)
                started[name] = stack.enter_context(OVER_HTTP[name](own))
            return started[name]

        yield find


@pytest.fixture
def parts():
    settings = Settings(rate=Rate(limit=BUDGET))
    keys = KeyRing.from_secrets([secrets.token_urlsafe(32)], environment=settings.environment)
    parts = Parts(settings, keys)
    yield parts
    parts.assembly.close()


@pytest.fixture(params=[*SITES, *OVER_HTTP])
def application(request):
    """One after the other."""
    if request.param in SITES:
        return InProcess(request.param, request.getfixturevalue("parts"))
    return request.getfixturevalue("over_http")(request.param)


@pytest.fixture
def visitor(application):
    return application.visitor()


@pytest.fixture
def other(application):
    return application.visitor()
