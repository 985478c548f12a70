"""Django's CSRF tools over our tokens: the template tag, `get_token`, and the decorators."""

import io
import re

import pytest
from django.http import HttpResponse
from django.middleware.csrf import _mask_cipher_secret, get_token, rotate_token
from django.test import override_settings

from holdfast.web import django as holdfast
from holdfast.web.django.csrf import unmasked
from web_django import urls
from web_django.conftest import Browser, visited
from web_django.test_request_session import login, put

COOKIE = "__Host-session"
TAG = re.compile(r'<input type="hidden" name="csrfmiddlewaretoken" value="([A-Za-z0-9]{64})">')


def field_of(browser, path="/form"):
    return TAG.search(browser.get(path).content.decode())[1]


@pytest.mark.parametrize("path", ["/form", "/protected"])
@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("multipart", [True, False])
def test_the_template_tag_lets_the_form_pass(browser, run, ada, path, signed_in, multipart):
    """Before there is a session as well as with one; the view reads fields and files as ever."""
    if signed_in:
        run(login(ada))
    fields = {"item": "3", "csrfmiddlewaretoken": field_of(browser, path)}
    if multipart:
        fields["upload"] = io.StringIO("x" * 100_000)
        answer = browser.post(path, fields)
    else:
        answer = browser.post(
            path,
            "&".join(f"{k}={v}" for k, v in fields.items()),
            "application/x-www-form-urlencoded",
        )
    assert answer.status_code == 200, answer.content.decode()
    assert answer.json()["item"] == "3"
    assert len(answer.json().get("upload", "")) == (100_000 if multipart else 0)


@pytest.mark.parametrize(
    "token", [None, "", "A" * 64, "A" * 32, "c1" + "A" * 86, "é" * 64, "x" * 10_000]
)
@pytest.mark.parametrize("how", ["field", "header"])
def test_without_a_valid_token_the_view_is_not_reached(browser, run, ada, token, how):
    """A session and an unsafe method: 403 with a code, whatever is in the token's place."""
    run(login(ada))
    if how == "header":
        headers = {} if token is None else {"HTTP_X_CSRFTOKEN": token}
        answer = browser.post("/form", {"item": "3"}, **headers)
    else:
        fields = {} if token is None else {"csrfmiddlewaretoken": token}
        answer = browser.post("/form", {"item": "3", **fields})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


@pytest.mark.parametrize("header", ["HTTP_X_CSRFTOKEN", "HTTP_X_CSRF_TOKEN"])
@pytest.mark.parametrize("kind", ["django", "holdfast"])
def test_a_token_in_a_header(browser, run, ada, header, kind):
    """Either token under either name: scripts of Django pages, and those that know only Holdfast."""
    make = get_token if kind == "django" else holdfast.csrf_token
    run(login(ada))
    token = run(make)
    assert browser.post("/form", {"item": "3"}, **{header: token}).status_code == 200


def test_each_page_shows_another_token(browser):
    """Django's mask: compressed pages leak nothing (BREACH)."""
    first, second = field_of(browser), field_of(browser)
    assert first != second
    assert unmasked(first) == unmasked(second)


@pytest.mark.parametrize("secret", ["A" * 32, "abcXYZ0189" * 3 + "zz"])
def test_djangos_masks_are_taken_off(secret):
    """As Django takes them off."""
    assert unmasked(_mask_cipher_secret(secret)) == secret


@pytest.mark.parametrize("text", ["", "x", "-" * 64, "é" * 64, "²" * 64, "A" * 63, "A" * 65])
def test_what_is_no_token_of_django_stays(text):
    """Another check judges it."""
    assert unmasked(text) == text


def test_a_token_belongs_to_one_session(browser, run, ada, users):
    """Not another's, not the one from before the sign-in, and not after a new secret."""
    before = field_of(browser)
    run(login(ada))
    other = Browser()
    visited(other, login(users.create_user("bob")))
    for token in (before, field_of(other)):
        assert browser.post("/form", {"csrfmiddlewaretoken": token}).status_code == 403
    mine = field_of(browser)
    assert browser.post("/form", {"csrfmiddlewaretoken": mine}).status_code == 200
    run(lambda request: request.session.cycle_key())
    assert browser.post("/form", {"csrfmiddlewaretoken": mine}).status_code == 403


def test_a_page_that_follows_the_login_at_once(browser, run, ada):
    """A form in the very answer to the sign-in has a token that is good; so after `cycle_key`."""

    def enter(request):
        login(ada)(request)
        return get_token(request)

    def cycle(request):
        request.session.cycle_key()
        return get_token(request)

    for step in (enter, cycle):
        token = run(step)
        assert browser.post("/form", {"csrfmiddlewaretoken": token}).status_code == 200
    assert run(lambda request: request.user.username) == "ada"


def test_no_secret_is_stored(browser, run, ada, parts):
    """Django would keep `_csrftoken` in the session; ours needs no place."""
    run(login(ada), rotate_token, put(a=1))
    browser.get("/protected")
    (record,) = parts.records()
    assert b"_csrftoken" not in record.data
    assert not run(lambda request: "_csrftoken" in list(request.session.keys()))


