"""The sign-in with an OpenID provider in Express, as the how-to prints it: Node, a service, a provider."""

import json
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import identity
from nodejs import built_package, running_node
from service.running import Server, command, free_port

PAGE = Path(__file__).parents[2] / "docs/how-to/sign-in-with-openid-connect.md"
APPLICATION = re.compile(r"^```js\n// app.mjs\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DISCOVERY = "undefined, secret"


@contextmanager
def service(home, **variables):
    made = json.loads(command(home, "service-key", "shop", "--json").stdout)
    server = Server(home, PROFILE="development", SERVICE_KEYS=made["entry"], **variables)
    try:
        yield server, made["key"]
    finally:
        server.stop()


@contextmanager
def application(folder, provider, server, key):
    """The page's application; a provider on this machine has no HTTPS."""
    source = APPLICATION.search(PAGE.read_text(encoding="utf-8"))[1]
    assert source.count(DISCOVERY) == 1
    port = free_port()
    plain = f"{DISCOVERY}, {{ execute: [openid.allowInsecureRequests] }}"
    text = source.replace(DISCOVERY, plain).replace("3000", str(port))
    (folder / "app.mjs").write_text(text.replace(":8080", f":{server.port}"), encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    given = {
        "OIDC_ISSUER": provider.url,
        "OIDC_CLIENT_ID": provider.client["id"],
        "OIDC_CLIENT_SECRET": provider.client["secret"],
        "PUBLIC_URL": url,
        "SERVICE_KEY": key,
    }
    with running_node(folder, "app.mjs", says="listening", **given):
        yield url


def agreed(answer):
    """The person agrees at the provider: where the browser is sent back to."""
    return httpx.get(answer.headers["location"]).headers["location"]


@contextmanager
def browsers(url):
    """A function that opens one more browser; all are closed at the end."""
    with ExitStack() as until_the_end:
        yield lambda: until_the_end.enter_context(httpx.Client(base_url=url))


@pytest.mark.timeout(200)
def test_the_application_of_the_page(tmp_path, tmp_path_factory):
    """Signed in, and nobody else; nobody is sent elsewhere; an outage is no refusal."""
    folder = built_package(tmp_path_factory) / "openid"
    folder.mkdir()
    with (
        service(tmp_path, COOKIE_SAME_SITE="Lax") as (server, key),
        identity.running() as provider,
        application(folder, provider, server, key) as url,
        browsers(url) as browser,
    ):
        signs_in(url, browser())
        refuses_what_is_forged(browser, provider)
        stays_here(browser)
        late = browser()
        back = agreed(late.get("/login"))
        provider.away = True
        answer = late.get(back)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def signs_in(url, browser):
    answer = browser.get("/login?next=/me?from=login")
    assert "samesite=lax" in answer.headers["set-cookie"].lower()
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    before = browser.cookies["session"]
    assert asked["state"][0] not in before
    back = agreed(answer)
    assert httpx.get(back).status_code == 401
    answer = browser.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{url}/me?from=login")
    assert browser.cookies["session"].split(".")[1] != before.split(".")[1]
    assert httpx.get(f"{url}/me", cookies={"session": before}).status_code == 401
    assert browser.get("/me").json() == {"user": "user-1", "email": "ada@example.org"}
    assert browser.get(back).status_code == 401
    assert browser.get("/me").status_code == 200


def refuses_what_is_forged(browser, provider):
    for wrong in ({"nonce": "another"}, {"aud": "another shop"}, {"iss": "https://evil.example"}):
        provider.claims = wrong
        stranger = browser()
        assert stranger.get(agreed(stranger.get("/login"))).status_code == 401, wrong
        assert stranger.get("/me").status_code == 401
    provider.claims = {}
    stranger = browser()
    assert stranger.get("/callback?error=access_denied").status_code == 401
    stranger.get("/login")
    assert stranger.get("/callback?error=access_denied&state=x").status_code == 401


def stays_here(browser):
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:1"):
        visitor = browser()
        answer = visitor.get("/login", params={"next": elsewhere})
        assert visitor.get(agreed(answer)).headers["location"] == "/me"
