"""The service takes over old sessions for applications behind it: by begin, and by forward-auth."""

import asyncio
import json

import pytest

import redis_servers
from holdfast.errors import ConfigurationError
from holdfast.service import moving_in
from holdfast.service.app import create_app
from holdfast.service.backend import keys as service_keys
from holdfast.service.options import ServiceOptions
from holdfast.testing import FakeClock
from moving_in import express_session, printed
from nodejs import built_package, node
from service.clients import Client, bearer, built
from service.running import Server

KEY = "hfk1_" + "k" * 43
ENTRY = service_keys.entry("shop", service_keys.SCOPES, KEY)
BEGIN, COMMIT = "/backend/v1/requests/begin", "/backend/v1/requests/commit"


class OneLoop(Client):
    """A client on one event loop, as connections to the old Redis belong to theirs."""

    def __init__(self, context):
        super().__init__(create_app(context))
        self._context = context
        self._loop = asyncio.new_event_loop()

    def request(self, method, path, **options):
        return self._loop.run_until_complete(self.http.request(method, path, **options))

    def all(self, *requests):
        async def gathered():
            return await asyncio.gather(*(self.http.request(m, p, **o) for m, p, o in requests))

        return self._loop.run_until_complete(gathered())

    def close(self):
        self._loop.run_until_complete(self._context.assembly.old.asynchronous.close())
        self._context.close()
        self._loop.close()


@pytest.fixture
def service(tmp_path, old):
    """A client of a service that takes over what connect-redis has kept."""
    given = {
        "ADOPT_FROM": "connect-redis",
        "ADOPT_REDIS": old.url,
        "ADOPT_SECRET": "a newer secret",
        "ADOPT_SECRET_PREVIOUS": express_session.SECRET,
        "SERVICE_KEYS": ENTRY,
        "TRUSTED_PROXIES": "127.0.0.1",
        "STORE": "memory://",
        "USERS": f"sqlite:///{tmp_path}/users.db",
    }
    context = built(tmp_path, FakeClock(), [], **given)
    client = OneLoop(context)
    yield client
    client.close()


@pytest.fixture
def cookie(node_modules, old):
    return express_session.cookie_of(node_modules, old.url)


def facts(cookie, method="GET", **headers):
    seen = {"host": "127.0.0.1:8080", "cookie": cookie, **headers}
    told = {"method": method, "scheme": "http", "host": "127.0.0.1:8080", "path": "/"}
    return {"request": told | {"peer": "127.0.0.1", "headers": seen}}


def ask(service, path, body):
    answer = service.post(path, json=body, headers=bearer(KEY))
    assert answer.status_code == 200, answer.text
    return answer.json()


def set_cookies(headers):
    return [value for name, value in headers if name == "Set-Cookie"]


@pytest.mark.timeout(300)
def test_begin_takes_an_old_session_over(service, cookie, old):
    """And says that a commit must follow, which has our cookie and erases the old one."""
    begun = ask(service, BEGIN, facts(cookie) | {"keep": True})
    assert (begun["reply"], begun["due"], begun["keep"]) == (None, True, None)
    assert (begun["session"]["subject"], begun["session"]["data"]["cart"]) == ("ada", [1])
    assert old.client.keys() == []
    done = ask(service, COMMIT, facts(cookie) | {"session": begun["session"]["id"]})
    ours, erased = set_cookies(done["headers"])
    assert erased.startswith("connect.sid=;")
    again = ask(service, BEGIN, facts(ours.partition(";")[0]))
    assert again["session"]["id"] == begun["session"]["id"]
    assert again["due"] is False


@pytest.mark.timeout(300)
def test_begins_at_once_get_one_session(service, cookie):
    """However many requests come with the old cookie."""
    body = facts(cookie)
    requests = [("POST", BEGIN, {"json": body, "headers": bearer(KEY)})] * 5
    answers = [answer.json() for answer in service.all(*requests)]
    assert len({each["session"]["id"] for each in answers if each["session"]}) == 1


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", [{"method": "POST"}, {"sec-fetch-site": "cross-site"}])
def test_what_signs_nobody_in(service, cookie, old, kind):
    """An unsafe request, and one of another site, move nothing."""
    begun = ask(service, BEGIN, facts(cookie, **kind))
    assert (begun["session"], begun["due"], len(old.client.keys())) == (None, False, 1)


def test_a_cookie_that_nobody_signed(service, old):
    """Redis is not even asked."""
    old.client.set("sess:abc", '{"passport": {"user": "eve"}}')
    begun = ask(service, BEGIN, facts("connect.sid=s%3Aabc." + "A" * 43))
    assert (begun["session"], len(old.client.keys())) == (None, 1)


