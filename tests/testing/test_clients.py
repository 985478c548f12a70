"""`client`, `sign_in`, `csrf`, `isolated` and the clock: the same for the three frameworks."""

import asyncio
import importlib

import httpx
import pytest
from flask import request
from starlette.routing import WebSocketRoute

from holdfast.errors import UsageError
from holdfast.testing import FakeClock, client, csrf, csrf_form, isolated, sign_in
from holdfast.testing.apps import chain_of, finish
from holdfast.testing.jars import jar_of
from testing.shops import SHOPS

HOUR = 3_600_000


def json(answer):
    return answer.json() if callable(answer.json) else answer.json


@pytest.fixture(params=SHOPS.values(), ids=SHOPS)
def app(request):
    return request.param()


@pytest.fixture
def browser(app):
    return client(app)


def test_a_client_is_signed_in_without_a_login_page(browser):
    assert browser.get("/me").status_code == 401
    session = sign_in(browser, subject="ada", role="admin")
    assert json(browser.get("/me")) == {"user": "ada", "role": "admin"}
    assert session.subject == "ada"


def test_the_cookie_is_the_one_that_the_application_sets_and_clears(browser):
    """A later Set-Cookie replaces it: there is never a second one beside it (R60)."""
    for subject in ("ada", "bob"):
        sign_in(browser, subject=subject)
        assert json(browser.get("/me"))["user"] == subject
    browser.post("/logout", headers=csrf(browser))
    assert browser.get("/me").status_code == 401
    assert json(browser.get("/reason")) == {"reason": "absent"}


def test_csrf_by_header_and_by_form_field(browser):
    sign_in(browser, subject="ada")
    assert browser.post("/cart").status_code == 403
    assert json(browser.post("/cart", headers=csrf(browser))) == {"n": 1}
    assert json(browser.post("/cart", data=csrf_form(browser))) == {"n": 2}


def test_a_client_that_brings_the_token_by_itself(app):
    """As the scripts of pages do; in a suite that was there before, no other line changes."""
    browser = client(app, csrf=True)
    assert browser.post("/subscribe").status_code == 200
    sign_in(browser, subject="ada")
    assert json(browser.post("/cart")) == {"n": 1}
    assert json(browser.post("/cart", headers={"X-Other": "1"})) == {"n": 2}
    own = {"x-csrf-token": "c1nonsense"}
    assert browser.post("/cart", headers=own).status_code == 403
    assert browser.post("/logout").status_code == 200


def test_beside_a_bearer_token_no_other_is_made(app):
    """It would come with a cookie, and a client of tokens has none."""
    browser = client(app, csrf=True)
    browser.post("/cart", headers={"Authorization": "Bearer nonsense"})
    assert jar_of(browser).get("__Host-presession") is None


def test_csrf_before_there_is_a_session(browser):
    assert browser.post("/subscribe").status_code == 403
    assert browser.post("/subscribe", headers=csrf(browser)).status_code == 200
    assert browser.post("/subscribe", data=csrf_form(browser)).status_code == 200


def test_time_is_the_tests(app):
    """Expiry and freshness without waiting; `reason` says why, to handlers only."""
    clock = FakeClock()
    with isolated(app, clock=clock):
        browser = client(app)
        sign_in(browser, subject="ada")
        clock.advance(5 * 60_000 + 1)
        assert json(browser.get("/fresh"))["code"] == "reauthentication_required"
        assert browser.get("/me").status_code == 200
        clock.advance(25 * HOUR)
        assert browser.get("/me").status_code == 401
        assert json(browser.get("/reason")) == {"reason": "idle"}
        assert "idle" not in browser.get("/me").text


def test_isolation_ends_with_its_block(app):
    """Nothing of a test reaches the application's own store, nor the other way round."""
    outside = client(app)
    sign_in(outside, subject="ada")
    with isolated(app):
        inside = client(app)
        sign_in(inside, subject="bob")
        assert json(inside.get("/me"))["user"] == "bob"
        assert outside.get("/me").status_code == 401
    assert json(outside.get("/me"))["user"] == "ada"
    assert inside.get("/me").status_code == 401


