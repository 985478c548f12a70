"""The Django example, as its reader starts it."""

import os
import re
import secrets
import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from examples.conftest import EXAMPLES
from web_flask.test_servers import Browser, free_port, wait_for

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "django_site:application")
RUNSERVER = (str(EXAMPLES / "django_site.py"), "runserver", "{port}", "--noreload")


@contextmanager
def running(folder, server):
    port = free_port()
    environment = os.environ | {
        "HOLDFAST_SECRET": secrets.token_urlsafe(32),
        "PYTHONPATH": str(EXAMPLES),
    }
    environment.pop("HOLDFAST_STORE", None)
    options = {"cwd": folder, "env": environment}
    for command in ("check", "migrate", "demo"):
        program = [sys.executable, str(EXAMPLES / "django_site.py"), command]
        subprocess.run(program, check=True, capture_output=True, **options)
    arguments = [part.format(port=port) for part in server]
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
    )  # fmt: skip
    try:
        wait_for(process, port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def port(tmp_path):
    with running(tmp_path, GUNICORN) as port:
        yield port


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """As its reader starts it, with the admin's static files."""
    with running(tmp_path_factory.mktemp("site"), RUNSERVER) as port:
        yield f"http://localhost:{port}"


def submit(browser, form_on, to, more="", **fields):
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(form_on)[1])[1]
    form = urlencode({"csrfmiddlewaretoken": token, **fields})
    return browser.send("POST", to, f"{form}&{more}", FORM)


@pytest.mark.slow
def test_the_site(port):
    """Sign-in on the admin's page, a form with a message, the API, the list of sessions, sign-out."""
    browser = Browser(port)
    assert browser.get("/")[0] == 302
    ada = {"username": "ada@example.org", "password": "correct horse battery staple"}
    assert submit(browser, "/admin/login/", "/admin/login/", **ada, next="/")[0] == 302
    assert "Counted." in submit(browser, "/", "/")[1]
    assert browser.get("/api")[1] == {"user": "ada@example.org", "visits": 1}
    assert "this session" in browser.get("/admin/holdfast/session/")[1]
    for half in ("username=%ED%A0%80", "password=%ED%A0%80"):
        again = submit(Browser(port), "/admin/login/", "/admin/login/", more=half, next="/")
        assert again[0] == 200, "the form once more, as Django shows it"
    assert browser.get("/accounts/login/")[0] == 404
    copy = Browser(port, browser.cookies)
    assert submit(browser, "/", "/admin/logout/")[0] == 200
    assert copy.get("/api")[0] == 401


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1201])
def test_the_list_of_sessions_fits(address, visit, width, scheme):
    """On a phone too: nothing scrolls sideways, and each session can be ended by a finger."""
    page = visit(
        f"{address}/admin/login/?next=/admin/holdfast/session/",
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        user_agent="Unbroken" * 12,
    )
    page.get_by_label("Username").fill("ada@example.org")
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Sessions").wait_for()
    for cell in page.locator("td[data-label=Address]").all():
        cell.evaluate("cell => cell.innerText = '2001:db8:85a3:ffff:ffff:8a2e:1370:7334'")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".holdfast-sessions").get_by_role("columnheader").count() == 6
    for button in page.get_by_role("button", name="End", exact=True).all():
        box = button.bounding_box()
        assert box["x"] + box["width"] <= width
        assert width > 767 or box["height"] >= 44