@pytest.mark.timeout(300)
def test_forward_auth_takes_it_over(service, cookie, old):
    """The request passes, and the answer sets our cookie.

    Nothing else: Caddy, and nginx from 1.23 on, make one line of several, whose end would erase ours.
    """
    headers = {
        "Cookie": cookie,
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Uri": "/",
        "X-Forwarded-Host": "127.0.0.1:8080",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-For": "127.0.0.1",
    }
    answer = service.get("/forward-auth", headers=headers)
    assert (answer.status_code, answer.headers["X-Auth-Subject"]) == (200, "ada")
    (ours,) = answer.headers.get_list("Set-Cookie")
    assert ours.startswith("session=1.")
    again = service.get("/forward-auth", headers=headers | {"Cookie": ours.partition(";")[0]})
    assert (again.status_code, again.headers["X-Auth-Subject"]) == (200, "ada")
    assert old.client.keys() == []


@pytest.mark.timeout(300)
def test_an_old_redis_that_is_away(tmp_path, cookie):
    """503: nobody knows who it is. Whoever has no old cookie is served."""
    url = f"redis://127.0.0.1:{redis_servers.free_port()}"
    given = {"ADOPT_FROM": "connect-redis", "ADOPT_REDIS": url, "SERVICE_KEYS": ENTRY}
    context = built(tmp_path, FakeClock(), [], ADOPT_SECRET=express_session.SECRET, **given)
    service = OneLoop(context)
    try:
        assert ask(service, BEGIN, facts(cookie))["reply"]["status"] == 503
        assert ask(service, BEGIN, facts("a=b"))["reply"] is None
    finally:
        service.close()


SITE = """
import express from "express";
import { holdfast } from "./dist/esm/index.js";
const [url, serviceKey, cookie] = process.argv.slice(2);
const sessions = holdfast({ url, serviceKey });
const app = express();
app.use(sessions);
app.get("/", (req, res) => res.json({ user: req.session.subject, cart: req.session.cart }));
const server = app.listen(0, "127.0.0.1", async () => {
  const address = `http://127.0.0.1:${server.address().port}/`;
  const first = await fetch(address, { headers: { cookie } });
  const set = first.headers.getSetCookie();
  const again = await fetch(address, { headers: { cookie: set[0].split(";")[0] } });
  console.log(JSON.stringify({ first: await first.json(), set, again: await again.json() }));
  process.exit(0);
});
"""


@pytest.mark.timeout(600)
def test_an_express_application_keeps_its_visitors(tmp_path, tmp_path_factory, cookie, old):
    """From express-session to our package, over a real service: the visitor notices nothing.

    The handler does nothing to its session, and the cookie is set all the same. The service has the
    variables that the page prints.
    """
    package = built_package(tmp_path_factory)
    package.joinpath("moved.mjs").write_text(SITE)
    given = printed.variables("connect-redis", old.url) | {"SERVICE_KEYS": ENTRY}
    server = Server(tmp_path / "home", PROFILE="development", **given)
    try:
        seen = json.loads(node(package, "moved.mjs", server.url, KEY, cookie))
    finally:
        server.stop()
    assert seen["first"] == seen["again"] == {"user": "ada", "cart": [1]}
    assert [each.partition("=")[0] for each in seen["set"]] == ["session", "connect.sid"]


# Options


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"adopt_redis": "redis://localhost"}, "adopt_from"),
        ({"adopt_from": "connect-redis", "adopt_secret": "x"}, "adopt_redis"),
        ({"adopt_from": "connect-redis", "adopt_redis": "redis://localhost"}, "adopt_secret"),
        (
            {"adopt_from": "starsessions", "adopt_redis": "redis://a", "adopt_secret": "x"},
            "adopt_secret",
        ),
    ],
)
def test_options_that_do_not_fit(given, told):
    """The message names the option."""
    with pytest.raises(ConfigurationError, match=f"^{told}: "):
        moving_in.adopted(ServiceOptions(**given))


@pytest.mark.parametrize("library", ["connect-redis", "flask-session", "starsessions"])
def test_every_library(library):
    """With all that can be said about it; nothing of its secrets is shown."""
    secret = {} if library == "starsessions" else {"adopt_secret": "old words"}
    options = ServiceOptions(
        adopt_from=library,
        adopt_redis="redis://:password@localhost",
        adopt_subject="user.id",
        adopt_prefix="p:",
        adopt_cookie="sid",
        adopt_path="/a",
        adopt_domain="example.org",
        **secret,
    )
    found = moving_in.adopted(options)
    assert (found.subject, found.prefix, found.cookie) == ("user.id", "p:", "sid")
    assert (found.path, found.domain) == ("/a", "example.org")
    for shown in (repr(options), repr(found)):
        assert "password" not in shown.replace("password_min_length", "")
        assert "old words" not in shown


def test_none_is_the_default():
    assert moving_in.adopted(ServiceOptions()) is None
