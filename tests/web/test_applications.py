"""What is no application, or no settings, is refused where it is handed over, with what is right."""

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette

from holdfast.assembly import assemble
from holdfast.errors import ConfigurationError, UsageError
from holdfast.testing import client
from holdfast.web import fastapi, flask

SECRET = "a secret for tests: kelp 4 seven otters 0291"
WRONG = [
    (fastapi, Flask("x"), "must be a FastAPI and is a Flask"),
    (fastapi, Starlette(), "must be a FastAPI and is a Starlette"),
    (flask, FastAPI(), "must be a Flask and is a FastAPI"),
    (flask, None, "must be a Flask and is a NoneType"),
]


@pytest.mark.parametrize(("adapter", "app", "says"), WRONG, ids=[each[2] for each in WRONG])
def test_the_application_of_another_framework(adapter, app, says):
    with pytest.raises(UsageError, match=says) as refused:
        adapter.Holdfast(app, secret=SECRET, store="memory://")
    for module in ("holdfast.web.flask", "holdfast.web.fastapi", "holdfast.web.asgi"):
        assert module in str(refused.value)


def test_the_extension_is_no_middleware():
    app = FastAPI()
    app.add_middleware(fastapi.Holdfast)
    with pytest.raises(UsageError, match="call it with the application itself"):
        client(app).get("/")


@pytest.mark.parametrize(("adapter", "app"), [(fastapi, FastAPI), (flask, lambda: Flask("x"))])
def test_twice(adapter, app):
    made = app()
    first = adapter.Holdfast(made, secret=SECRET, store="memory://")
    with pytest.raises(UsageError, match="has sessions already; call it once"):
        adapter.Holdfast(made, secret=SECRET, store="memory://")
    first.assembly.close()


@pytest.mark.parametrize("settings", [SECRET, {"idle": 5}, None])
def test_settings_that_are_none(settings):
    with pytest.raises(ConfigurationError, match="settings: must be Settings and is") as refused:
        assemble(settings, secret=SECRET, store="memory://")
    assert SECRET not in str(refused.value)
