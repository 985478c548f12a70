"""What every framework refuses before anything of it is asked: the chain's first step (P51 to P53, R152)."""

import pytest

from holdfast.settings import Settings
from web.browser import Browser

PLAIN = "http://app.example.org"
PROXY = "10.0.0.7"
SAID = {
    "x-forwarded-proto": "https",
    "x-forwarded-host": "app.example.org",
    "x-forwarded-for": "203.0.113.9",
}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/open"), ("GET", "/me"), ("POST", "/work"), ("GET", "/nowhere")]
)
def test_plain_http_from_elsewhere_reaches_nothing(method, path, app, browser, parts, reached):
    """Neither a handler nor the store, whatever the request brings; only probes of health pass."""
    browser.sign_in()
    plain = Browser(app, origin=PLAIN)
    plain.cookies = browser.cookies
    parts.store.calls.clear()
    proof = {"x-csrf-token": "x"} | SAID
    answer = plain.request(method, path, headers=proof, json={} if method == "POST" else None)
    assert (answer.status, answer.code) == (403, "https_required")
    assert (answer.all("set-cookie"), parts.store.calls, reached) == ([], [], [])
    assert plain.get("/healthz").status == 200


@pytest.fixture
def behind_proxies():
    return Settings(trusted_proxies=("10.0.0.0/8",))


class TestBehindAProxy:
    @pytest.fixture
    def settings(self, behind_proxies):
        return behind_proxies

    def test_a_trusted_proxy_is_believed(self, app, parts):
        """Scheme, host and address are those that it tells."""
        visitor = Browser(app, origin="http://inside:8000", peer=PROXY)
        token = visitor.get("/csrf", headers=SAID).json()["token"]
        said = SAID | {"origin": "https://app.example.org", "x-csrf-token": token}
        answer = visitor.request("POST", "/login", headers=said, json={"user": "ann"})
        assert answer.status == 200, answer
        assert visitor.get("/me", headers=SAID).json()["user"] == "ann"
        assert {event.address for event in parts.events} == {"203.0.113.9"}

    def test_nobody_else_is(self, app):
        """Nor the proxy, if it says nothing, or what cannot be."""
        assert Browser(app, origin=PLAIN).get("/open", headers=SAID).code == "https_required"
        through = Browser(app, origin="http://inside:8000", peer=PROXY)
        assert through.get("/open").code == "https_required"
        for name in SAID:
            assert through.get("/open", headers=SAID | {name: "a b"}).code == "bad_request"
