# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""What type checkers make of `holdfast.testing`; never executed, checked by scripts/lint."""

from typing import assert_type

from fastapi import FastAPI
from flask import Flask
from flask.testing import FlaskClient
from starlette.applications import Starlette
from starlette.testclient import TestClient

from holdfast import SignedIn
from holdfast.assembly import Assembly
from holdfast.testing import Clients, FakeClock, client, csrf, csrf_form, isolated, sign_in
from holdfast.web.asgi import HoldfastMiddleware


def clients(fast: FastAPI, star: Starlette, flask: Flask, other: HoldfastMiddleware) -> None:
    """Each framework's own client."""
    assert_type(client(fast), TestClient)
    assert_type(client(star), TestClient)
    assert_type(client(other), TestClient)
    assert_type(client(flask), FlaskClient)


def tools(app: FastAPI) -> None:
    clock = FakeClock()
    assert_type(clock.advance(60_000), int)
    with isolated(app, clock=clock, store="memory://") as parts:
        assert_type(parts, Assembly)
        browser = client(app)
        assert_type(sign_in(browser, subject="ada", role="admin"), SignedIn)
        assert_type(csrf(browser), dict[str, str])
        assert_type(csrf_form(browser), dict[str, str])
        sign_in(browser)  # type: ignore[call-arg]
    isolated(app, clock=0)  # type: ignore[arg-type]


def test_with_the_fixture(holdfast_client: Clients, app: FastAPI, flask: Flask) -> None:
    """What a test of an application says of the fixture that it gets."""
    assert_type(holdfast_client(app), TestClient)
    assert_type(holdfast_client(flask, csrf=True), FlaskClient)
    same: Clients = client
    same(app, csrf="yes")  # type: ignore[call-overload]
