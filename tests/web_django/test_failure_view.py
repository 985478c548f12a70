"""`CSRF_FAILURE_VIEW`, where a project has set it: called as Django calls it, under either stack."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpResponse, HttpResponseForbidden
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.test import override_settings

from holdfast.errors import StoreUnavailable
from holdfast.web import django as holdfast
from web_django import urls
from web_django.conftest import AsyncBrowser, Browser

COOKIE = "__Host-session"
BACKEND = "django.contrib.auth.backends.ModelBackend"
SEEN, STEPS = [], []


def sorry(request, reason=""):
    """Look at whatever a page looks at; then what the test wishes."""
    SEEN.append((request.user.username, reason, request.POST.get("item")))
    return STEPS.pop(0)(request) if STEPS else HttpResponseForbidden(f"Sorry {get_token(request)}")


async def asorry(request, reason=""):
    return await sync_to_async(sorry)(request, reason)


@pytest.fixture(autouse=True)
def clean():
    yield
    for each in (SEEN, STEPS, urls.STEPS):
        each.clear()


@pytest.fixture(params=[sorry, asorry])
def failing(request):
    with override_settings(CSRF_FAILURE_VIEW=request.param):  # which may be the view itself
        yield


@pytest.fixture(params=[Browser, AsyncBrowser])
def client(request, parts, failing):
    return request.param(raise_request_exception=False)


@pytest.fixture
def post(client):
    """A form of nobody's making, sent to one of the views."""

    def send(path="/form", **options):
        answer = client.post(path, {"item": "3"}, **options)
        return asyncio.run(awaited(answer)) if asyncio.iscoroutine(answer) else answer

    return send


async def awaited(answer):
    return await answer


def test_a_form_without_a_token(client, post, ada, parts):
    """The project's page, never kept by a cache; the view is not reached and nobody is signed out."""
    client.force_login(ada)
    before = client.cookies[COOKIE].value
    answer = post()
    assert (answer.status_code, answer.content[:6]) == (403, b"Sorry ")
    assert SEEN == [("ada", "CSRF check failed", "3")]
    assert answer["Cache-Control"] == "no-store"
    assert {"Cookie", "Origin", "Sec-Fetch-Site"} <= set(answer["Vary"].split(", "))
    assert client.cookies[COOKIE].value == before
    assert [record.subject for record in parts.records()] == [str(ada.pk)]


def test_the_token_of_that_page_is_good(client, post, ada):
    client.force_login(ada)
    token = post().content.decode().removeprefix("Sorry ")
    assert post(headers={"x-csrftoken": token}).json() == {"item": "3"}


def test_a_request_from_elsewhere(client, post, ada):
    """Refused before the session is looked for; the page may ask for it."""
    client.force_login(ada)
    answer = post(headers={"origin": "https://evil.example"})
    assert (answer.status_code, SEEN[0][0]) == (403, "ada")


def test_a_sign_in_that_any_page_could_have_sent(post, ada, parts):
    """It is refused when the view has answered: its page, cookies and session go nowhere."""
    urls.STEPS.append(lambda request: login(request, ada, BACKEND))
    answer = post("/visit")
    assert (answer.status_code, answer.content[:6]) == (403, b"Sorry ")
    assert (COOKIE in answer.cookies, parts.records()) == (False, [])


def test_the_token_of_that_page_is_good_as_well(post, ada):
    """Its pre-session goes out with it."""
    urls.STEPS.extend([lambda request: login(request, ada, BACKEND)] * 2)
    token = post("/visit").content.decode().removeprefix("Sorry ")
    assert post("/visit", headers={"x-csrftoken": token}).json() == {"got": None}


def test_a_session_that_is_past_its_own_limit_is_over_there_as_well(client, post, ada, parts):
    client.force_login(ada)
    session = client.session
    session.set_expiry(3600)
    session.save()
    parts.clock.advance(2 * 3600 * 1000)
    assert post().status_code == 403
    assert SEEN[0][0] == ""


def test_a_guard_in_a_view(post):
    urls.STEPS.append(holdfast.require_csrf(lambda request: "in"))
    assert post("/visit").content.startswith(b"Sorry ")


def test_an_exempt_view_answers_as_ever(post):
    """Such as one of the REST framework, whose clients look for the code."""
    urls.STEPS.append(holdfast.require_csrf(lambda request: "in"))
    answer = post("/exempt")
    assert (answer.status_code, answer.json()["code"], SEEN) == (403, "csrf_failed", [])


def test_other_refusals_are_no_business_of_it(client, post, parts):
    urls.STEPS.append(holdfast.require(lambda request: "in"))
    assert post("/visit").json()["code"] == "unauthenticated"
    assert SEEN == []


def test_it_may_answer_with_another_status(client, post, ada):
    """As in Django; what it writes into the session is kept."""
    client.force_login(ada)

    def back(request):
        request.session["late"] = True
        messages.warning(request, "The page was too old.")
        return redirect("/form")

    STEPS.append(back)
    answer = post()
    assert (answer.status_code, answer["Location"]) == (302, "/form")
    kept = client.session
    assert kept["late"] is True


def test_it_may_fail(client, post, ada, parts):
    """500, and nothing of it is kept."""
    client.force_login(ada)

    def fail(request):
        request.session["late"] = True
        raise RuntimeError("boom")

    STEPS.append(fail)
    assert post().status_code == 500
    assert "late" not in client.session
    assert len(parts.records()) == 1


def test_it_signs_nobody_in(post, ada, parts):
    """Not even here is any page's word enough."""

    def enter(request):
        login(request, ada, BACKEND)
        return HttpResponse("in")

    urls.STEPS.append(lambda request: login(request, ada, BACKEND))
    STEPS.extend([enter, enter])
    answer = post("/visit")
    assert (answer.status_code, COOKIE in answer.cookies) == (200, False)
    assert parts.records() == []


def test_it_signs_nobody_in_whose_session_it_is_not(client, post, ada, users, parts):
    client.force_login(ada)
    ben = users.create_user("ben")
    STEPS.append(lambda request: HttpResponse(login(request, ben, BACKEND)))
    assert post().content.startswith(b"Sorry ")
    assert [record.subject for record in parts.records()] == [str(ada.pk)]


def test_an_outage_stays_one(client, post, ada, parts):
    """Whatever the page makes of it: 503, and the cookie is left alone."""
    client.force_login(ada)
    parts.fail("get", StoreUnavailable, times=9)
    answer = post(headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.cookies) == (503, {})


def test_without_the_setting_it_is_json(browser, ada):
    browser.force_login(ada)
    answer = browser.post("/form", {"item": "3"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_djangos_own_page_if_a_project_says_so(browser, ada):
    """With its template `403_csrf.html`, if there is one."""
    browser.force_login(ada)
    with override_settings(CSRF_FAILURE_VIEW="django.views.csrf.csrf_failure"):
        answer = browser.post("/form", {"item": "3"})
    assert (answer.status_code, b"CSRF verification failed" in answer.content) == (403, True)
