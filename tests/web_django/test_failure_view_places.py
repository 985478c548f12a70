"""The three places that call `CSRF_FAILURE_VIEW`: ahead of a view, at a guard in it, and after it.

After it: what the view did is a sign-in that any page could have sent, or there was no view at all.
"""

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY, login, logout
from django.http import HttpResponseForbidden
from django.template import engines
from django.template.response import TemplateResponse
from django.test import override_settings

from holdfast.errors import StoreUnavailable
from holdfast.session import Session
from holdfast.web import django as holdfast
from web_django import urls

# The fixtures of both stacks, and the view that does what a test wishes.
from web_django.test_failure_view import BACKEND, COOKIE, SEEN, STEPS, clean, client, failing, post

__all__ = ["clean", "client", "failing", "post"]
LOOKS = "web_django.test_failure_view_late.threads"


@pytest.fixture
def entering(ada):
    return lambda request: login(request, ada, BACKEND)


@pytest.fixture
def places(client, post, ada, entering):
    """Have a form refused there."""

    def ahead():
        client.force_login(ada)
        return post()

    def at_a_guard():
        urls.STEPS.append(holdfast.require_csrf(lambda request: "in"))
        return post("/visit")

    def after_it():
        urls.STEPS.append(entering)
        return post("/visit")

    return {"ahead": ahead, "at a guard": at_a_guard, "after it": after_it}


@pytest.fixture
def nowhere(client, post, ada):
    """A form of ada's that no view is for, and a middleware that has looked at her session."""

    def send():
        client.force_login(ada)
        with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, LOOKS]):
            return post("/nowhere")

    return send


ALL = pytest.mark.parametrize("place", ["ahead", "at a guard", "after it"])


@ALL
def test_a_page_that_is_rendered_later(place, places, post):
    """As that of any `TemplateView`; its token is good, where a pre-session has to go out as well."""

    def page(request):
        text = "Sorry {{ request.path }} {{ csrf_token }}"
        return TemplateResponse(request, engines["django"].from_string(text), status=403)

    STEPS.append(page)
    answer = places[place]()
    _, path, token = answer.content.decode().split()
    assert (answer.status_code, path) == (403, "/form" if place == "ahead" else "/visit")
    assert post(headers={"x-csrftoken": token}).json() == {"item": "3"}


@ALL
def test_what_it_writes(place, places, parts):
    """Kept where the request is refused as it comes; otherwise dropped, and the page goes out."""

    def writes(request):
        request.session["late"] = True
        return HttpResponseForbidden("Sorry")

    STEPS.append(writes)
    answer = places[place]()
    assert (answer.status_code, answer.content) == (403, b"Sorry")
    kept = [Session(record, plain=record.data).get("late") for record in parts.records()]
    assert kept == ([True] if place == "ahead" else [])


@pytest.mark.parametrize("place", ["at a guard", "after it"])
@pytest.mark.parametrize("sees", ["key", "save"])
def test_what_it_carries_out_at_once_is_taken_back(place, sees, places, parts, entering):
    def enters(request):
        entering(request)
        return HttpResponseForbidden(f"Sorry {request.session.session_key}")

    def saves(request):
        request.session.save()
        return HttpResponseForbidden("Sorry")

    STEPS.extend([enters if sees == "key" else saves] * 2)
    answer = places[place]()
    assert (answer.status_code, COOKIE in answer.cookies, parts.records()) == (403, False, [])


@pytest.mark.parametrize("fails", [False, True])
def test_a_log_out_is_carried_out(fails, nowhere, parts):
    def leaves(request):
        logout(request)
        if fails:
            raise RuntimeError("boom")
        return HttpResponseForbidden("Bye")

    STEPS.append(leaves)
    answer = nowhere()
    assert (answer.status_code, parts.records()) == (500 if fails else 403, [])
    assert fails or answer.cookies[COOKIE].value == ""


def test_an_outage_keeps_its_page_to_itself(nowhere, parts):
    """It says that somebody has left who has not."""

    def leaves(request):
        logout(request)
        parts.fail("delete", StoreUnavailable, times=9)
        return HttpResponseForbidden("Bye")

    STEPS.append(leaves)
    answer = nowhere()
    assert (answer.status_code, len(parts.records())) == (503, 1)


def test_without_a_view_it_writes_nothing_either(nowhere, client, ada):
    def writes(request):
        request.session["late"] = request.session[SESSION_KEY]
        return HttpResponseForbidden("Sorry")

    STEPS.append(writes)
    assert nowhere().content == b"Sorry"
    assert SEEN == [("ada", "CSRF check failed", "3")]
    assert (client.session[SESSION_KEY], client.session.get("late")) == (str(ada.pk), None)
