"""`holdfast.testing` with a project: Django's own clients, signed in, on a store of their own."""

import asyncio

import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.test import AsyncClient, Client

from holdfast.testing import client as client_of
from holdfast.testing import csrf, csrf_form, isolated, sign_in
from holdfast.web.django import assembly

DAY = 24 * 3_600_000


@pytest.fixture(scope="module")
def application(tables):
    return get_wsgi_application()


def test_who_is_signed_in(holdfast_client, application, ada):
    """By the id of a user, who is `request.user`; a claim is one for guards."""
    browser = holdfast_client(application)
    assert isinstance(browser, Client)
    assert browser.get("/mine").status_code == 401
    session = sign_in(browser, subject=ada.pk)
    assert session.subject == str(ada.pk)
    assert browser.get("/mine").json() == {"user": "ada", "subject": str(ada.pk)}
    assert browser.get("/accounts/logout/").status_code == 405
    assert browser.post("/accounts/logout/", headers=csrf(browser)).status_code in {200, 302}
    assert browser.get("/mine").status_code == 401


def test_forms(holdfast_client, application):
    """CSRF tokens are checked, as Django's own client does only if it is told."""
    browser = holdfast_client(application)
    assert browser.post("/form", {"item": "tea"}, headers=csrf(browser)).status_code == 200
    assert browser.post("/form", {"item": "tea", **csrf_form(browser)}).json()["item"] == "tea"
    sign_in(browser, subject="ada")
    assert browser.post("/form", {"item": "tea"}).status_code == 403
    assert browser.post("/form", {"item": "tea"}, headers=csrf(browser)).status_code == 200
    lenient = holdfast_client(application, enforce_csrf_checks=False)
    sign_in(lenient, subject="ada")
    assert lenient.post("/form", {"item": "tea"}).status_code == 200


def test_a_client_that_brings_the_token_by_itself(holdfast_client, application, ada):
    """As the scripts of pages do; not beside an access token, in either spelling of headers."""
    browser = holdfast_client(application, csrf=True)
    sign_in(browser, subject=ada.pk)
    assert browser.post("/form", {"item": "tea"}).status_code == 200
    assert browser.post("/form", {"item": "tea"}, headers={"X-CSRF-Token": "x"}).status_code == 403
    assert browser.get("/mine").status_code == 200
    fresh = holdfast_client(application, csrf=True)
    for given in ({"headers": {"Authorization": "Bearer x"}}, {"HTTP_AUTHORIZATION": "Bearer x"}):
        assert fresh.post("/mine", **given).status_code == 401
        assert not fresh.cookies


def test_time_and_the_devices_of_one_person(holdfast_client, holdfast_clock, application, ada):
    """Clients of one test share a store, on the clock of the test."""
    phone, laptop = holdfast_client(application), holdfast_client(application)
    sign_in(phone, subject=ada.pk)
    sign_in(laptop, subject=ada.pk)
    assert len(assembly().blocking.sessions_of(ada.pk).records) == 2
    holdfast_clock.advance(DAY // 2)
    assert laptop.get("/mine").status_code == 200
    holdfast_clock.advance(2 * DAY)
    assert phone.get("/mine").status_code == laptop.get("/mine").status_code == 401


def test_nothing_is_left_to_the_next_test(application, ada):
    """Also for a client that the project's own tests have made."""
    for _ in range(2):
        with isolated(application) as parts:
            browser, other = Client(), Client()
            sign_in(browser, subject=ada.pk)
            other.force_login(ada)
            for each in (browser, other):
                assert each.get("/mine", secure=True).status_code == 200
            assert len(parts.blocking.sessions_of(ada.pk).records) == 2
    assert assembly().blocking.sessions_of(ada.pk).records == ()


def test_async_views(holdfast_client, ada):
    """The application of `asgi.py` has Django's `AsyncClient`."""
    browser = holdfast_client(get_asgi_application())
    assert isinstance(browser, AsyncClient)
    sign_in(browser, subject=ada.pk)

    async def visit():
        refused = await browser.post("/form", {"item": "tea"})
        passed = await browser.post("/form", {"item": "tea"}, headers=csrf(browser))
        seen = await browser.get("/mine")
        return refused.status_code, passed.status_code, seen.json()["user"]

    assert asyncio.run(visit()) == (403, 200, "ada")


def test_a_client_by_hand(application):
    """`client` alone, on the project's own store."""
    assert client_of(application).get("/mine").status_code == 401