def test_a_planted_cookie_of_django_counts_for_nothing(browser, run, ada):
    """A sibling subdomain can set `csrftoken`, and send the token that goes with it."""
    run(login(ada))
    secret = "A" * 32
    browser.cookies["csrftoken"] = secret
    for path in ("/form", "/protected"):
        fields = {"csrfmiddlewaretoken": _mask_cipher_secret(secret)}
        assert browser.post(path, fields).status_code == 403
        assert (
            browser.post(path, {"csrfmiddlewaretoken": field_of(browser, path)}).status_code == 200
        )


@pytest.mark.parametrize("token", [None, "A" * 64, "x"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_csrf_protect_asks_for_a_token_of_everybody(browser, run, ada, token, signed_in):
    """Also of who is not signed in, as a form of contact does; any other such view may go without."""
    fields = {"item": "3"} | ({} if token is None else {"csrfmiddlewaretoken": token})
    if signed_in:
        run(login(ada))
    for _ in range(2):
        assert browser.post("/protected", fields).status_code == 403
        assert browser.post("/form", fields).status_code == (403 if signed_in else 200)
        field_of(browser, "/protected")
    header = {"HTTP_X_CSRF_TOKEN": field_of(browser, "/protected")}
    assert browser.post("/protected", {"item": "3"}, **header).status_code == 200


def exempt(browser, step, **headers):
    urls.STEPS.append(step)
    return browser.post("/exempt", b"", "application/x-www-form-urlencoded", **headers)


def test_csrf_exempt_is_the_applications_word(browser, run, ada):
    """The view runs with its session, from any page, and may sign in, as a SAML endpoint does."""
    foreign = {"HTTP_ORIGIN": "https://idp.example", "HTTP_SEC_FETCH_SITE": "cross-site"}
    assert exempt(browser, login(ada), **foreign).status_code == 200
    assert exempt(browser, lambda request: request.user.username, **foreign).json() == {
        "got": "ada"
    }


def test_an_exempt_view_has_a_budget_all_the_same(browser, run, ada, parts):
    """100 requests a session, exempt or not (R151)."""
    run(login(ada))
    statuses = [exempt(browser, lambda _request: "done").status_code for _ in range(101)]
    urls.STEPS.clear()
    assert statuses == [200] * 100 + [429]


def test_what_comes_from_elsewhere_is_refused_whatever_it_brings(browser, run, ada, parts):
    """Before any look-up."""
    run(login(ada))
    token = field_of(browser)
    parts.store.calls.clear()
    foreign = {"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "cross-site"}
    answer = browser.post("/form", {"csrfmiddlewaretoken": token}, **foreign)
    assert (answer.status_code, parts.store.calls) == (403, [])


def test_login_csrf(browser, parts, ada):
    """R82: a form of a foreign page signs nobody in."""
    urls.STEPS.append(login(ada))
    answer = browser.post("/visit", {"user": "mallory"})
    assert (answer.status_code, answer.json()["code"], parts.records()) == (403, "csrf_failed", [])


def test_an_unsafe_request_that_reaches_no_view(browser, run, ada, parts):
    """404, and the session of who sent it stays as it was; nobody is signed out by it."""
    run(login(ada))
    assert browser.post("/no/such/page", {}).status_code == 404
    assert run(lambda request: request.user.username) == "ada"


def answers_itself(_get_response):
    """A middleware behind ours that answers by what it reads of the session."""
    return lambda request: HttpResponse(holdfast.session_of(request).subject)


def test_a_middleware_that_only_reads_does_not_pass_the_check_by(browser, run, ada):
    """No view is reached, and nothing is written: the token is asked for all the same."""
    run(login(ada))
    ours = "holdfast.web.django.middleware.HoldfastMiddleware"
    with override_settings(MIDDLEWARE=[ours, "web_django.test_csrf.answers_itself"]):
        again = Browser()
        again.cookies = browser.cookies
        assert again.get("/visit").content.decode() == str(ada.pk)
        assert again.post("/visit", {}).status_code == 403


def test_ensure_csrf_cookie_makes_the_token_provable(browser):
    """Django's own cookie is not used; the pre-session cookie takes its place."""
    answer = browser.get("/ensured")
    assert set(answer.cookies) == {"__Host-presession"}


def test_the_body_is_whole_behind_the_check(browser, run, ada):
    """A field is looked for in the first 64 KiB; `request.body` has all of them."""
    run(login(ada))
    token = field_of(browser)
    body = f"csrfmiddlewaretoken={token}&rest={'x' * 200_000}"
    urls.STEPS.append(lambda request: HttpResponse(request.body))
    answer = browser.post("/visit", body, "application/x-www-form-urlencoded")
    assert answer.content.decode() == body
    late = f"rest={'x' * 200_000}&csrfmiddlewaretoken={token}"
    assert browser.post("/visit", late, "application/x-www-form-urlencoded").status_code == 403
