"""What else of Django works with sessions: its test client, commands, admin, and other services."""

import datetime as dt
import json
import re

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone

from holdfast.session import Session
from holdfast.web.django.sessions import SessionStore
from web_django.conftest import Browser, visited
from web_django.test_request_session import everything, login, put

COOKIE = "__Host-session"


def test_djangos_test_client_signs_in_and_out(parts, ada):
    """`force_login`, `login`, `session` and `logout`, with CSRF checks left to its own switch."""
    client = Client()
    client.force_login(ada)
    assert client.get("/me", secure=True).json()["user"] == "ada"
    session = client.session
    session["cart"] = [1]
    session.save()
    assert visited(client, everything, secure=True)["cart"] == [1]
    assert client.post("/form", {"a": "1"}, secure=True).json() == {"a": "1"}
    client.logout()
    assert client.get("/me", secure=True).json()["user"] == ""
    assert parts.records() == []
    assert client.login(username="ada", password="correct horse battery")
    assert client.get("/me", secure=True).json()["user"] == "ada"


def test_the_session_of_a_client_that_has_none(parts):
    """Django's client makes one, empty, and keeps its cookie."""
    client = Client()
    session = client.session
    session["a"] = 1
    session.save()
    assert visited(client, everything, secure=True) == {"a": 1}
    assert session.session_key == client.cookies[COOKIE].value
    session.flush()
    assert (parts.records(), session.session_key) == ([], None)


def test_clearsessions(run, parts):
    """Removes what has expired, and nothing else."""
    run(put(a=1))
    call_command("clearsessions")
    assert len(parts.records()) == 1
    parts.clock.advance(9 * 24 * 3600 * 1000)
    call_command("clearsessions")
    assert parts.records() == []


# contrib.auth and admin by their own pages


def submit(browser, path, **fields):
    page = browser.get(path)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    return browser.post(path, {"csrfmiddlewaretoken": token, **fields})


def test_the_admin(browser, parts, admin, users):
    """Sign-in, a change with a form, and sign-out, through pages that know nothing of us."""
    credentials = {"username": "root", "password": "correct horse battery", "next": "/admin/"}
    assert submit(browser, "/admin/login/", **credentials).status_code == 302
    assert parts.records()[0].subject == str(admin.pk)
    added = submit(browser, "/admin/auth/group/add/", name="editors")
    assert added.status_code == 302
    page = browser.get("/admin/auth/group/").content.decode()
    assert "was added successfully" in page
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    assert browser.post("/admin/logout/", {}).status_code == 403
    assert browser.post("/admin/logout/", {"csrfmiddlewaretoken": token}).status_code == 200
    assert parts.records() == []


def test_the_password_change_of_the_admin(browser, parts, admin):
    """Its page cycles the key; the other device is out with its next request."""
    credentials = {"username": "root", "password": "correct horse battery"}
    phone = Browser()
    submit(phone, "/admin/login/", **credentials)
    submit(browser, "/admin/login/", **credentials)
    fields = {
        "old_password": "correct horse battery",
        "new_password1": "zebra 42 kelp",
        "new_password2": "zebra 42 kelp",
    }
    assert submit(browser, "/admin/password_change/", **fields).status_code == 302
    assert browser.get("/admin/").status_code == 200
    assert phone.get("/admin/").status_code == 302
    assert len(parts.records()) == 1


# A session of another service, with the same secret and store


def from_elsewhere(parts, browser, subject, **data):
    session = Session()
    session.sign_in(subject)
    session.update(data)
    parts.sessions.commit(session)
    browser.cookies[COOKIE] = session.cookie
    return session


def test_a_session_of_another_service_is_a_users_session(browser, run, parts, ada):
    """Its subject names the user; what `contrib.auth` wants besides is noted the first time."""
    from_elsewhere(parts, browser, ada.pk, cart=[1])
    assert run(lambda request: [request.user.username, request.session["cart"]]) == ["ada", [1]]
    noted = json.loads(parts.records()[0].data)
    assert noted["_auth_user_backend"] == "django.contrib.auth.backends.ModelBackend"
    parts.store.calls.clear()
    assert run(lambda request: request.user.username) == "ada"
    assert parts.store.calls == ["get"]


def test_its_password_change_ends_it_too(browser, run, parts, ada):
    """From the first look on it is a session like any other."""
    from_elsewhere(parts, browser, ada.pk)
    run(lambda request: request.user.username)
    ada.set_password("another horse")
    ada.save()
    assert run(lambda request: request.user.is_authenticated) is False
    assert parts.records() == []


@pytest.mark.parametrize("subject", ["0", "nobody", "x" * 500])
def test_a_subject_who_is_no_user_here_stays_signed_in_elsewhere(
    browser, run, parts, users, subject
):
    """Nobody here; and the other service's session lives on."""
    from_elsewhere(parts, browser, subject)
    assert run(lambda request: request.user.is_authenticated) is False
    assert set(run(everything)) <= {"_auth_user_id"}
    assert [record.subject for record in parts.records()] == [subject]


def test_an_inactive_user_of_another_service_is_nobody(browser, run, parts, ada):
    """The backend decides."""
    ada.is_active = False
    ada.save()
    from_elsewhere(parts, browser, ada.pk)
    assert run(lambda request: request.user.is_authenticated) is False


