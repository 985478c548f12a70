"""Guards of FastAPI in the hands of somebody in a hurry."""

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from holdfast.assembly import assemble
from holdfast.errors import HoldfastError, UsageError
from holdfast.settings import Cookie, Settings
from holdfast.testing import client, sign_in
from holdfast.web import asgi
from holdfast.web import fastapi as holdfast

SECRET = "a secret for tests: kelp 4 seven otters 0291"


@pytest.fixture
def app():
    app = FastAPI()
    own = holdfast.Holdfast(
        app, Settings(exclude_paths=("/static",)), secret=SECRET, store="memory://"
    )
    yield app
    own.assembly.close()


@pytest.mark.parametrize("guard", [holdfast.require_role, holdfast.require_fresh])
def test_a_guard_whose_call_was_forgotten_is_refused_where_it_is_written(app, guard):
    """`Depends(require_role)`: FastAPI would ask the query of whoever comes for the role."""
    with pytest.raises(UsageError, match=rf"for example Depends\({guard.__name__}\("):
        app.get("/admin", dependencies=[Depends(guard)])(lambda: "secret")


SPA = "https://app.example.com"


@pytest.mark.parametrize("before", [True, False])
def test_who_refuses_stands_inside_of_cors(before, caplog):
    """Otherwise a page of another origin sees a network error in place of each refusal."""
    app = FastAPI()
    cors = {"allow_origins": [SPA], "allow_credentials": True, "allow_headers": ["X-CSRF-Token"]}
    if before:
        app.add_middleware(CORSMiddleware, **cors)
    own = holdfast.Holdfast(app, Settings(trusted_origins=(SPA,)), secret=SECRET, store="memory://")
    if not before:
        app.add_middleware(CORSMiddleware, **cors)
    app.post("/cart", dependencies=[Depends(holdfast.require)])(lambda: "kept")
    browser = client(app)
    browser.headers["Origin"] = SPA
    nobody = browser.post("/cart")
    sign_in(browser, subject="ada")
    unproved = browser.post("/cart")
    assert (nobody.status_code, unproved.status_code) == (401, 403)
    for answer in (nobody, unproved):
        assert (answer.headers.get("access-control-allow-origin") is None) is before
    assert ("add it after Holdfast(app)" in caplog.text) is before
    own.assembly.close()


async def count(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return JSONResponse(
        {"n": request.session["n"], "user": getattr(request.session, "subject", None)}
    )


def test_request_session_is_the_session(app):
    """What libraries for Starlette use, such as those for OAuth, finds what it expects."""
    app.add_route("/count", count)
    browser = client(app)
    sign_in(browser, subject="ada")
    assert browser.get("/count").json() == {"n": 1, "user": "ada"}
    answer = browser.get("/count")
    assert answer.json() == {"n": 2, "user": "ada"}
    assert answer.headers["cache-control"] == "no-store"


def test_an_excluded_path_has_no_request_session(app):
    """An empty one would be a wrong answer."""
    app.add_route("/static", count)
    with pytest.raises(AssertionError):
        client(app).get("/static")


@pytest.mark.parametrize("inside", [True, False])
def test_starlettes_own_sessions_go_on_beside_ours(inside):
    """Neither takes the other's place, in whichever order they stand."""
    parts = assemble(Settings(), secret=SECRET, store="memory://")
    both = [
        Middleware(asgi.HoldfastMiddleware, chain=parts.chain),
        Middleware(SessionMiddleware, secret_key="x" * 32, https_only=True),
    ]
    app = Starlette(
        routes=[Route("/count", count)], middleware=both if inside else list(reversed(both))
    )
    browser = client(app)
    browser.get("/count")
    assert browser.get("/count").json() == {"n": 2, "user": None}
    assert "__Host-session" not in browser.cookies
    parts.close()


def test_the_id_alone_makes_an_answer_private(app):
    """Whose it is, a cache must not show to others."""
    app.get("/id")(_id)
    browser = client(app)
    made = sign_in(browser, subject="ada")
    answer = browser.get("/id")
    assert answer.json() == made.id
    assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Cookie", "no-store")


async def _id(request: Request) -> str:
    return request.scope["session"].id


def test_a_mounted_application_with_sessions_of_its_own(app):
    """`request.session` there is the one that its guards judge: who is signed in outside is nobody here."""
    inner = FastAPI()
    cookie = Cookie(name="__Host-admin")
    settings = Settings(cookie=cookie, exclude_paths=("/admin/static",))
    admin = holdfast.Holdfast(inner, settings, secret=SECRET, store="memory://")
    for path in ("/count", "/static"):
        inner.add_route(path, count)
    app.mount("/admin", inner)
    browser = client(app)
    sign_in(browser, subject="ada")
    assert browser.get("/admin/count").json() == {"n": 1, "user": None}
    with pytest.raises(AssertionError):
        browser.get("/admin/static")
    admin.assembly.close()


@pytest.mark.parametrize("guard", [holdfast.require_role, holdfast.require_fresh])
def test_a_guard_that_was_not_told_what_it_requires(guard):
    """`require_fresh(300)`: where it is written down, not at the first request."""
    with pytest.raises(UsageError, match=f"^{guard.__name__}: say what is required"):
        guard(300)


def test_a_second_time_is_refused(app):
    """Both would run, each with a store of its own, and one would hide the other."""
    with pytest.raises(UsageError, match="call it once"):
        holdfast.Holdfast(app, secret="not even looked at")


def test_an_error_handler_of_the_application_gets_what_a_refusal_says(app):
    """Also one that knows nothing of refusals: code and status are those of the answer."""

    @app.exception_handler(HoldfastError)
    async def page(request, error):
        return JSONResponse({"mine": error.code}, error.http_status)

    app.get("/me", dependencies=[Depends(holdfast.require)])(lambda: "never seen")
    answer = client(app).get("/me")
    assert (answer.status_code, answer.json()) == (401, {"mine": "unauthenticated"})
