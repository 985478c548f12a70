"""What a request leaves behind: nothing that only the garbage collector would ever find."""

import gc
import weakref

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory, override_settings

from holdfast.chain.request import no_form_field
from holdfast.web.django import csrf_token, here, session_of
from web_django.urls import STEPS


def reads(request):
    return session_of(request).subject


def reads_as_django(request):
    return request.session.get("color")


def writes_as_django(request):
    request.session["color"] = "blue"


def shows_a_token(request):
    return csrf_token(request)


@pytest.fixture
def uncollected():
    """Without Django's own middleware for users, whose lazy user leads back to the request."""
    gc.disable()
    with override_settings(MIDDLEWARE=["holdfast.web.django.middleware.HoldfastMiddleware"]):
        yield
    gc.enable()


def answered(method, cookies):
    """An answer of the handler, sent and closed."""
    extra = {"HTTP_COOKIE": "; ".join(f"{k}={m.value}" for k, m in cookies.items())}
    environ = RequestFactory().generic(method, "/visit", secure=True, **extra).environ
    started = []
    response = WSGIHandler()(environ, lambda status, _headers: started.append(status))
    b"".join(response)
    response.close()
    return started


@pytest.mark.parametrize("view", [reads, reads_as_django, writes_as_django, shows_a_token])
def test_a_request_is_gone_with_its_answer(uncollected, browser, run, view):
    """No circle holds the exchange: what a request used is free again at once."""
    run(writes_as_django)
    seen = []

    def step(request):
        seen.append(weakref.ref(here.exchange_of(request)))
        return view(request)

    STEPS.append(step)
    assert answered("GET", browser.cookies) == ["200 OK"]
    assert seen[0]() is None


def test_a_safe_async_request_leads_to_no_form(arun):
    """Only who sends a form is asked for one, and only then is there a way back to the request."""

    async def asks(request):
        return here.exchange_of(request).visit.request.form_field is no_form_field

    assert arun(asks)
