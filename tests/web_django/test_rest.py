"""Django's REST framework: one view, by cookie and by access token, with our classes and with its own."""

from datetime import timedelta

import pytest

pytest.importorskip("rest_framework", reason="pip install djangorestframework")

from django.contrib import auth
from django.test import override_settings
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIClient

from holdfast.session import Session
from holdfast.web.django.rest import HoldfastAuthentication, SignedIn, fresh, role
from web_django import urls as project_urls
from web_django.conftest import Browser
from web_django.test_csrf import field_of
from web_django.test_request_session import login

COOKIE = "__Host-session"


def view(*permissions, by=HoldfastAuthentication):
    @api_view(["GET", "POST"])
    @authentication_classes([by])
    @permission_classes(list(permissions))
    def answer(request):
        subject = request.auth.subject if request.auth else None
        return Response({"user": request.user.username, "subject": subject, "data": request.data})

    return answer


@api_view(["POST"])
@authentication_classes([HoldfastAuthentication])
def sign_out(request):
    auth.logout(request)
    return Response({})


class Urls:
    urlpatterns = (
        *project_urls.urlpatterns,
        path("api/open", view()),
        path("api/mine", view(IsAuthenticated)),
        path("api/ours", view(SignedIn)),
        path("api/fresh", view(SignedIn, fresh(timedelta(minutes=5)))),
        path("api/admin", view(role("admin"))),
        path("api/out", sign_out),
        path("api/own", view(IsAuthenticated, by=SessionAuthentication)),
    )


@pytest.fixture(autouse=True)
def routes():
    with override_settings(ROOT_URLCONF=Urls):
        yield


@pytest.fixture
def bearer(parts, ada):
    session = Session()
    session.sign_in(ada.pk, role="admin")
    tokens = parts.sessions.issue_tokens(session)
    return {"HTTP_AUTHORIZATION": f"Bearer {tokens.access_token}"}


def test_an_access_token(parts, ada, bearer):
    """Reading and writing, without CSRF token and without a cookie in the answer."""
    client = Browser()
    answer = client.post("/api/mine", {"a": 1}, "application/json", **bearer)
    assert answer.json() == {"user": "ada", "subject": str(ada.pk), "data": {"a": 1}}
    assert client.get("/api/admin", **bearer).status_code == 200
    assert not client.cookies
    parts.sessions.revoke_all(ada.pk)
    answer = client.get("/api/open", **bearer)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "x" * 100_000, "a.b.c d"])
