"""One session in Django, Flask and FastAPI at once: one secret, one SQLite file."""

import flask
import pytest
from django.apps import apps
from fastapi import Depends, FastAPI

from holdfast.assembly import assemble
from holdfast.settings import Settings
from holdfast.testing import client
from holdfast.web import django as holdfast
from holdfast.web import fastapi as for_fastapi
from holdfast.web import flask as for_flask
from web_django.conftest import SECRET, Browser, visited
from web_django.test_request_session import login

COOKIE = "__Host-session"


class Shop:
    """The same cookie jar for three applications, each with parts of its own."""

    def __init__(self, url):
        self.parts = [assemble(Settings(), secret=SECRET, store=url) for _ in range(3)]
        apps.get_app_config("holdfast").run_on(self.parts[0])
        self.django = Browser()
        self.flask = client(in_flask(self.parts[1]))
        self.fastapi = client(in_fastapi(self.parts[2]))

    def cookie(self):
        return self.django.cookies[COOKIE].value

    def give(self, cookie):
        self.django.cookies[COOKIE] = cookie
        self.flask.set_cookie(COOKIE, cookie, domain="localhost")
        self.fastapi.cookies.set(COOKIE, cookie)

    def users(self):
        django = visited(self.django, lambda request: request.user.username)
        return [django, self.flask.get("/me").json, self.fastapi.get("/me").json()]


def in_flask(parts):
    app = flask.Flask("shop")
    for_flask.Holdfast(app, assembly=parts)

    @app.get("/me")
    def me():
        return flask.jsonify([for_flask.session.subject, flask.session.get("cart")])

    @app.post("/login/<subject>")
    def enter(subject):
        for_flask.session.sign_in(subject)
        flask.session["cart"] = ["of flask"]
        return "done"

    @app.post("/logout")
    def leave():
        for_flask.session.sign_out()
        return "done"

    return app


def in_fastapi(parts):
    app = FastAPI()
    for_fastapi.Holdfast(app, assembly=parts)
    current = Depends(for_fastapi.current)

    @app.get("/me")
    def me(session=current):
        return [session.subject, session.get("cart")]

    @app.post("/login/{subject}")
    def enter(subject: str, session=current):
        session.sign_in(subject)
        session["cart"] = ["of fastapi"]

    return app


@pytest.fixture
def shop(tmp_path):
    shop = Shop(f"sqlite:///{tmp_path}/sessions.db")
    yield shop
    apps.get_app_config("holdfast").run_on(None)
    for parts in shop.parts:
        parts.close()


def test_a_session_of_django_is_everybodys(shop, ada):
    """Made by `login`, used by the others, ended by one of them for all."""

    def enter(request):
        login(ada)(request)
        request.session["cart"] = ["of django"]

    visited(shop.django, enter)
    shop.give(shop.cookie())
    assert shop.users() == ["ada", [str(ada.pk), ["of django"]], [str(ada.pk), ["of django"]]]
    token = visited(shop.django, holdfast.csrf_token)
    assert shop.flask.post("/logout", headers={"X-CSRF-Token": token}).status_code == 200
    shop.give(shop.cookie())
    assert shop.users() == ["", [None, None], [None, None]]


@pytest.mark.parametrize("name", ["flask", "fastapi"])
def test_a_session_of_another_is_djangos(shop, ada, name):
    """Made by `sign_in` with the user's id; Django knows the user and the data."""
    if name == "flask":
        shop.flask.post(f"/login/{ada.pk}", json={})
        cookie = shop.flask.get_cookie(COOKIE).value
    else:
        shop.fastapi.post(f"/login/{ada.pk}", json={})
        cookie = shop.fastapi.cookies[COOKIE]
    shop.give(cookie)
    theirs = [str(ada.pk), [f"of {name}"]]
    assert shop.users() == ["ada", theirs, theirs]
    visited(shop.django, lambda request: request.session["cart"].append("of django"))
    assert shop.flask.get("/me").json == [str(ada.pk), [f"of {name}", "of django"]]
    visited(shop.django, lambda request: request.session.flush())
    shop.give(cookie)
    assert shop.users() == ["", [None, None], [None, None]]
