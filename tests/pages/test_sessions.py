"""Your sessions: see them, end one, end the others."""

import re

import pytest

from holdfast.service import devices
from pages.browsing import Browser

HOSTILE = [
    "<script>alert(1)</script>/1.0",
    'x" onmouseover="alert(1)/1',
    "'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe",
    "A" * 4000,
]


def test_each_session_is_told_apart(browser, second):
    """Device, times, address; this one is marked and has its own way out."""
    browser.sign_in()
    second.sign_in()
    browser.get("/sessions")
    assert browser.text.count("This device") == 1
    assert "Firefox on Linux This device" in browser.text
    assert "Chrome on Windows Last seen just now" in browser.text
    assert '<time datetime="2023-11-14T22:13:20Z">14 Nov 2023, 22:13</time>' in browser.page.text
    assert "127.0.0.1" in browser.text
    assert [form.action for form in browser.forms] == [
        "/sign-out",
        "/sessions/end-others",
        "/sign-out",
        "/sessions/end",
    ]


def test_ending_another_session(browser, second):
    """It is signed out at its next click and told so; the notice here is shown once."""
    browser.sign_in()
    second.sign_in()
    browser.get("/sessions")
    browser.press("/sessions/end")
    assert "Signed out Chrome on Windows." in browser.text
    assert "Signed out" not in browser.get("/sessions").text
    assert "No other session is signed in" in browser.text
    second.get("/sessions")
    assert "Your session has ended. Sign in again to go on." in second.text


def test_an_ended_browser_that_sends_a_form(browser, second):
    """It lands at the sign-in form, and nothing is done."""
    browser.sign_in()
    second.sign_in()
    second.get("/sessions")
    browser.get("/sessions")
    browser.press("/sessions/end")
    second.press("/sessions/end-others")
    assert "Your session has ended." in second.text
    assert "Your sessions" in browser.get("/sessions").text


def test_ending_all_others(app, browser, second):
    """All but this one end, and the notice counts them."""
    third = Browser(app, "curl/8.9")
    for each in (browser, second, third):
        each.sign_in()
    browser.get("/sessions")
    browser.press("/sessions/end-others")
    assert "Signed out 2 other sessions." in browser.text
    assert "Sign in" in second.get("/sessions").text
    assert "Sign in" in third.get("/sessions").text


def test_ending_this_one_by_its_id_is_signing_out(browser):
    """No row offers it, but the form can be sent."""
    browser.sign_in()
    own = browser.session_id
    token = browser.forms[0].hidden["csrf_token"]
    answer = browser.send("POST", "/sessions/end", data={"session": own, "csrf_token": token})
    assert answer.headers["Location"] == "/sign-in?notice=signed-out"
    assert "Sign in" in browser.get("/sessions").text


def test_nobody_ends_the_session_of_somebody_else(browser, second):
    """An id of another person looks like one that there is not (R173)."""
    browser.sign_in()
    second.sign_in("bob@example.org")
    foreign = second.session_id
    token = browser.forms[0].hidden["csrf_token"]
    answers = [
        browser.send("POST", "/sessions/end", data={"session": id, "csrf_token": token})
        for id in (foreign, "z" * len(foreign), "nonsense", "")
    ]
    assert {answer.headers["Location"] for answer in answers} == {"/sessions"}
    assert "That session had already ended." in browser.get("/sessions").text
    assert "Your sessions" in second.get("/sessions").text


@pytest.mark.parametrize("path", ["/sessions/end", "/sessions/end-others"])
def test_nothing_ends_by_get_or_without_a_token(browser, second, path):
    """Unsafe actions are POST with a token (R69)."""
    browser.sign_in()
    second.sign_in()
    assert browser.send("GET", path).status_code == 405
    assert browser.send("POST", path, data={"csrf_token": "c1" + "A" * 86}).status_code == 403
    assert "Your sessions" in second.get("/sessions").text


@pytest.mark.parametrize("agent", HOSTILE)
def test_a_hostile_user_agent_is_only_text(app, browser, agent):
    """What a client says of itself is shown, never obeyed."""
    Browser(app, agent.encode()).sign_in()
    browser.sign_in()
    page = browser.get("/sessions").text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'onmouseover="' not in page
    assert "49" not in browser.text.partition("Your sessions")[2].replace("14 Nov", "")
    assert "\u202e" not in page


def sign_in_elsewhere(app, monkeypatch, *, times, shown):
    """So many other browsers, of which one page shows so many."""
    monkeypatch.setattr(devices, "MOST", shown)
    monkeypatch.setattr(devices.devices_of, "__kwdefaults__", {"after": None, "limit": shown})
    for number in range(times):
        Browser(app, f"agent-{number}/1.0").sign_in()


def test_many_sessions_come_in_pages(app, browser, monkeypatch):
    """`after` goes on where a page stopped; nothing is shown twice or left out."""
    sign_in_elsewhere(app, monkeypatch, times=4, shown=2)
    browser.sign_in()
    seen, more = [], "/sessions"
    while more:
        page = browser.get(more).text
        seen += page.split("<h2")[1:]
        more = page.partition('href="/sessions?after=')[2].partition('"')[0]
        more = more and f"/sessions?after={more}"
    assert len(seen) == 5
    assert 'href="/sessions">First page' in page


def test_ending_one_on_a_later_page_stays_there(app, browser, monkeypatch):
    """And the form leads to no other host, whoever fills it in."""
    sign_in_elsewhere(app, monkeypatch, times=2, shown=1)
    browser.sign_in()
    page = browser.get("/sessions").text
    here = "/sessions?after=" + re.search(r'/sessions\?after=([^"]+)"', page)[1]
    browser.get(here)
    if "This device" in browser.text:
        here = "/sessions?after=" + re.search(r'/sessions\?after=([^"]+)"', browser.page.text)[1]
        browser.get(here)
    form = next(form for form in browser.forms if form.action == "/sessions/end")
    assert form.hidden["next"] == here
    assert browser.submit("/sessions/end", next="//evil.example").headers["Location"] == "/sessions"
    assert browser.submit("/sessions/end").headers["Location"] == here


def test_every_page_of_a_session_offers_the_way_out(browser, clock):
    """Visible log-out on each authenticated page (R34)."""
    browser.sign_in()
    for path in ("/sessions", "/confirm"):
        browser.get(path)
        assert browser.forms[0].action == "/sign-out"
        assert "ada@example.org Sign out" in browser.text
