"""An application of Starlette's below another: it answers 500 to what it does not know, and raises it on."""

import asyncio

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from holdfast.chain import Refusal
from holdfast.errors import NotDurable, StoreUnavailable
from holdfast.testing import client, csrf, sign_in
from holdfast.web import asgi, asgi_unsure
from holdfast.web import fastapi as holdfast


def me(session: holdfast.Session = Depends(holdfast.require)):
    return {"user": session.subject}


def admin(session: holdfast.Session = Depends(holdfast.require_role("admin"))):
    return {"user": session.subject}


def away():
    raise StoreUnavailable("as the test wishes")


def broken(session: holdfast.Session = Depends(holdfast.current)):
    session["kept"] = True
    raise ZeroDivisionError


def leave(session: holdfast.Session = Depends(holdfast.current)):
    session.sign_out()
    raise ZeroDivisionError


def handled(session: holdfast.Session = Depends(holdfast.current)):
    session.sign_out()
    return PlainTextResponse("mine", 500)


def leave_in_parts(session: holdfast.Session = Depends(holdfast.current)):
    session.sign_out()
    return parts_of_500()


def parts_of_500():
    return StreamingResponse(iter(["one ", "two ", "three"]), 500)


@pytest.fixture
def shop():
    shop = FastAPI()
    for work in (me, admin, away, broken, handled, parts_of_500, leave_in_parts):
        shop.get(f"/{work.__name__}")(work)
    shop.post("/leave")(leave)
    return shop


@pytest.fixture
def app(parts, shop):
    app = FastAPI()
    holdfast.Holdfast(app, assembly=parts.assembly)
    app.mount("/shop", shop)
    app.get("/kept")(lambda session=Depends(holdfast.current): session.get("kept"))
    return app


@pytest.fixture
def browser(app):
    return client(app, raise_server_exceptions=False)


def holdings(app):
    """What the middleware keeps open."""
    layer = app.middleware_stack
    while layer is not None:
        if isinstance(layer, asgi.HoldfastMiddleware):
            yield layer._holding
        layer = getattr(layer, "app", None)


def code(answer):
    return answer.status_code, answer.json().get("code")


def test_guards_refuse_there_as_anywhere(browser):
    answer = browser.get("/shop/me")
    assert code(answer) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="holdfast"'
    sign_in(browser, subject="ada")
    assert browser.get("/shop/me").json() == {"user": "ada"}
    assert code(browser.get("/shop/admin")) == (403, "forbidden")


def test_a_refusal_is_no_error_of_the_server(app):
    """Nothing is raised to the server, which would log it."""
    assert client(app).get("/shop/me").status_code == 401


def test_an_outage_is_503_there_too(browser):
    answer = browser.get("/shop/away")
    assert code(answer) == (503, "store_unavailable")
    assert answer.headers["retry-after"]


def test_two_mounts_deep(parts, shop):
    app = Starlette(
        routes=[Mount("/out", app=Starlette(routes=[Mount("/in", app=shop)]))],
        middleware=[Middleware(asgi.HoldfastMiddleware, chain=parts.assembly.chain)],
    )
    assert code(client(app).get("/out/in/me")) == (401, "unauthenticated")


def test_an_error_of_the_application_is_its_own(app, browser):
    """500 as it was made there, raised on for the server's log, and nothing is kept."""
    answer = browser.get("/shop/broken")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert browser.get("/kept").json() is None
    with pytest.raises(ZeroDivisionError):
        client(app).get("/shop/broken")


def test_a_sign_out_is_carried_out_though_its_handler_breaks(browser, parts):
    sign_in(browser, subject="ada")
    answer = browser.post("/shop/leave", headers=csrf(browser))
    assert answer.status_code == 500
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert parts.records() == []


def test_a_sign_out_that_is_not_proved(browser, parts):
    """503 takes the place of the 500, in one piece or in many."""
    for path in ("handled", "leave_in_parts"):
        sign_in(browser, subject="ada")
        parts.fail("delete", NotDurable)
        assert code(browser.get(f"/shop/{path}")) == (503, "not_durable")


