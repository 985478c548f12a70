"""A person signs in with real browsers, sees the sessions, and ends them."""

import pytest

from browser.steps import devices, row, sign_in

pytestmark = pytest.mark.browser

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_an_ended_browser_is_signed_out_at_its_next_click(serve, visit):
    """Two browsers, two sessions; one ends the other."""
    service = serve()
    here, there = visit(service.url), visit(service.url, user_agent=FIREFOX)
    sign_in(here, service)
    sign_in(there, service)

    here.reload()
    assert devices(here) == ["Chrome on Linux", "Firefox on Windows"]
    assert row(here, "This device").get_by_role("heading").inner_text() == "Chrome on Linux"

    here.get_by_role("button", name="Sign out Firefox on Windows").click()
    assert here.get_by_role("status").inner_text() == "Signed out Firefox on Windows."
    assert devices(here) == ["Chrome on Linux"]

    there.get_by_role("link", name="Holdfast").click()
    assert there.title() == "Sign in · Holdfast"
    there.goto(f"{service.url}/sessions")
    assert there.get_by_role("status").inner_text() == _ENDED
    here.reload()
    assert devices(here) == ["Chrome on Linux"]


def test_an_old_page_of_an_ended_browser_does_nothing(serve, visit):
    """A button that was still on the screen leads to the sign-in form and ends nobody."""
    service = serve()
    here, there = visit(service.url), visit(service.url)
    sign_in(here, service)
    sign_in(there, service)
    here.reload()
    here.get_by_role("button", name="Sign out all others").click()
    assert here.get_by_role("status").inner_text() == "Signed out one other session."

    there.get_by_role("button", name="Sign out all others").click()
    assert there.get_by_role("status").inner_text() == _ENDED
    here.reload()
    assert devices(here) == ["Chrome on Linux"]


def test_signing_out_empties_the_browser(service, visit):
    """No cookie is left, and going back shows no list, where the browser keeps no pages in memory."""
    page = visit(service.url)
    sign_in(page, service)
    page.locator("header").get_by_role("button", name="Sign out").click()
    assert page.get_by_role("status").inner_text() == "You are signed out."
    assert "session" not in {cookie["name"] for cookie in page.context.cookies()}
    page.go_back()
    page.wait_for_url("**/sign-in*")


def test_a_wrong_password(service, visit):
    """One sentence; the cursor waits in the password field, the e-mail is kept."""
    page = visit(service.url)
    sign_in(page, service, password="not the password")
    assert page.get_by_role("alert").inner_text() == "The e-mail or the password is not right."
    assert page.get_by_label("E-mail").input_value() == service.email
    assert page.evaluate("document.activeElement.id") == "password"
    page.get_by_label("Password").fill(service.password)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sessions")


def test_an_old_sign_in_is_asked_for_the_password(serve, visit):
    """The way through the confirmation and back, with nothing lost."""
    service = serve(HOLDFAST_FRESH_FOR="1ms")
    here, there = visit(service.url), visit(service.url, user_agent=FIREFOX)
    sign_in(here, service)
    sign_in(there, service)
    here.reload()
    here.get_by_role("button", name="Sign out Firefox on Windows").click()
    assert "to sign out Firefox on Windows." in here.locator("main").inner_text()
    here.get_by_label("Password").fill("wrong")
    here.keyboard.press("Enter")
    assert here.get_by_role("alert").inner_text() == "That password is not right."
    here.get_by_label("Password").fill(service.password)
    here.keyboard.press("Enter")
    assert here.get_by_role("status").inner_text() == "Signed out Firefox on Windows."
    there.reload()
    there.wait_for_url("**/sign-in*")


def test_another_site_cannot_send_our_forms(service, visit):
    """A page of another origin posts to us with the person's cookies, and is refused (R67)."""
    page = visit(service.url)
    sign_in(page, service)
    page.route("http://evil.example/*", lambda route: route.fulfill(body=_FORM))
    page.goto("http://evil.example/")
    page.evaluate(f"document.forms[0].action = '{service.url}/sessions/end-others'")
    with page.expect_response("**/sessions/end-others") as answer:
        page.get_by_role("button").click()
    assert answer.value.status == 403


_ENDED = "Your session has ended. Sign in again to go on."
_FORM = """<!doctype html>
<form method="post"><input name="csrf_token" value="x"><button>Win</button></form>"""
