"""The shipped configurations, run: who is not signed in does not pass, and nobody forges who it is."""

import json
import re
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest

from forward_auth.bytewise import listening, raw
from forward_auth.proxies import PROXIES, running_proxy
from service.clients import bearer

IDENTITY = ("x-auth-subject", "x-auth-session", "x-auth-roles", "x-auth-token")


def identity(answer):
    """What the application was told of who it is, under any spelling."""
    return spelt(answer, "x-auth")


def spelt(answer, beginning):
    """The headers that reached the application, and that some server reads as one of these."""
    told = answer.json()["headers"]
    return [pair for pair in told if re.sub("[_.]", "-", pair[0]).startswith(beginning)]


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
        *("X.Auth.Subject", "X-Auth.Subject", "X_Auth.Roles", "x.auth-token"),  # as PHP reads them
    ],
)
def test_nobody_says_who_they_are_themselves(browser, name):
    """Every spelling that some server reads as an identity header is stripped (P51)."""
    answer = browser.get("/", headers={name: "mallory"})
    assert answer.status_code == 200
    assert not [value for _, value in identity(answer) if "mallory" in value]


@pytest.mark.parametrize("named", ["X-Auth-Subject, X-Auth-Roles", "x-auth-subject, keep-alive"])
def test_nobody_takes_away_who_they_are(browser, named):
    """What `Connection` names is dropped on the way: an application must not take that for nobody."""
    told = dict(identity(browser.get("/", headers={"Connection": named})))
    assert told["x-auth-subject"]
    answer = browser.get("/", headers={"Connection": named})
    assert "x-auth" not in dict(answer.json()["headers"]).get("connection", "").lower()


def test_the_application_is_told_nothing_else(browser):
    """No header that stands for a token where none is made."""
    assert {name for name, _ in identity(browser.get("/"))} <= {
        *("x-auth-subject", "x-auth-session", "x-auth-roles"),
    }


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_Proto", "X.Forwarded.Host"])
def test_facts_reach_the_application_in_one_spelling(browser, name):
    """It cannot tell them apart, and would go by either."""
    told = spelt(browser.get("/", headers={name: "evil.example"}), "x-forwarded")
    assert "evil.example" not in {value for _, value in told}


def test_a_query_is_no_condition(browser):
    """What somebody asks the application is no part of the question to the service."""
    answer = browser.get("/people?role=nobodys&refused=1")
    assert (answer.status_code, answer.json()["path"]) == (200, "/people?role=nobodys&refused=1")


def test_the_application_gets_the_path_that_was_judged(browser, proxy):
    """An absolute form says more than that, which some router takes for the path."""
    target, cookie = f"{proxy}/a/b?c", f"Cookie: {browser.headers['Cookie']}"
    with listening(proxy, target, cookie) as answer:
        assert json.loads(answer.read())["path"] == "/a/b?c"


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
    """While it is used, the browser's copy does not end; also with a page that there is not."""
    deadline = time.monotonic() + 15
    for path, status in (("/", 200), ("/missing", 404)):
        while time.monotonic() < deadline:
            answer = browser.get(path)
            assert answer.status_code == status
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


@contextmanager
def answering(status, **headers):
    """A service that gives every question the same answer: its port, and what it was asked."""
    asked = []

    class Decided(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Not into the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Decided) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", PROXIES)
def test_a_token_for_the_application_reaches_it(name, tmp_path, application):
    """Where the service makes one."""
    with (
        answering(200, X_Auth_Subject="ann", X_Auth_Token="a.b.c") as (service, _),
        running_proxy(name, tmp_path, service=service, application=application) as address,
    ):
        told = dict(identity(httpx.get(address, headers={"X-Auth-Token": "forged"})))
    assert (told["x-auth-subject"], told["x-auth-token"]) == ("ann", "a.b.c")


def test_a_refusal_is_no_answer_of_the_application(tmp_path, application):
    """Nginx asks twice about what is refused. If the second answer were yes, it would come through."""
    with (
        answering(503) as (service, asked),
        running_proxy("nginx", tmp_path, service=service, application=application) as address,
    ):
        asked.clear()
        assert httpx.post(f"{address}/pay?role=x&refused").status_code == 503
    assert asked == ["/forward-auth", "/forward-auth?refused"]