def test_nothing_is_kept_open_of_it(app, browser):
    """It has no length, as what goes on for long: and its end is that of the application."""
    sign_in(browser, subject="ada")
    with browser:
        assert browser.get("/shop/parts_of_500").text == "one two three"
        (holding,) = holdings(app)
        assert all(not keeper._kept for keeper in holding._keepers.values())


def test_a_500_that_a_handler_answers(browser, parts):
    sign_in(browser, subject="ada")
    answer = browser.get("/shop/handled")
    assert (answer.status_code, answer.text) == (500, "mine")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert parts.records() == []


def test_a_500_in_parts(browser):
    answer = browser.get("/shop/parts_of_500")
    assert (answer.status_code, answer.text) == (500, "one two three")


def test_the_application_outside_has_a_page_for_refusals(app, browser):
    """It cannot answer any more when it hears of one: the chain does."""

    @app.exception_handler(Refusal)
    async def page(request, refusal):
        return PlainTextResponse("please sign in", refusal.reply.status)

    assert code(browser.get("/shop/me")) == (401, "unauthenticated")


def test_the_mounted_application_has_a_page_for_refusals(shop, browser):
    @shop.exception_handler(Refusal)
    async def page(request, refusal):
        return PlainTextResponse("please sign in", refusal.reply.status)

    answer = browser.get("/shop/me")
    assert (answer.status_code, answer.text) == (401, "please sign in")


def test_an_http_exception_is_answered_there(parts):
    async def teapot(request):
        raise HTTPException(500, "tea")

    inner = Starlette(routes=[Route("/", teapot)])
    app = FastAPI()
    holdfast.Holdfast(app, assembly=parts.assembly)
    app.mount("/tea", inner)
    answer = client(app, raise_server_exceptions=False).get("/tea/")
    assert (answer.status_code, answer.text) == (500, "tea")


def test_a_middleware_of_starlettes_between_them(app, browser):
    """It makes a stream of every answer."""

    @app.middleware("http")
    async def pass_through(request, call_next):
        return await call_next(request)

    assert code(browser.get("/shop/me")) == (401, "unauthenticated")
    assert browser.get("/shop/parts_of_500").text == "one two three"


def said(application, parts, cookie="", received=None):
    """The messages that a server gets to see."""
    received = [] if received is None else received

    async def send(message):
        received.append(message)

    told(application, parts, cookie, send)
    return received


def in_pieces(n, work):
    """An application that answers 500 in so many pieces."""

    async def application(scope, receive, send):
        work(scope["session"])
        await send({"type": "http.response.start", "status": 500, "headers": []})
        for left in reversed(range(n)):
            await send({"type": "http.response.body", "body": b"x", "more_body": left > 0})

    return application


def test_a_500_is_not_kept_whatever_its_length(parts):
    """What does not fit goes on its way as it comes."""
    seen, before_the_last = [], []

    async def application(scope, receive, send):
        async def watched(message):
            if message.get("more_body") is False:
                before_the_last.append(len(seen))
            await send(message)

        await in_pieces(100, lambda _: None)(scope, receive, watched)

    said(application, parts, received=seen)
    assert [each.get("more_body") for each in seen] == [None, *[True] * 99, False]
    assert before_the_last == [100]


def test_nothing_follows_what_took_the_place_of_a_500(app, parts):
    browser = client(app)
    sign_in(browser, subject="ada")
    parts.fail("delete", NotDurable)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    seen = said(in_pieces(3, lambda session: session.sign_out()), parts, cookies)
    assert [each.get("status") for each in seen] == [503, None]


@pytest.fixture
def at_once(monkeypatch):
    """The moment is over as soon as the application waits for something."""
    monkeypatch.setattr(asgi_unsure, "_MOMENT_S", 0)


def signed_in(app):
    browser = client(app)
    sign_in(browser, subject="ada")
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def told(application, parts, cookie, send):
    """Run it behind the chain, with a server that may wait."""
    served(asgi.HoldfastMiddleware(application, parts.assembly.chain), cookie, send)