@pytest.mark.parametrize("path", ["/api/open", "/api/mine", "/api/ours"])
def test_a_token_that_does_not_count(parts, run, browser, ada, token, path):
    """401 by its shape, and no cookie counts beside it."""
    run(login(ada))
    answer = browser.get(path, HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_the_password_change_ends_tokens_too(ada, bearer, parts):
    """A token whose session was looked at before is nobody's after it."""
    client = Browser()
    assert client.get("/api/mine", **bearer).status_code == 200
    ada.set_password("another horse")
    ada.save()
    assert client.get("/api/mine", **bearer).status_code in {401, 403}
    assert parts.records() == []


@pytest.mark.parametrize("how", ["header", "field", "multipart"])
def test_a_cookie_with_its_csrf_token(browser, run, ada, how):
    """In a header, or in a form that the framework's parsers read afterwards."""
    run(login(ada))
    token = field_of(browser)
    given = {
        "header": lambda: browser.post(
            "/api/mine", {"a": 1}, "application/json", HTTP_X_CSRFTOKEN=token
        ),
        "field": lambda: browser.post(
            "/api/mine", f"a=1&csrfmiddlewaretoken={token}", "application/x-www-form-urlencoded"
        ),
        "multipart": lambda: browser.post("/api/mine", {"a": 1, "csrfmiddlewaretoken": token}),
    }[how]()
    assert (given.status_code, given.json()["user"]) == (200, "ada")
    assert str(given.json()["data"]["a"]) == "1"


@pytest.mark.parametrize("path", ["/api/open", "/api/mine", "/api/ours"])
@pytest.mark.parametrize("headers", [{}, {"HTTP_X_CSRFTOKEN": "A" * 64}])
def test_a_cookie_without_its_csrf_token(browser, run, ada, path, headers):
    """403, although the framework exempts its views (R74)."""
    run(login(ada))
    answer = browser.post(path, {"a": 1}, "application/json", **headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")
    assert browser.get("/api/mine").status_code == 200


def test_a_cookie_from_another_site(browser, run, ada):
    """A good token does not help there."""
    run(login(ada))
    token = field_of(browser)
    foreign = {"HTTP_ORIGIN": "https://evil.example", "HTTP_X_CSRFTOKEN": token}
    assert browser.post("/api/mine", {}, "application/json", **foreign).status_code == 403


def test_nobody(browser):
    """401, by the framework's permission as by ours."""
    for url in ("/api/mine", "/api/ours"):
        answer = browser.get(url)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (
            401,
            'Bearer realm="holdfast"',
        )
    assert browser.post("/api/open", {"a": 1}, "application/json").json()["user"] == ""


@pytest.mark.parametrize("path", ["ours", "mine", "fresh", "admin"])
def test_who_was_deactivated_is_nobody(browser, run, ada, users, bearer, path):
    """Their session lives on, and opens nothing here: by cookie and by token."""
    run(login(ada))
    users.filter(pk=ada.pk).update(is_active=False)
    assert browser.get(f"/api/{path}").status_code == 401
    assert Browser().get(f"/api/{path}", **bearer).status_code == 401
    assert browser.get("/api/open").json()["subject"] is None


def test_who_is_no_user_of_this_project(parts, browser, users):
    """Signed in by another service, and known there: a session, and no user."""
    for stranger in ("ann", "4711"):
        session = Session()
        session.sign_in(stranger)
        parts.sessions.commit(session)
        browser.cookies[COOKIE] = session.cookie
        assert browser.get("/api/ours").json() == {"user": "", "subject": None, "data": {}}
        assert browser.get("/api/mine").status_code == 401


def test_the_permissions(browser, run, ada, parts):
    """Freshness with the challenge of RFC 9470, and roles."""
    run(login(ada))
    assert browser.get("/api/fresh").status_code == 200
    parts.clock.advance(300_001)
    answer = browser.get("/api/fresh")
    assert (answer.status_code, answer.json()["code"]) == (401, "reauthentication_required")
    assert "insufficient_user_authentication" in answer.headers["WWW-Authenticate"]
    assert browser.get("/api/admin").status_code == 403


def test_the_frameworks_own_session_authentication(browser, run, ada):
    """Views that are not changed: its check is Django's, and takes Django's tokens of our secret."""
    run(login(ada))
    assert browser.get("/api/own").json()["user"] == "ada"
    token = field_of(browser)
    same = {"HTTP_REFERER": "https://testserver/form"}
    assert browser.post("/api/own", {}, "application/json", **same).status_code == 403
    good = same | {"HTTP_X_CSRFTOKEN": token}
    assert browser.post("/api/own", {}, "application/json", **good).status_code == 200


@pytest.fixture
def suite(parts, ada):
    """The framework's own test client, as a suite has it that was written before."""
    return APIClient()


def test_force_authenticate(suite, ada):
    """The framework's documented way to be somebody in a test; only a test can say it."""
    suite.force_authenticate(ada)
    for place in ("/api/mine", "/api/ours"):
        answer = suite.post(place, {"a": 1}, format="json", secure=True)
        assert (answer.status_code, answer.json()["user"]) == (200, "ada")
    suite.force_authenticate(None)
    assert suite.get("/api/ours", secure=True).status_code == 401


@pytest.mark.parametrize("path", ["/api/mine", "/api/ours"])
def test_the_frameworks_test_client_leaves_csrf_out_unless_told(suite, ada, path):
    """As Django's does; the mark is one of the test client's, which no request can carry."""
    suite.force_login(ada)
    assert suite.post(path, {"a": 1}, format="json", secure=True).status_code == 200
    strict = APIClient(enforce_csrf_checks=True, HTTP_DONT_ENFORCE_CSRF_CHECKS="1")
    strict.force_login(ada)
    answer = strict.post(path, {"a": 1}, format="json", secure=True)
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


def test_log_out_by_access_token(parts, ada, bearer):
    """`auth.logout` ends the session with every token."""
    client = Browser()
    assert client.post("/api/out", **bearer).status_code == 200
    assert client.get("/api/ours", **bearer).status_code == 401
    assert parts.records() == []
