"""Django inside another application that has our middleware as well, over the same store."""

import re

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.testclient import TestClient

from held.loop import in_a_loop, until
from holdfast.assembly import assemble
from holdfast.settings import Settings
from holdfast.web.asgi import HoldfastMiddleware
from holdfast.web.asgi_held import Held
from web_django import urls
from web_django.test_streams import BOUND, EVENTS, PLAIN, Open, notices_who_goes, told


@pytest.fixture
def settings():
    return Settings(cache_bound=BOUND)


@pytest.fixture
def around(parts):
    return HoldfastMiddleware(ASGIHandler(), parts.assembly.chain)


@pytest.mark.parametrize(("kind", "completed"), [(EVENTS, True), (PLAIN, False)])
@in_a_loop
async def test_an_idle_stream_ends_with_its_session(parts, session, around, kind, completed):
    """Both want it to end, and it ends once: as each of them would have it, with nothing left."""
    ended = []
    stream = await Open(session, told(ended), app=around, Content_Type=kind).begun()
    parts.sessions.revoke(session.id)
    assert await stream.over(loud=False) is completed
    assert ended == ["told"]
    assert [each["type"] for each in stream.sent].count("http.response.start") == 1


@notices_who_goes
@in_a_loop
async def test_a_client_that_goes(session, around):
    """It ends as ever."""
    ended = []
    gone = await Open(session, told(ended), app=around, Content_Type=EVENTS).begun()
    gone.incoming.put_nowait({"type": "http.disconnect"})
    await until(gone.task.done)
    gone.task.result()
    assert ended == ["told"]


@in_a_loop
async def test_an_answer_of_known_length_is_not_held(session, around, monkeypatch):
    """Django writes names of headers in capitals, whatever ASGI says."""
    held = []
    monkeypatch.setattr(Held, "__init__", lambda *_: held.append(True))
    stream = Open(session, told([]), app=around)

    async def plain(request):
        return HttpResponse(request.session.get("x") or "plain")

    urls.STEPS[-1] = plain
    await until(stream.task.done)
    stream.task.result()
    assert (stream.sent[-1]["body"], held) == (b"plain", [])


@pytest.fixture
def site():
    """An application with Django below a path that it leaves to it."""
    outer = assemble(
        Settings(exclude_paths=("/django/",)),
        secret="a secret for tests: kelp 4 seven otters 0291",
        store="memory://",
    )
    app = Starlette(
        routes=[Mount("/django", ASGIHandler())],
        middleware=[Middleware(HoldfastMiddleware, chain=outer.chain)],
    )
    yield TestClient(app, base_url="https://testserver", headers={"Origin": "https://testserver"})
    outer.close()


def test_forms_and_sign_ins_below_an_excluded_path(site, parts, admin):
    """Its tokens are Django's to look for, and its sessions Django's to commit."""
    page = site.get("/django/admin/login/").text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    root = {"username": "root", "password": "correct horse battery", "csrfmiddlewaretoken": token}
    site.post("/django/admin/login/", data=root, follow_redirects=False)
    assert site.get("/django/me").json()["user"] == "root"
    token = site.get("/django/token").json()["token"]
    assert site.post("/django/form", data={"item": "x"}).status_code == 403
    posted = site.post("/django/form", data={"item": "x", "csrfmiddlewaretoken": token})
    assert posted.json()["item"] == "x"