@pytest.mark.skipif(not hasattr(SessionBase, "aget"), reason="async from Django 5.1 on")
def test_a_session_of_another_service_in_an_async_view(abrowser, arun, parts, ada):
    """The user is looked up in a thread."""
    from_elsewhere(parts, abrowser, ada.pk)

    async def who(request):
        return (await request.auser()).get_username()

    assert arun(who) == "ada"
    assert b"_auth_user_hash" in parts.records()[0].data


def test_a_bearer_token_is_the_users_too(browser, run, parts, ada):
    """Cookie and token lead to the same session, and `request.user` knows it."""
    session = Session()
    session.sign_in(ada.pk)
    tokens = parts.sessions.issue_tokens(session)
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {tokens.access_token}"}
    stranger = Browser()
    assert stranger.get("/me", **bearer).json()["user"] == "ada"
    assert stranger.post("/form", {"a": "1"}, **bearer).status_code == 200
    assert not stranger.cookies


# set_expiry


def test_a_session_may_end_sooner_than_the_settings_say(run, parts):
    """Seconds without a request, as in Django; `seen_at` may lag by the slack."""
    run(put(a=1), lambda request: request.session.set_expiry(600))
    parts.clock.advance(599_000)
    assert run(everything)["a"] == 1
    parts.clock.advance(600_000 + parts.assembly.settings.touch_slack)
    assert run(everything) == {}
    assert parts.records() == []


@pytest.mark.parametrize(
    ("limit", "kept"), [(-1, False), (-0.5, False), (0.5, True), (599.5, True)]
)
def test_a_limit_below_zero_or_of_a_fraction(run, parts, limit, kept):
    """As in Django: the first has passed already, the second counts like any other."""
    run(put(a=1), lambda request: request.session.set_expiry(limit))
    assert run(everything).get("a") == (1 if kept else None)
    parts.clock.advance(600_000 + parts.assembly.settings.touch_slack)
    assert run(everything) == {}


def test_a_session_may_end_at_a_moment(run, parts):
    """A `datetime`."""
    moment = dt.datetime.fromtimestamp(parts.clock() / 1000 + 60, dt.UTC)
    run(put(a=1), lambda request: request.session.set_expiry(moment))
    parts.clock.advance(59_000)
    assert run(everything)["a"] == 1
    parts.clock.advance(1_000)
    assert run(everything) == {}


def test_a_session_for_as_long_as_the_browser_is_open(browser, run, ada):
    """`set_expiry(0)`, as for those who do not tick "remember me": no `Max-Age`."""

    def enter(request):
        login(ada)(request)
        request.session.set_expiry(0)

    run(enter)
    assert browser.cookies[COOKIE]["max-age"] == ""
    assert run(lambda request: request.session.get_expire_at_browser_close()) is True
    run(lambda request: request.session.cycle_key())
    assert browser.cookies[COOKIE]["max-age"] == ""
    run(lambda request: request.session.set_expiry(None))
    run(lambda request: request.session.cycle_key())
    assert browser.cookies[COOKIE]["max-age"] == "86400"


def test_the_limits_of_the_settings_hold_beside_it(run, parts):
    """A month in `set_expiry` does not outlive a day without a request."""
    run(put(a=1), lambda request: request.session.set_expiry(30 * 86_400))
    assert run(lambda request: request.session.get_expiry_age()) == 30 * 86_400
    parts.clock.advance(25 * 3600 * 1000)
    assert run(everything) == {}


# Caches and outages


def test_djangos_page_cache_keeps_no_page_with_a_session(parts, ada):
    """It would serve the page to that cookie after the log-out."""
    from web_django.project import MIDDLEWARE

    cached = ["django.middleware.cache.UpdateCacheMiddleware", *MIDDLEWARE]
    cached.append("django.middleware.cache.FetchFromCacheMiddleware")
    with override_settings(MIDDLEWARE=cached):
        client = Browser()
        client.force_login(ada)
        assert client.get("/me").json()["user"] == "ada"
        parts.sessions.revoke_all(ada.pk)
        assert client.get("/me").json()["user"] == ""


def test_an_outage_is_not_a_sign_out(browser, run, parts, ada):
    """503, whatever the view or a middleware makes of it; the cookie is left alone (P20)."""
    from holdfast.errors import StoreUnavailable

    run(login(ada))

    def away():
        raise StoreUnavailable("as the test wishes")

    def swallow(request):
        try:
            return request.user.username
        except StoreUnavailable:
            return "stranger"

    for step in (lambda request: request.user.username, swallow):
        parts.store.before("get", away)
        answer = run(step)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert "Set-Cookie" not in str(answer.serialize_headers())
    assert run(lambda request: request.user.username) == "ada"


def test_a_store_of_a_cookie_outside_of_requests(run, browser, parts, ada):
    """Code that has the cookie's text reads, writes and ends the session it opens."""
    run(login(ada), put(a=1))
    store = SessionStore(browser.cookies[COOKIE].value)
    assert (store["a"], store["_auth_user_id"]) == (1, str(ada.pk))
    store["a"] = 2
    store.save()
    assert run(everything)["a"] == 2
    assert timezone.now() < store.get_expiry_date()
    store.delete()
    assert parts.records() == []
