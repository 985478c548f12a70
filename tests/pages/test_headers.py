"""Security headers on every answer (R66, R83, R84), and files that may be kept."""

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from holdfast.service import back_button
from holdfast.settings import Cookie, Settings

EXPECTED = {
    "Content-Security-Policy": f"default-src 'none'; script-src {back_button.SOURCE}; style-src 'self';"
    " img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@pytest.mark.parametrize(
    "path", ["/", "/sign-in", "/sessions", "/sessions/nothing", "/api/me", "/x"]
)
def test_every_answer_has_them(browser, path):
    """Pages, redirects, errors and JSON alike."""
    answer = browser.send("GET", path)
    assert {name: answer.headers[name] for name in EXPECTED} == EXPECTED
    assert "camera=()" in answer.headers["Permissions-Policy"]


def test_refusals_of_the_chain_have_them(browser):
    """Answers that no handler saw."""
    answer = browser.send("POST", "/sign-in", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert {name: answer.headers[name] for name in EXPECTED} == EXPECTED


def test_no_hsts_on_plain_http(browser):
    """The development profile says nothing about HTTPS."""
    assert "Strict-Transport-Security" not in browser.get("/sign-in").headers


class TestHttps:
    @pytest.fixture
    def settings(self):
        return Settings(cookie=Cookie())

    def test_hsts_with_https(self, browser):
        """At least one year, with subdomains (R66)."""
        value = browser.get("/sign-in").headers["Strict-Transport-Security"]
        assert int(re.search(r"max-age=(\d+)", value)[1]) >= 365 * 24 * 3600
        assert "includeSubDomains" in value


def test_no_page_needs_what_the_policy_forbids(browser):
    """No script but the one that it names, no inline style, no foreign address."""
    browser.sign_in()
    for path in ("/sessions", "/confirm", "/sessions/nothing"):
        answer = browser.get(path)
        (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
        digest = b64encode(sha256(script.encode()).digest()).decode()
        policy = answer.headers["Content-Security-Policy"]
        assert f"script-src 'sha256-{digest}';" in policy, path
        rest = answer.text.replace(f"<script>{script}</script>", "")
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://", rest), path


def test_files_are_kept_for_ever_under_their_hash(browser):
    """The path changes with the content; another path gets nothing."""
    url = re.search(r'href="(/static/[0-9a-f]{12}/holdfast\.css)"', browser.get("/sign-in").text)[1]
    style = browser.send("GET", url)
    assert style.headers["Content-Type"] == "text/css; charset=utf-8"
    assert style.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in style.headers
    folder = url.rpartition("/")[0]
    for wrong in (f"{folder}/pages.py", f"{folder}/..%2fpages.py", "/static/0/holdfast.css"):
        assert browser.send("GET", wrong).status_code == 404


def test_the_picture_is_found_by_the_stylesheet(browser):
    """Names in the stylesheet are relative, so that the hash is theirs too."""
    folder = re.search(r'href="(/static/[0-9a-f]{12})/', browser.get("/sign-in").text)[1]
    style = browser.send("GET", f"{folder}/holdfast.css").text
    for name in re.findall(r'url\("([^"]*)"\)', style):
        assert browser.send("GET", f"{folder}/{name}").status_code == 200
