"""Errors are pages where people look, and JSON where programs do."""

import re

import pytest

from holdfast.errors import NotDurable, StoreUnavailable
from holdfast.service.page_errors import PAGES, is_page, words_for
from holdfast.settings import Rate, Settings


def break_store(context, monkeypatch, error):
    async def broken(*args, **kwargs):
        raise error("the store is away")

    def broken_read(*args, **kwargs):
        raise error("the store is away")

    for name in ("page", "delete"):
        monkeypatch.setattr(context.assembly.store, name, broken)
    monkeypatch.setattr(context.assembly.blocking_store, "get", broken_read)


def test_a_lost_token_gets_a_page(browser):
    """403 for a person: what happened, that nothing was changed, and a way on."""
    browser.sign_in()
    browser.page = browser.send("POST", "/sessions/end", data={"csrf_token": "old"})
    assert browser.page.status_code == 403
    assert browser.page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "This page is out of date" in browser.text
    assert "Nothing was changed." in browser.text
    assert "403 · csrf_failed" in browser.text


def test_the_same_refusal_is_json_elsewhere(browser):
    """The path decides, not what the client says it accepts."""
    browser.sign_in()
    answer = browser.send("POST", "/api/logout", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


@pytest.mark.parametrize("path", ["/sessions/nothing", "/sessions/end", "/sessions/end-others"])
def test_a_page_that_there_is_not(browser, path):
    """404 and 405 look alike to people."""
    page = browser.get(path)
    assert page.status_code in {404, 405}
    assert "There is no such page" in browser.text
    assert browser.send("GET", "/api/nothing").json()["code"] == "not_found"


def test_the_store_is_away(browser, context, monkeypatch):
    """503 with `Retry-After`; nobody is signed out, and it works again by itself (P20)."""
    browser.sign_in()
    with monkeypatch.context() as patched:
        break_store(context, patched, StoreUnavailable)
        page = browser.get("/sessions")
        assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
        assert "We cannot check your session right now" in browser.text
        assert "Set-Cookie" not in page.headers
        assert browser.send("GET", "/api/me").json()["code"] == "store_unavailable"
    assert "Your sessions" in browser.get("/sessions").text


def test_a_sign_out_that_is_not_proved_clears_the_client(browser, context, monkeypatch):
    """503 `not_durable` still erases the cookie, and says that a retry is safe."""
    browser.sign_in()

    async def unproved(*args, **kwargs):
        raise NotDurable("one replica is away")

    monkeypatch.setattr(context.assembly.store, "delete", unproved)
    browser.page = browser.submit("/sign-out")
    assert browser.page.status_code == 503
    assert "Done, but not yet certain" in browser.text
    assert any(text.startswith("session=;") for text in browser.page.headers.get_list("Set-Cookie"))


class TestRateLimit:
    @pytest.fixture
    def settings(self):
        return Settings.for_development(rate=Rate(limit=2))

    def test_too_many_forms(self, browser):
        """429 says when to come back, in words too."""
        browser.sign_in()
        token = browser.forms[0].hidden
        answers = [browser.send("POST", "/sessions/end", data=token) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [303, 303, 429]
        browser.page = answers[-1]
        assert int(browser.page.headers["Retry-After"]) > 0
        assert re.search(r"Try again in 1\d minutes\.", browser.text)


def test_which_paths_are_pages():
    """Exactly those that people see."""
    assert all(map(is_page, ["/", "/sign-in", "/sessions", "/sessions/end", "/confirm"]))
    assert not any(map(is_page, ["/api/sessions", "/login", "/sessionsx", "/static/x", "/healthz"]))


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 418, 429, 500, 503])
def test_every_status_has_words(status):
    """Also one that nobody thought of."""
    assert all(words_for(status, "unheard_of"))
    assert all(text.heading and text.text for text in PAGES.values())
