"""The examples with pages, in a real Chromium, under the server that each names."""

import pytest

pytestmark = pytest.mark.browser

FLASK = ("flask", "--app", "flask_login_app", "run")
FASTAPI = ("uvicorn", "fastapi_pages:app")


@pytest.fixture(scope="module")
def notes(served):
    return served(*FLASK)


@pytest.fixture(scope="module")
def basket(served):
    return served(*FASTAPI)


def sign_in(page, password="correct horse battery staple"):
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def session_cookie(page):
    return next((each for each in page.context.cookies() if each["name"] == "__Host-session"), None)


def add(page, label, text):
    page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Add").click()


def listed(page):
    return page.get_by_role("listitem").all_inner_texts()


def test_a_visit_with_flask_login(notes, visit):
    """Sign-in by its form, notes that stay, a message, and a log-out that ends the session."""
    page = visit(notes)
    assert "/login" in page.url
    sign_in(page, "wrong")
    assert page.get_by_role("status").inner_text() == "The e-mail or the password is not right."
    before = session_cookie(page)
    sign_in(page)
    assert page.get_by_role("heading").inner_text() == "Notes of ada@example.org"
    after = session_cookie(page)
    assert after["httpOnly"]
    assert after["secure"]
    assert after["sameSite"] == "Strict"
    assert before is None or before["value"] != after["value"]
    add(page, "Note", "buy tea")
    add(page, "Note", "<b>not bold</b>")
    assert listed(page) == ["buy tea", "<b>not bold</b>"]

    page.get_by_role("button", name="Sign out", exact=True).click()
    assert page.get_by_role("status").inner_text() == "You are signed out."
    page.context.add_cookies([after])
    page.goto(notes)
    assert "/login" in page.url


def test_signing_out_everywhere_with_flask_login(notes, visit):
    """The other browser is out at its next click."""
    here, there = visit(notes), visit(notes)
    sign_in(here)
    sign_in(there)
    here.get_by_role("button", name="Sign out everywhere else").click()
    assert "Other sessions that ended: 1." in here.get_by_role("status").all_inner_texts()
    there.reload()
    assert "/login" in there.url


def test_a_visit_to_the_basket(basket, visit):
    """FastAPI with forms: sent to the sign-in page, back, items, out."""
    page = visit(basket)
    assert page.url.endswith("/sign-in")
    sign_in(page, "wrong")
    assert page.get_by_role("alert").inner_text() == "The e-mail or the password is not right."
    sign_in(page)
    assert page.get_by_role("heading").inner_text() == "Basket"
    add(page, "Item", "tea")
    add(page, "Item", "<i>jam</i>")
    assert listed(page) == ["tea", "<i>jam</i>"]
    cookie = session_cookie(page)

    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url("**/sign-in")
    assert session_cookie(page) is None
    page.context.add_cookies([cookie])
    page.goto(basket)
    assert page.url.endswith("/sign-in")


def test_signing_out_the_others_of_the_basket(basket, visit):
    """Two browsers, one of which ends the other."""
    here, there = visit(basket), visit(basket)
    sign_in(here)
    sign_in(there)
    here.reload()
    assert "Signed in on 2 devices." in here.content()
    here.get_by_role("button", name="Sign out the others").click()
    assert "Signed in on 1 device." in here.content()
    there.reload()
    assert there.url.endswith("/sign-in")


@pytest.mark.parametrize("which", ["notes", "basket"])
def test_a_form_of_another_site_does_nothing(which, request, visit):
    """It is sent with the person's cookies from another origin, and refused (R67)."""
    url = request.getfixturevalue(which)
    page = visit(url)
    sign_in(page)
    target = {"notes": "/notes", "basket": "/items"}[which]
    form = f"""<!doctype html><form method="post" action="{url}{target}">
    <input name="note" value="x"><input name="item" value="x"><button>Win</button></form>"""
    page.route("http://evil.example/*", lambda route: route.fulfill(body=form))
    page.goto("http://evil.example/")
    with page.expect_response(f"**{target}") as answer:
        page.get_by_role("button").click()
    assert answer.value.status == 403
    page.goto(url)
    assert listed(page) == []
