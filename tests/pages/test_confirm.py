"""The password once more, when a sign-in is old (R36, R44)."""

import pytest

from pages.browsing import PEOPLE, Browser, too_many

PASSWORD = PEOPLE["ada@example.org"]
OLD = 11 * 60_000


@pytest.fixture
def stale(browser, second, clock):
    """Two signed-in browsers whose sign-ins are old; the first has its list open."""
    browser.sign_in()
    second.sign_in()
    clock.advance(OLD)
    browser.get("/sessions")
    return browser


def alive(browser):
    return "Your sessions" in browser.get("/sessions").text


def test_ending_asks_for_the_password_and_then_does_it(stale, second):
    """The page says what for, and nothing has happened yet; afterwards it is done."""
    stale.press("/sessions/end")
    assert "Enter your password to sign out Chrome on Windows." in stale.text
    assert alive(second)
    stale.press("/confirm", password=PASSWORD)
    assert "Signed out Chrome on Windows." in stale.text
    assert not alive(second)


def test_ending_all_others_asks_too(stale, second):
    """The same for all others."""
    stale.press("/sessions/end-others")
    assert "to sign out all other sessions." in stale.text
    assert alive(second)
    stale.press("/confirm", password=PASSWORD)
    assert "Signed out one other session." in stale.text
    assert not alive(second)


def test_a_wrong_password_loses_nothing(stale, second):
    """One sentence, and the form still knows what was asked for."""
    stale.press("/sessions/end")
    page = stale.press("/confirm", password="wrong")
    assert page.status_code == 401
    assert "That password is not right." in stale.text
    assert alive(second)
    stale.press("/confirm", password=PASSWORD)
    assert "Signed out Chrome on Windows." in stale.text


def test_guessing_is_throttled(stale, context):
    """The password is asked through the same throttle as at sign-in."""
    stale.press("/sessions/end")
    context.throttle.refusal = too_many(60)
    page = stale.press("/confirm", password=PASSWORD)
    assert (page.status_code, page.headers["Retry-After"]) == (429, "60")
    assert "Try again in 1 minute." in stale.text


def test_afterwards_the_sign_in_is_fresh_and_the_secret_new(app, stale, second):
    """No second question; the id stays, and the old cookie is refused (R14)."""
    id, old = stale.session_id, stale.http.cookies["session"]
    stale.press("/sessions/end-others")
    stale.press("/confirm", password=PASSWORD)
    assert stale.session_id == id
    second.sign_in()
    stale.get("/sessions")
    assert stale.submit("/sessions/end-others").headers["Location"] == "/sessions"
    thief = Browser(app)
    thief.http.cookies.set("session", old)
    assert not alive(thief)


def test_signing_out_never_asks(stale):
    """Leaving is always allowed."""
    stale.press("/sign-out")
    assert "You are signed out." in stale.text


def test_opening_the_page_does_nothing(stale, second):
    """A link to it asks, and acts only with the password and the token."""
    stale.get("/confirm?do=end-others")
    assert alive(second)
    assert (
        stale.send("POST", "/confirm", data={"do": "end-others", "password": PASSWORD}).status_code
        == 403
    )
    assert alive(second)


def test_without_an_action_it_leads_back(stale):
    """Any page can ask for a fresh sign-in, and get the person back."""
    stale.get("/confirm?next=/sessions%3Fafter%3Dx")
    assert "Enter your password to go on." in stale.text
    answer = stale.submit("/confirm", password=PASSWORD)
    assert answer.headers["Location"] == "/sessions?after=x"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_it_leads_nowhere_else(stale, target):
    """Neither the address nor the form sends anybody to another host."""
    stale.page = stale.send("GET", "/confirm", params={"next": target})
    assert stale.submit("/confirm", password=PASSWORD).headers["Location"] == "/sessions"
    stale.get("/confirm")
    assert (
        stale.submit("/confirm", password=PASSWORD, next=target).headers["Location"] == "/sessions"
    )


def test_an_unknown_action_is_none(stale, second):
    """What is not one of ours falls away."""
    stale.get("/confirm?do=delete-account")
    assert "to go on." in stale.text
    stale.press("/confirm", password=PASSWORD)
    assert alive(second)


def test_what_has_ended_meanwhile_is_no_error(stale, second):
    """The other browser signed out while the password was typed."""
    stale.press("/sessions/end")
    second.get("/sessions")
    second.press("/sign-out")
    stale.press("/confirm", password=PASSWORD)
    assert "That session had already ended." in stale.text


def test_who_is_not_signed_in_signs_in_first(browser):
    """And comes back to the question."""
    answer = browser.send("GET", "/confirm?do=end-others")
    assert answer.headers["Location"] == "/sign-in?next=%2Fconfirm%3Fdo%3Dend-others"
