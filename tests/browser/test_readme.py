"""The README in a clean clone: `scripts/run` with two workers, people in browsers, and a script."""

import subprocess
import time

import httpx
import pytest

from browser.checkout import Checkout, clonable
from browser.conftest import Service
from browser.steps import devices, row, sign_in
from service.clients import bearer
from service.running import until
from service.workers import of_every_worker

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not clonable(), reason="needs a git repository: clone it, then run again"),
]

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
GRACE = 5


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("readme") / "holdfast")


@pytest.fixture(scope="module")
def server(checkout):
    """Two workers over one SQLite file."""
    server = checkout.run("--workers", "2", REFRESH_GRACE=f"{GRACE}s")
    try:
        until(lambda: len(server.workers) == 2, "both workers are there")
        yield server
    finally:
        status = server.stop()
    assert status == 0


@pytest.fixture
def person(server):
    """The demo user, as it was printed."""
    return Service(server.url, *server.credentials)


def refresh(server, token):
    return httpx.post(f"{server.url}/refresh", json={"refresh_token": token}, timeout=20)


def statuses(answers):
    return {answer.status_code for answer in answers}


def codes(answers):
    return {(answer.status_code, answer.json().get("code")) for answer in answers}


def test_the_lines_of_the_readme_work(checkout, server):
    """Pasted as they stand: sign in, who am I, sign out, refused."""
    me, out, refused = checkout.paste(server)
    assert '"email":"demo@example.org"' in me
    assert out == '{"message":"Logged out successfully"}'
    assert '"unauthenticated"' in refused


def test_nothing_of_the_clone_is_changed(checkout, server):
    """What it makes, git ignores; the password of the demo user is nobody else's to read."""
    status = ["git", "-C", checkout.folder, "status", "--porcelain"]
    assert subprocess.run(status, capture_output=True, text=True, check=True).stdout == ""
    password = checkout.folder / ".holdfast" / "demo-password"
    assert password.stat().st_mode & 0o077 == 0


def test_a_person_ends_the_session_of_another_browser(server, person, visit):
    """Sees both, ends one; the ended browser is signed out, in whichever worker."""
    here, there = visit(person.url), visit(person.url, user_agent=FIREFOX)
    sign_in(here, person)
    sign_in(there, person)
    here.reload()
    assert devices(here) == ["Chrome on Linux", "Firefox on Windows"]
    assert row(here, "This device").get_by_role("heading").inner_text() == "Chrome on Linux"
    stolen = {cookie["name"]: cookie["value"] for cookie in there.context.cookies()}
    assert statuses(of_every_worker(server, "GET", "/api/me", cookies=stolen)) == {200}

    here.get_by_role("button", name="Sign out Firefox on Windows").click()
    assert here.get_by_role("status").inner_text() == "Signed out Firefox on Windows."
    there.reload()
    assert there.title() == "Sign in · Holdfast"
    assert statuses(of_every_worker(server, "GET", "/api/me", cookies=stolen)) == {401}
    here.reload()
    assert devices(here) == ["Chrome on Linux"]


def test_a_script_refreshes_and_a_replay_ends_its_session(server):
    """A retry inside the grace gets the same successor; the old token after it ends everything."""
    first = server.login()
    assert server.me(first) == 200
    second = refresh(server, first["refresh_token"]).json()
    rotated = time.monotonic()
    again = refresh(server, first["refresh_token"])
    assert (again.status_code, again.json()["refresh_token"]) == (200, second["refresh_token"])
    assert time.monotonic() - rotated < GRACE, "this machine is too slow to show a grace"
    assert server.me(second) == 200

    until(lambda: time.monotonic() - rotated > GRACE, "the grace is over", GRACE + 5)
    assert codes([refresh(server, first["refresh_token"])]) == {(401, "invalid_token")}
    for tokens in (first, second, again.json()):
        mine = bearer(tokens["access_token"])
        assert statuses(of_every_worker(server, "GET", "/api/me", headers=mine)) == {401}
        body = {"refresh_token": tokens["refresh_token"]}
        assert statuses(of_every_worker(server, "POST", "/refresh", json=body)) == {401}


def test_a_log_out_by_token_kills_both_tokens_in_every_worker(server):
    """Access and refresh token, in each process."""
    tokens = server.login()
    mine, body = bearer(tokens["access_token"]), {"refresh_token": tokens["refresh_token"]}
    assert statuses(of_every_worker(server, "GET", "/api/me", headers=mine)) == {200}
    out = httpx.post(f"{server.url}/api/auth/logout", headers=mine)
    assert out.json() == {"message": "Logged out successfully"}
    assert statuses(of_every_worker(server, "GET", "/api/me", headers=mine)) == {401}
    assert statuses(of_every_worker(server, "POST", "/api/auth/logout", headers=mine)) == {401}
    assert statuses(of_every_worker(server, "POST", "/refresh", json=body)) == {401}


def csrf(browser):
    return {"X-CSRF-Token": browser.get("/csrf-token").json()["csrfToken"]}


def signed_in(server, browser):
    body = dict(zip(("email", "password"), server.credentials, strict=True))
    assert browser.post("/api/login", json=body, headers=csrf(browser)).json() == {"success": True}


def test_a_log_out_by_cookie_kills_cookie_and_csrf_token_in_every_worker(server):
    """The token neither signs in again nor counts beside the next session's cookie."""
    with httpx.Client(base_url=server.url, timeout=20) as browser:
        signed_in(server, browser)
        cookie, token = {"session": browser.cookies["session"]}, csrf(browser)
        assert statuses(of_every_worker(server, "GET", "/api/me", cookies=cookie)) == {200}
        assert browser.post("/api/logout", headers=token).json() == {"success": True}
        assert "session" not in browser.cookies
        signed_in(server, browser)
        fresh = {"session": browser.cookies["session"]}

    assert statuses(of_every_worker(server, "GET", "/api/me", cookies=cookie)) == {401}
    both = {"cookies": cookie, "headers": token}
    assert statuses(of_every_worker(server, "POST", "/api/logout", **both)) == {401}
    refused = {(403, "csrf_failed")}
    for path in ("/api/login", "/api/logout", "/api/reauthenticate"):
        beside = {"cookies": fresh, "headers": token, "json": {}}
        assert codes(of_every_worker(server, "POST", path, **beside)) == refused
    assert codes(of_every_worker(server, "POST", "/api/login", **both, json={})) == refused
    assert statuses(of_every_worker(server, "GET", "/api/me", cookies=fresh)) == {200}