def test_isolation_ends_when_the_test_fails(app):
    """A failing test disturbs no other."""
    outside = client(app)
    sign_in(outside, subject="ada")
    with pytest.raises(ZeroDivisionError), isolated(app):
        raise ZeroDivisionError
    assert outside.get("/me").status_code == 200


def test_handlers_that_use_the_engine_meet_the_same_store(app):
    """Tokens that a handler issues under isolation count under isolation."""
    with isolated(app, clock=FakeClock()):
        browser = client(app)
        sign_in(browser, subject="ada")
        token = json(browser.get("/tokens"))["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert json(client(app).get("/me", headers=bearer))["user"] == "ada"


def test_what_a_module_got_hold_of_earlier_is_isolated_too(app):
    """`sessions = Holdfast(app).sessions` at the top of a module is how applications are written."""
    engine = chain_of(app).sessions
    revoke_all, sessions_of = engine.revoke_all, engine.sessions_of
    outside = client(app)
    sign_in(outside, subject="ada")
    with isolated(app):
        sign_in(client(app), subject="ada")
        sign_in(client(app), subject="ada")
        assert finish(revoke_all("ada")) == 2
    assert len(finish(sessions_of("ada")).records) == 1
    assert outside.get("/me").status_code == 200


def test_helpers_work_inside_an_event_loop(app):
    """In a test that is a coroutine itself."""

    async def test():
        with isolated(app):
            browser = client(app)
            sign_in(browser, subject="ada")
            return csrf(browser)

    assert asyncio.run(test())["X-CSRF-Token"]


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize("make", [SHOPS["fastapi"], SHOPS["starlette"]])
def test_a_client_of_coroutines(make, library):
    """As FastAPI's manual has it for asynchronous tests."""
    library, app = importlib.import_module(library), make()

    async def steps():
        to_app = library.ASGITransport(app=app)
        async with library.AsyncClient(transport=to_app, base_url="https://test") as browser:
            sign_in(browser, subject="ada")
            assert (await browser.post("/cart")).status_code == 403
            assert (await browser.post("/cart", headers=csrf(browser))).json() == {"n": 1}
            await browser.post("/logout", headers=csrf(browser))
            assert (await browser.get("/me")).status_code == 401

    with isolated(app):
        asyncio.run(steps())


@pytest.mark.parametrize("other", [object(), httpx.Client, SHOPS["fastapi"]])
def test_what_is_no_test_client(other):
    """The application in place of its client, or a client of some server far away."""
    with pytest.raises(UsageError, match="this is no test client"):
        sign_in(other() if callable(other) else other, subject="ada")


@pytest.mark.parametrize("framework", ["fastapi", "flask", "starlette"])
def test_an_application_without_sessions_is_told_so(framework):
    import fastapi
    import flask
    import starlette.applications

    bare = {
        "fastapi": fastapi.FastAPI,
        "flask": lambda: flask.Flask("bare"),
        "starlette": starlette.applications.Starlette,
    }
    with pytest.raises(UsageError, match=r"Holdfast\(app\); of Litestar, Quart"):
        sign_in(client(bare[framework]()), subject="ada")


def test_the_applications_own_name_is_asked_over_https():
    """Flask's client would ask by http, which is refused from everywhere but this machine."""
    shop = SHOPS["flask"]()
    shop.config["SERVER_NAME"] = "shop.example"
    shop.add_url_rule("/url", "url", lambda: {"url": request.url})
    browser = client(shop)
    assert browser.get("/url").json == {"url": "https://shop.example/url"}
    sign_in(browser, subject="ada")
    assert browser.get("/me").status_code == 200


@pytest.mark.parametrize("make", [SHOPS["fastapi"], SHOPS["starlette"]])
def test_a_socket_comes_over_https_as_all_the_rest(make):
    """Starlette's client would open it at ws://, where it is refused and its cookie does not go."""
    app = make()

    async def hello(websocket):
        await websocket.accept()
        await websocket.send_text(str(websocket.session.subject))

    app.router.routes.append(WebSocketRoute("/hello", hello))
    browser = client(app)
    sign_in(browser, subject="ada")
    for url in ("/hello", "wss://testserver/hello"):
        with browser.websocket_connect(url) as socket:
            assert socket.receive_text() == "ada"
