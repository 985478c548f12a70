"""Signing in and out with a form."""

import pytest

from holdfast.chain import Refusal, error_reply
from pages.browsing import BASE, PEOPLE, too_many

RIGHT = {"email": "ada@example.org", "password": PEOPLE["ada@example.org"]}
WRONG = "The e-mail or the password is not right."


def test_the_way_in(browser):
    """The start page leads to the form, and later to the sessions."""
    assert browser.send("GET", "/").headers["Location"] == "/sign-in"
    browser.sign_in()
    assert browser.send("GET", "/").headers["Location"] == "/sessions"
    assert browser.send("GET", "/sign-in").headers["Location"] == "/sessions"


def test_the_form_can_be_filled_by_people_and_managers(browser):
    """Labels, autocomplete, one focus, a title."""
    page = browser.get("/sign-in").text
    assert '<label for="email">E-mail</label>' in page
    assert '<label for="password">Password</label>' in page
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert page.count("autofocus") == 1
    assert "<title>Sign in" in page


def test_right_credentials_sign_in(browser):
    """The answer is a redirect with a session cookie, and the list is behind it."""
    browser.get("/sign-in")
    answer = browser.submit("/sign-in", **RIGHT)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sessions")
    names = {text.partition("=")[0] for text in answer.headers.get_list("Set-Cookie")}
    assert names == {"session", "presession", "device"}
    assert "Your sessions" in browser.get("/sessions").text


@pytest.mark.parametrize(
    "credentials",
    [
        {"email": "ada@example.org", "password": "wrong"},
        {"email": "nobody@example.org", "password": "wrong"},
        {"email": "", "password": ""},
    ],
)
def test_wrong_credentials_get_one_sentence(browser, credentials):
    """For a wrong password and an unknown e-mail (R166); only the e-mail is shown again."""
    browser.get("/sign-in")
    page = browser.press("/sign-in", **credentials)
    assert page.status_code == 401
    assert WRONG in browser.text
    assert f'value="{credentials["email"]}"' in page.text
    assert 'value="wrong"' not in page.text
    assert 'role="alert"' in page.text


def test_a_second_try_works(browser):
    """The form that comes back with the sentence is good for another try."""
    browser.sign_in(password="wrong")
    assert browser.press("/sign-in", **RIGHT).status_code == 200
    assert "Your sessions" in browser.text


def test_a_throttled_sign_in_says_when_to_come_back(browser, context):
    """429 with `Retry-After`, and the same in words."""
    context.throttle.refusal = too_many(700)
    page = browser.sign_in()
    assert (page.status_code, page.headers["Retry-After"]) == (429, "700")
    assert "Too many attempts. Try again in 12 minutes." in browser.text


def test_a_locked_account_says_what_to_do(browser, context):
    """403, with the way out."""
    context.throttle.refusal = Refusal(error_reply(403, "sign_in_locked"))
    assert browser.sign_in().status_code == 403
    assert "Sign in from a browser that you have used before" in browser.text


def test_a_form_that_was_open_too_long(browser, clock):
    """403, nothing signed in, and a fresh form that works at once (R82)."""
    browser.get("/sign-in?next=/sessions")
    clock.advance(2 * 3_600_000)
    page = browser.press("/sign-in", **RIGHT)
    assert page.status_code == 403
    assert "This page was open for too long." in browser.text
    assert browser.press("/sign-in", **RIGHT).status_code == 200
    assert "Your sessions" in browser.text


def test_a_sign_in_without_a_token_is_refused(browser):
    """A page of another site cannot sign a browser in as somebody else (R82)."""
    answer = browser.send("POST", "/sign-in", data=RIGHT)
    assert answer.status_code == 403
    assert "session" not in browser.http.cookies


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": BASE, "Sec-Fetch-Site": "same-origin"}, 303),
    ],
)
def test_where_the_form_comes_from(browser, headers, status):
    """Another origin is refused; our own page under `no-referrer` says `null` and is not (R73)."""
    browser.get("/sign-in")
    fields = browser.forms[0].hidden | RIGHT
    assert browser.send("POST", "/sign-in", data=fields, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("asked", "reached"),
    [
        ("/sessions?after=x", "/sessions?after=x"),
        ("//evil.example", "/sessions"),
        ("/\\evil.example", "/sessions"),
        ("https://evil.example", "/sessions"),
    ],
)
def test_next_stays_here(browser, asked, reached):
    """`next` is carried through the form, and never leads to another host."""
    browser.page = browser.send("GET", "/sign-in", params={"next": asked})
    assert browser.submit("/sign-in", **RIGHT).headers["Location"] == reached
    browser.page = browser.send("GET", "/sign-in", params={"next": asked})
    assert browser.page.headers["Location"] == reached


def test_next_is_checked_where_it_is_used(browser):
    """A form that was tampered with sends nobody away."""
    browser.get("/sign-in")
    answer = browser.submit("/sign-in", next="//evil.example", **RIGHT)
    assert answer.headers["Location"] == "/sessions"


def test_what_was_typed_is_escaped(browser):
    """An e-mail is shown again as text."""
    page = browser.sign_in('"><script>alert(1)</script>', "x")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;" in page.text


def test_signing_out(browser):
    """The cookie and the site's data go, a notice that needs no session appears (R34, R38)."""
    browser.sign_in()
    answer = browser.submit("/sign-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert any(text.startswith("session=;") for text in answer.headers.get_list("Set-Cookie"))
    browser.get(answer.headers["Location"])
    assert "You are signed out." in browser.text
    assert "Sign in" in browser.get("/sessions").text


def test_signing_out_needs_the_token(browser):
    """No other page signs anybody out, and no GET does (R69)."""
    browser.sign_in()
    assert browser.send("POST", "/sign-out").status_code == 403
    assert "Sign out?" in browser.get("/sign-out").text
    assert "Your sessions" in browser.get("/sessions").text


def test_a_link_asks_before_it_signs_out(browser):
    """Applications behind forward-auth can only link: a page with the form, without it nobody goes."""
    assert browser.send("GET", "/sign-out").headers["Location"] == "/sign-in"
    browser.sign_in()
    browser.get("/sign-out")
    assert "You are signed in as ada@example.org." in browser.text
    assert [form.action for form in browser.forms] == ["/sign-out"]
    assert browser.submit("/sign-out").headers["Location"].startswith("/sign-in")
    assert browser.send("GET", "/sessions").status_code == 303


def test_a_notice_is_one_of_ours(browser):
    """The address names a sentence and cannot bring one."""
    browser.get("/sign-in?notice=Call+this+number")
    assert "Call" not in browser.text
