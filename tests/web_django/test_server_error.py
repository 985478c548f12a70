"""A view that signs in and then fails: no cookie goes out, and nothing lives in the store.

So Django does with its own sessions: after an error of the server they are not saved, and their
cookie is not sent. Here much is carried out before the view ends, since somebody wants to see it.
"""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import override_settings
from django.utils.decorators import sync_and_async_middleware

from holdfast.errors import Conflict
from holdfast.web import django as holdfast
from web_django import project, urls
from web_django.conftest import AsyncBrowser, Browser

COOKIE = "__Host-session"
HERE = "web_django.test_server_error"
BACKEND = "django.contrib.auth.backends.ModelBackend"
DJANGOS_OWN = {
    "SESSION_ENGINE": "django.contrib.sessions.backends.db",
    "MIDDLEWARE": [
        "django.contrib.sessions.middleware.SessionMiddleware"
        if each.startswith("holdfast")
        else each
        for each in project.MIDDLEWARE
    ],
}
SEES = {
    "nothing": lambda request: None,
    "its key": lambda request: request.session.session_key,
    "a token": get_token,
    "saves": lambda request: request.session.save(),
}
"""What a view does after the sign-in and before it fails."""


def made_of_errors(status):
    """A middleware of either kind that makes an answer of what a view raises."""

    @sync_and_async_middleware
    def around(get_response):
        def middleware(request):  # of either kind, as is what it returns
            return get_response(request)

        async def awaiting(request):
            return await get_response(request)

        made = awaiting if asyncio.iscoroutinefunction(get_response) else middleware
        made.process_exception = lambda request, error: HttpResponse(str(error), status=status)
        return made

    return around


breaks, mends = made_of_errors(502), made_of_errors(200)


@pytest.fixture(params=[Browser, AsyncBrowser])
def client(request, parts):
    return request.param(raise_request_exception=False)


@pytest.fixture(params=["/visit", "/avisit"])
def fail(request, client):
    """Run a step in a view of either kind, which then raises; the answer to a client of either kind."""

    def visited(step, error=RuntimeError):
        def fails(asked):
            step(asked)
            raise error("boom")

        async def awaiting(asked):
            await sync_to_async(fails)(asked)

        urls.STEPS.append(fails if request.param == "/visit" else awaiting)
        answer = client.get(request.param)
        return asyncio.run(awaited(answer)) if asyncio.iscoroutine(answer) else answer

    yield visited
    urls.STEPS.clear()


async def awaited(answer):
    return await answer


def whose(cookie):
    """Whom a page greets that is asked for with this cookie; "": nobody."""
    browser = Browser()
    browser.cookies[COOKIE] = cookie
    return browser.get("/me").json()["user"]


@pytest.fixture
def enters(ada):
    """Sign in, and do what `sees` does."""

    def step(sees):
        def entered(request):
            login(request, ada, BACKEND)
            SEES[sees](request)

        return entered

    return step


@pytest.mark.parametrize("sees", SEES)
def test_nobody_is_signed_in(sees, fail, enters, parts):
    answer = fail(enters(sees))
    assert (answer.status_code, COOKIE in answer.cookies, parts.records()) == (500, False, [])


@pytest.mark.parametrize("sees", SEES)
def test_djangos_own_sessions_send_no_cookie_either(sees, fail, enters):
    with override_settings(**DJANGOS_OWN):
        answer = fail(enters(sees))
    assert (answer.status_code, COOKIE in answer.cookies) == (500, False)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(("mender", "status"), [("breaks", 502), ("mends", 200)])
def test_the_status_that_a_middleware_gives_it_counts(mender, status, ours, fail, enters, parts):
    """As for Django's own: what it makes a page of is no error of the server any more."""
    own = {} if ours else DJANGOS_OWN
    around = own.get("MIDDLEWARE", settings.MIDDLEWARE)
    with override_settings(**{**own, "MIDDLEWARE": [*around, f"{HERE}.{mender}"]}):
        answer = fail(enters("a token"))
    assert (answer.status_code, COOKIE in answer.cookies) == (status, status == 200)
    assert not ours or len(parts.records()) == (status == 200)


def test_by_the_engine(fail, parts):
    def enters(request):
        holdfast.assembly().blocking.sign_in(holdfast.session_of(request), "ada")

    assert COOKIE not in fail(enters).cookies
    assert parts.records() == []


def test_an_error_of_ours_keeps_nothing_either(fail, enters, parts):
    answer = fail(enters("a token"), error=Conflict)
    assert (answer.status_code, COOKIE in answer.cookies, parts.records()) == (409, False, [])


def test_who_was_signed_in_before_stays_so(fail, client, ada):
    """A new secret that was handed out at once, such as for a form, reaches the browser."""
    client.force_login(ada)
    old = client.cookies[COOKIE].value

    def cycles(request):
        request.session.cycle_key()
        get_token(request)

    new = fail(cycles).cookies[COOKIE].value
    assert new != old
    assert [whose(each) for each in (old, new)] == ["", "ada"]


def test_a_log_out_is_carried_out_where_errors_are_let_through(fail, client, ada, parts):
    """`DEBUG_PROPAGATE_EXCEPTIONS`: no answer is made at all."""
    client.force_login(ada)
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True), pytest.raises(RuntimeError):
        fail(logout)
    assert parts.records() == []
