"""Moving in from the real libraries: what they left in a browser and in Redis goes on under ours."""

import asyncio
import warnings
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import flask
import msgspec
import pytest
import redis
import redis.asyncio
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import redis_servers
from holdfast.adoption import ConnectRedis, FlaskSession, Starsessions
from holdfast.web import fastapi as holdfast_fastapi
from holdfast.web import flask as holdfast_flask
from moving_in import express_session, printed

SECRET = "a secret for tests: kelp 4 seven otters 0291"
OLD = express_session.SECRET
HTTPS = "https://app.example.org"
MOMENT = datetime(2025, 1, 1, tzinfo=UTC)


def adopting(framework, adopt):
    """What makes an application ours, and takes over old sessions."""
    return lambda app: framework.Holdfast(app, secret=SECRET, store="memory://", adopt=adopt)


def site_in_flask(adopt=None, install=None):
    app = flask.Flask(__name__)
    parts = (install or adopting(holdfast_flask, adopt))(app)

    @app.get("/")
    def seen():
        session = flask.session
        return {
            "user": session.get("_user_id"),
            "cart": session.get("cart"),
            "moment": session.get("at") == MOMENT,
        }

    return app, parts.assembly


def site_in_fastapi(adopt=None, install=None):
    @asynccontextmanager
    async def lifespan(_app):
        yield
        await parts.assembly.old.asynchronous.close()

    app = FastAPI(lifespan=lifespan)
    parts = (install or adopting(holdfast_fastapi, adopt))(app)

    @app.get("/")
    def seen(session: Annotated[holdfast_fastapi.Session, Depends(holdfast_fastapi.current)]):
        return {"user": session.subject, "cart": session.get("cart")}

    return app, parts.assembly


def visit(app, cookie):
    """The answer to a page, and what it sets, for whoever comes with this `Cookie` header."""
    if isinstance(app, flask.Flask):
        client = app.test_client(use_cookies=False)
        answer = client.get("/", base_url=HTTPS, headers={"Cookie": cookie})
        return answer.get_json(), answer.headers.getlist("Set-Cookie")
    with TestClient(app, base_url=HTTPS) as client:
        answer = client.get("/", headers={"Cookie": cookie})
        return answer.json(), answer.headers.get_list("set-cookie")


def ours(cookies):
    (found,) = (each.partition(";")[0] for each in cookies if each.startswith("__Host-session="))
    return found


def goes_on(site, cookie, name):
    """The old cookie moves its session; from then on the new one counts. What the page shows."""
    app, assembly = site
    try:
        first, cookies = visit(app, cookie)
        again, _ = visit(app, ours(cookies))
        assert any(each.startswith(f"{name}=;") for each in cookies)
        assert again == first
        return first
    finally:
        assembly.close()


def old_flask(url, cart=(1,), **config):
    """The cookie of a session that Flask-Session has made."""
    from flask_session import Session

    app = flask.Flask(__name__)
    with redis.Redis.from_url(url) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the signer
        app.config.update(SECRET_KEY=OLD, SESSION_TYPE="redis", SESSION_REDIS=client, **config)
        Session(app)

        @app.get("/")
        def sign_in():
            flask.session.update({"_user_id": "ada", "cart": cart, "at": MOMENT})
            return ""

        answer = app.test_client(use_cookies=False).get("/")
    return answer.headers["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"SESSION_USE_SIGNER": True},
        {"SESSION_KEY_PREFIX": "shop:"},
    ],
    ids=["plain", "signed", "prefix"],
)
def test_flask_session(old, config):
    """Also values for which JSON has no form, by Flask's tags."""
    cookie = old_flask(old.url, **config)
    place = FlaskSession(
        redis_url=old.url,
        secret=OLD if "SESSION_USE_SIGNER" in config else (),
        prefix=config.get("SESSION_KEY_PREFIX", "session:"),
    )
    seen = goes_on(site_in_flask(place), cookie, "session")
    assert seen == {"user": "ada", "cart": [1], "moment": True}
    assert old.client.keys() == []


def test_flask_session_in_json(old):
    cookie = old_flask(old.url)
    (key,) = old.client.keys()
    values = {"_user_id": "ada", "cart": [1]}
    old.client.set(key, msgspec.json.encode(values))
    seen = goes_on(site_in_flask(FlaskSession(redis_url=old.url)), cookie, "session")
    assert (seen["user"], seen["cart"]) == ("ada", [1])


