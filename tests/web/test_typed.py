"""Session data as a struct: checked when it is read and before it is kept, written by field."""

import datetime as dt
from typing import Annotated

import flask
import pytest
from fastapi import Depends, FastAPI
from msgspec import Meta, Struct, field

from holdfast.errors import DataError
from holdfast.session import Session
from holdfast.testing import client, csrf, sign_in
from holdfast.web import fastapi as fast
from holdfast.web import flask as holdfast
from holdfast.web.typed import Typed

SECRET = "a secret for tests: kelp 4 seven otters 0291"


class Cart(Struct):
    items: list[str] = field(default_factory=list)
    coupon: str | None = None
    limit: Annotated[int, Meta(ge=0)] = 10
    since: dt.date | None = None


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def cart(session):
    return Typed(session, Cart)


def test_an_empty_session_has_the_defaults(cart, session):
    """Nothing is stored by looking."""
    assert cart.read() == Cart()
    assert not session.changed


def test_what_is_edited_is_stored_as_plain_json(cart, session):
    """Only the fields that differ, so other readers find ordinary values."""
    with cart.edit() as data:
        data.items.append("tea")
        data.since = dt.date(2026, 1, 2)
    assert dict(session) == {"items": ["tea"], "since": "2026-01-02"}
    assert cart.read() == Cart(items=["tea"], since=dt.date(2026, 1, 2))


def test_an_edit_that_changes_nothing_writes_nothing(cart, session):
    """The session stays as it was read."""
    with cart.edit() as data:
        data.items.append("tea")
        data.items.pop()
    assert not session.changed


def test_other_keys_are_left_alone(cart, session):
    """Several structs can share one session."""
    session["theme"] = "dark"
    with cart.edit() as data:
        data.coupon = "SPRING"
    assert session["theme"] == "dark"
    assert set(session) == {"theme", "coupon"}


def test_what_is_read_is_a_copy(cart, session):
    """Changes count only inside `edit`."""
    cart.read().items.append("tea")
    assert cart.read().items == []


def test_an_exception_in_the_block_keeps_nothing(cart, session):
    def fail():
        with cart.edit() as data:
            data.items.append("tea")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not session.changed


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [
        ("items", "tea", "$.items"),
        ("limit", -1, "$.limit"),
        ("since", "soon", "$.since"),
        ("coupon", 5, "$.coupon"),
    ],
)
def test_stored_data_that_do_not_fit_say_where(cart, session, key, value, where):
    """And what to do; the value itself is not named."""
    session[key] = value
    with pytest.raises(DataError, match="do not fit Cart") as caught:
        cart.read()
    assert where in str(caught.value)
    assert "default" in str(caught.value)
    assert "soon" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"items": "tea"}, {"limit": -1}, {"coupon": 5}, {"items": [1]}])
def test_an_assignment_that_does_not_fit_is_refused(cart, session, wrong):
    """Python checks no assignment; the end of the block does."""

    def change():
        with cart.edit() as data:
            for name, value in wrong.items():
                setattr(data, name, value)

    with pytest.raises(DataError, match="do not fit Cart"):
        change()
    assert not session.changed


# In handlers


@pytest.fixture
def shop():
    app = FastAPI()
    own = fast.Holdfast(app, secret=SECRET, store="memory://")

    @app.post("/cart/{item}")
    def put(
        item: str,
        cart: Annotated[Typed[Cart, fast.SignedIn], Depends(fast.typed(Cart, fast.require))],
    ):
        with cart.edit() as data:
            data.items.append(item)
        return {"of": cart.session.subject, "items": cart.read().items}

    @app.get("/cart")
    async def look(cart: Annotated[Typed[Cart], Depends(fast.typed(Cart))]):
        return {"items": cart.read().items}

    @app.get("/break")
    async def spoil(session: Annotated[fast.Session, Depends(fast.current)]):
        session["items"] = "no list"

    yield app
    own.assembly.close()


def test_a_dependency_of_fastapi(shop):
    """Open to all, or behind a guard; kept from request to request."""
    browser = client(shop)
    assert browser.get("/cart").json() == {"items": []}
    assert browser.post("/cart/tea").status_code == 401
    sign_in(browser, subject="ada")
    assert browser.post("/cart/tea", headers=csrf(browser)).json() == {
        "of": "ada",
        "items": ["tea"],
    }
    browser.post("/cart/jam", headers=csrf(browser))
    assert browser.get("/cart").json() == {"items": ["tea", "jam"]}


def test_data_that_do_not_fit_are_a_500_with_a_code(shop):
    """A mistake of the application, not of the client."""
    browser = client(shop)
    browser.get("/break")
    answer = browser.get("/cart")
    assert (answer.status_code, answer.json()["code"]) == (500, "data_error")


def test_the_guard_is_in_the_document(shop):
    """`typed` says in OpenAPI what its guard says."""
    paths = shop.openapi()["paths"]
    assert "security" in paths["/cart/{item}"]["post"]
    assert "security" not in paths["/cart"]["get"]


def test_under_flask():
    """The same class over `holdfast.session`."""
    app = flask.Flask("shop")
    own = holdfast.Holdfast(app, secret=SECRET, store="memory://")

    @app.get("/cart/<item>")
    def put(item):
        with Typed(holdfast.session, Cart).edit() as data:
            data.items.append(item)
        return flask.session["items"]

    browser = client(app)
    assert browser.get("/cart/tea").json == ["tea"]
    assert browser.get("/cart/jam").json == ["tea", "jam"]
    own.assembly.close()