def served(application, cookie, send):
    """Run it for some seconds at most."""
    scope = {"type": "http", "method": "GET", "scheme": "https", "path": "/"}
    scope |= {"headers": [(b"host", b"testserver"), (b"cookie", cookie.encode())]}

    async def main():
        async with asyncio.timeout(10):
            await application(scope, None, send)
            for _ in range(10):  # what comes late comes now
                await asyncio.sleep(0)

    asyncio.run(main())


@pytest.mark.parametrize(("error", "status"), [(None, 500), (NotDurable, 503)])
def test_a_500_does_not_wait_for_work_that_follows_it(app, parts, at_once, error, status):
    """Such as a background task of Starlette's: the client has its answer, and the sign-out is done."""
    cookie, seen, answered = signed_in(app), [], asyncio.Event()
    if error is not None:
        parts.fail("delete", error)

    async def send(message):
        seen.append(message)
        if message["type"] == "http.response.body":
            answered.set()

    async def application(scope, receive, send):
        await in_pieces(1, lambda session: session.sign_out())(scope, receive, send)
        await answered.wait()
        seen.append({"work": "done"})

    told(application, parts, cookie, send)
    assert [each.get("status") for each in seen] == [status, None, None]
    assert seen[-1] == {"work": "done"}
    assert len(parts.records()) == (0 if error is None else 1)


def test_who_returns_while_a_500_is_sent_is_waited_for(parts, at_once):
    """Otherwise the server would take the answer for one that was never completed."""
    seen, sending, left = [], asyncio.Event(), asyncio.Event()

    async def send(message):
        sending.set()
        await left.wait()
        await asyncio.sleep(0)
        seen.append(message["type"])

    async def application(scope, receive, send):
        await in_pieces(1, lambda _: None)(scope, receive, send)
        await sending.wait()
        left.set()

    told(application, parts, "", send)
    assert seen == ["http.response.start", "http.response.body"]


def test_a_500_that_was_replaced_comes_no_more(parts, at_once):
    """Somebody around the mounted application has answered what it raised."""
    seen = []

    async def send(message):
        seen.append(message.get("status"))

    async def application(scope, receive, send):
        await in_pieces(1, lambda _: None)(scope, receive, send)
        await PlainTextResponse("sign in", 401)(scope, receive, send)
        for _ in range(3):
            await asyncio.sleep(0)

    told(application, parts, "", send)
    assert seen == [401, None]


def test_a_500_whose_application_is_cancelled(app, parts):
    """By a server that gives up what it does for clients that have gone: the sign-out is done."""
    cookie, seen = signed_in(app), []

    async def send(message):
        seen.append(message.get("status"))

    async def application(scope, receive, send):
        await in_pieces(1, lambda session: session.sign_out())(scope, receive, send)
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    with pytest.raises(asyncio.CancelledError):
        told(application, parts, cookie, send)
    assert seen == [500, None]
    assert parts.records() == []


def test_a_500_whose_application_has_returned_is_sent_once(parts, at_once, monkeypatch):
    """Though the moment ends while the session is being saved."""
    seen, commit = [], parts.assembly.chain.commit

    async def slowly(visit, status):
        for _ in range(3):
            await asyncio.sleep(0)
        return await commit(visit, status)

    async def send(message):
        seen.append(message.get("status"))

    monkeypatch.setattr(parts.assembly.chain, "commit", slowly)
    told(in_pieces(1, lambda session: session.update(visits=1)), parts, "", send)
    assert seen == [500, None]


@pytest.mark.parametrize("pieces", [1, 0], ids=["complete", "cut off"])
def test_nothing_is_kept_open_of_a_500_that_was_sent(app, parts, at_once, pieces):
    """The end of its session stops no work that follows it."""
    cookie, kept, answered = signed_in(app), [], asyncio.Event()

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": pieces == 0})
        if pieces:
            await answered.wait()
            await asyncio.sleep(0)
            kept.append(still_open())

    async def send(message):
        if message["type"] == "http.response.body":
            answered.set()

    def still_open():
        return [keeper for keeper in middleware._holding._keepers.values() if keeper._kept]

    async def around(scope, receive, send):
        await middleware(scope, receive, send)
        kept.append(still_open())

    middleware = asgi.HoldfastMiddleware(application, parts.assembly.chain)
    served(around, cookie, send)
    assert kept == [[]] * (1 + pieces)