def test_keys_that_are_numbers(old, caplog):
    """Flask-Session keeps them, JSON makes texts of them: whoever wrote the application is told, once."""
    app, assembly = site_in_flask(FlaskSession(redis_url=old.url))
    visit(app, old_flask(old.url, cart={"7": 2}))
    assert "no texts" not in caplog.text
    for _ in range(2):
        seen, _ = visit(app, old_flask(old.url, cart=[{7: 2}]))
        assert seen["cart"] == [{"7": 2}]
    assert caplog.text.count("'cart' has keys that are no texts") == 1
    assembly.close()


def test_a_forged_signature(old):
    """Nobody is signed in, and the session stays where it is."""
    cookie = old_flask(old.url, SESSION_USE_SIGNER=True)
    app, assembly = site_in_flask(FlaskSession(redis_url=old.url, secret="another secret"))
    seen, cookies = visit(app, cookie)
    assembly.close()
    assert (seen["user"], cookies, len(old.client.keys())) == (None, [], 1)


def old_starsessions(url):
    """The cookie of a session that starsessions has made."""
    from starsessions import SessionAutoloadMiddleware, SessionMiddleware
    from starsessions.stores.redis import RedisStore

    async def sign_in(request):
        request.session.update({"user_id": 7, "cart": [1]})
        return PlainTextResponse("")

    async def asked():
        async with redis.asyncio.Redis.from_url(url) as client:
            app = Starlette(routes=[Route("/", sign_in)])
            app.add_middleware(SessionAutoloadMiddleware)
            app.add_middleware(SessionMiddleware, store=RedisStore(connection=client))
            sent = []

            async def receive():
                return {"type": "http.request", "body": b""}

            async def send(message):
                sent.append(message)

            scope = {
                "type": "http",
                "method": "GET",
                "path": "/",
                "headers": [],
                "query_string": b"",
                "scheme": "https",
                "http_version": "1.1",
            }
            await app(scope, receive, send)
            return dict(sent[0]["headers"])[b"set-cookie"].decode()

    return asyncio.run(asked()).partition(";")[0]


def test_starsessions(old):
    seen = goes_on(
        site_in_fastapi(Starsessions(redis_url=old.url)), old_starsessions(old.url), "session"
    )
    assert seen == {"user": "7", "cart": [1]}
    assert old.client.keys() == []


@pytest.mark.timeout(300)
def test_connect_redis(old, node_modules):
    """Made by express-session itself, in Node."""
    cookie = express_session.cookie_of(node_modules, old.url)
    place = ConnectRedis(redis_url=old.url, secret=["newer", OLD])
    assert goes_on(site_in_fastapi(place), cookie, "connect.sid") == {"user": "ada", "cart": [1]}
    assert old.client.keys() == []


# As the pages print it


@pytest.fixture
def as_printed(old, monkeypatch):
    """An application that a page's own lines have made ours."""
    monkeypatch.setenv("HOLDFAST_SECRET", SECRET)
    monkeypatch.setenv("HOLDFAST_STORE", "memory://")
    return lambda site, page: site(install=printed.install(page, old.url))


def test_the_page_about_flask_session(old, as_printed):
    seen = goes_on(as_printed(site_in_flask, "flask-session"), old_flask(old.url), "session")
    assert seen == {"user": "ada", "cart": [1], "moment": True}


def test_the_page_about_starsessions(old, as_printed):
    cookie = old_starsessions(old.url)
    seen = goes_on(as_printed(site_in_fastapi, "starsessions"), cookie, "session")
    assert seen == {"user": "7", "cart": [1]}


@pytest.mark.timeout(300)
def test_the_page_about_connect_redis(old, as_printed, node_modules):
    cookie = express_session.cookie_of(node_modules, old.url)
    seen = goes_on(as_printed(site_in_fastapi, "connect-redis"), cookie, "connect.sid")
    assert seen == {"user": "ada", "cart": [1]}


@pytest.mark.parametrize(
    "adopt",
    [
        lambda url: FlaskSession(redis_url=url),
        lambda url: ConnectRedis(redis_url=url, secret=OLD),
        lambda url: Starsessions(redis_url=url),
    ],
    ids=["flask-session", "connect-redis", "starsessions"],
)
def test_a_redis_that_is_away(adopt):
    """The application starts, and serves whoever has no old cookie."""
    app, assembly = site_in_fastapi(adopt(f"redis://127.0.0.1:{redis_servers.free_port()}"))
    assert visit(app, "a=b")[0]["user"] is None
    assembly.close()


def test_a_cluster_is_refused():
    """Its sessions cannot be read, and that must not show first at a request."""
    from holdfast.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="one server"):
        Starsessions(redis_url="redis+cluster://127.0.0.1").open(timeout=1)
    with pytest.raises(ConfigurationError, match="secret"):
        ConnectRedis(redis_url="redis://127.0.0.1", secret="").open(timeout=1)
