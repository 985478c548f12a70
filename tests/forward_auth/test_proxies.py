"""The shipped configurations, run: who is not signed in does not pass, and nobody forges who it is."""

import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from service.clients import bearer

IDENTITY = ("x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-token")


def identity(answer):
    """What the application was told of who it is, under any spelling."""
    told = answer.json()["headers"]
    return [(name, value) for name, value in told if name.replace("_", "-").startswith("x-auth")]


def test_who_is_signed_in_reaches_the_application(browser):
    """With its subject, and the request as it was."""
    answer = browser.get("/page?a=b%2Fc")
    assert answer.status_code == 200, answer.text
    assert answer.json()["path"] == "/page?a=b%2Fc"
    told = dict(identity(answer))
    assert told["x-auth-subject"]
    assert told["x-auth-session"]


def test_a_token_passes_as_well(proxy, service):
    """The application need not know which credential it was."""
    token = service.login()["access_token"]
    assert httpx.get(proxy, headers=bearer(token)).status_code == 200
    assert httpx.get(proxy, headers=bearer(token + "x")).status_code == 401


def test_who_is_not_signed_in_does_not(proxy):
    """401 for programs; people are sent to sign in, and know the way back."""
    assert httpx.get(f"{proxy}/x").status_code == 401
    assert httpx.get(f"{proxy}/x", headers={"Cookie": "session=forged"}).status_code == 401
    page = httpx.get(f"{proxy}/x?a=b&c=d", headers={"Accept": "text/html"})
    assert page.status_code == 302
    assert page.headers["Location"].startswith("http://localhost/sign-in?next=http")
    assert page.headers["Location"].endswith("%2Fx%3Fa%3Db%26c%3Dd")


def test_the_pages_of_the_service_are_on_the_same_host(proxy):
    """A person can sign in there."""
    page = httpx.get(f"{proxy}/sign-in")
    assert page.status_code == 200
    assert "<form" in page.text


def test_a_log_out_counts_for_the_next_request(browser, service):
    """No proxy keeps a yes."""
    assert browser.get("/").status_code == 200
    csrf = browser.get(f"{service.url}/csrf-token", headers={"Host": f"localhost:{service.port}"})
    out = browser.post(
        f"{service.url}/api/logout",
        headers={"X-CSRF-Token": csrf.json()["csrfToken"], "Host": f"localhost:{service.port}"},
    )
    assert out.status_code == 200, out.text
    assert browser.get("/").status_code == 401


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_an_unsafe_request_needs_its_origin(browser, proxy, method):
    """Its body reaches the application, and another site's request does not."""
    forged = {"Origin": "https://evil.example"}
    assert browser.request(method, "/", content="a=b").status_code == 403
    assert browser.request(method, "/", content="a=b", headers=forged).status_code == 403
    meant = browser.request(method, "/", content="a=b", headers={"Origin": proxy})
    assert meant.status_code == 200, meant.text
    assert (meant.json()["method"], meant.json()["body"]) == (method, "a=b")


@pytest.mark.parametrize(
    "name",
    [
        *("X-Auth-Subject", "x-auth-subject", "X_Auth_Subject", "X-Auth_Subject", "X_Auth-Subject"),
        *("X-Auth-Roles", "X_AUTH_ROLES", "X-Auth-Token", "X-Auth-Session"),
    ],
)
def test_nobody_says_who_they_are_themselves(browser, name):
    """Every spelling that some server reads as an identity header is stripped (P51)."""
    answer = browser.get("/", headers={name: "mallory"})
    assert answer.status_code == 200
    assert not [value for _, value in identity(answer) if "mallory" in value]


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Method",
        "X-Forwarded-Uri",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-For",
    ],
)
def test_facts_of_the_client_do_not_count(browser, name):
    """An unsafe request does not become a safe one by a header (P53)."""
    said = {"X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/", "X-Forwarded-Proto": "https"}
    forged = {name: said.get(name, "evil.example")}
    assert browser.post("/", headers=forged).status_code == 403


def raw(proxy, target, *headers, method="GET"):
    """The status that a request line gets, sent as it is."""
    host, port = urlsplit(proxy).netloc.split(":")
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}:{port}", "Connection: close", *headers]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return int(connection.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    "target",
    ["/a/../admin", "/a%2f..%2fadmin", "/%2e%2e/admin", "//evil.example/", "/a\\b", "/a%00"],
)
def test_a_target_with_two_readings_is_denied(browser, proxy, target):
    """Also to somebody who is signed in: the application may read another path (P52)."""
    cookie = f"Cookie: {browser.headers['Cookie']}"
    assert 400 <= raw(proxy, target, cookie) < 500
    assert raw(proxy, "/a/b", cookie) == 200


@pytest.mark.parametrize(
    "headers",
    [
        ("Cookie: session=a; session=b",),
        ("Cookie: session=a", "Cookie: session=b"),
        ("Authorization: Bearer x", "Authorization: Bearer y"),
        ("Cookie: session=" + "a" * 6000,),
    ],
)
def test_hostile_credentials_are_refused(proxy, headers):
    """Doubled and oversized ones; never an error of the server."""
    assert 400 <= raw(proxy, "/", *headers) < 500


def test_a_method_that_nobody_knows_does_not_pass_unasked(browser, proxy):
    """It is unsafe until somebody vouches for it."""
    assert 400 <= raw(proxy, "/", f"Cookie: {browser.headers['Cookie']}", method="FROB") < 500


def test_a_renewed_cookie_reaches_the_browser(browser):
    """While it is used, the browser's copy does not end."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        answer = browser.get("/")
        assert answer.status_code == 200
        if "Set-Cookie" in answer.headers:
            break
        time.sleep(0.1)
    assert answer.headers["Set-Cookie"].startswith("session=1.")


def test_an_outage_of_the_service_lets_nobody_pass(browser, service):
    """Whoever cannot be asked about is not let through, and it goes on by itself (P20)."""
    service.pause()
    try:
        with pytest.raises(httpx.ReadTimeout):
            browser.get("/", timeout=0.5)
    finally:
        service.resume()
    assert browser.get("/").status_code == 200
