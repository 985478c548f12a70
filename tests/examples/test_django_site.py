"""The Django example, as its reader starts it."""

import os
import re
import secrets
import signal
import subprocess
import sys
from urllib.parse import urlencode

import pytest

from examples.conftest import EXAMPLES
from web_flask.test_servers import Browser, free_port, wait_for

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def port(tmp_path):
    port = free_port()
    environment = os.environ | {
        "HOLDFAST_SECRET": secrets.token_urlsafe(32),
        "PYTHONPATH": str(EXAMPLES),
    }
    environment.pop("HOLDFAST_STORE", None)
    options = {"cwd": tmp_path, "env": environment}
    for command in ("check", "migrate", "demo"):
        program = [sys.executable, str(EXAMPLES / "django_site.py"), command]
        subprocess.run(program, check=True, capture_output=True, **options)
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "django_site:application"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options,
    )  # fmt: skip
    try:
        wait_for(server, port)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


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
