"""What the OpenAPI document of a FastAPI application says of its guards."""

from datetime import timedelta

import pytest
from fastapi import Depends, FastAPI
from openapi_spec_validator import validate

from holdfast.settings import Cookie, Settings
from holdfast.web import fastapi as holdfast

SECRET = "a secret for tests: kelp 4 seven otters 0291"
EITHER = [{"session_cookie": []}, {"access_token": []}]


def handler():
    """Nothing."""


def documented(settings):
    app = FastAPI()
    own = holdfast.Holdfast(app, settings, secret=SECRET, store="memory://")
    guards = {
        "require": holdfast.require,
        "fresh": holdfast.require_fresh(timedelta(minutes=5)),
        "role": holdfast.require_role("admin"),
        "current": holdfast.current,
        "csrf": holdfast.csrf_token,
    }
    for name, guard in guards.items():
        app.get(f"/{name}", dependencies=[Depends(guard)])(handler)
    own.assembly.close()
    return app.openapi()


@pytest.fixture
def document():
    return documented(Settings())


def test_guards_want_the_cookie_or_a_bearer_token(document):
    """Either of the two; what lets everybody in wants nothing."""
    wanted = {
        path: operation["get"].get("security") for path, operation in document["paths"].items()
    }
    guarded = dict.fromkeys(("/require", "/fresh", "/role"), EITHER)
    assert wanted == guarded | {"/current": None, "/csrf": None}


def test_the_schemes_are_described(document):
    """With the name that the cookie really has."""
    assert document["components"]["securitySchemes"] == {
        "session_cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
        "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (Settings.for_development(), "session"),
        (Settings(cookie=Cookie(name="__Host-shop")), "__Host-shop"),
    ],
)
def test_each_application_names_its_own_cookie(settings, name):
    """Also when several run in one process."""
    assert documented(settings)["components"]["securitySchemes"]["session_cookie"]["name"] == name
    again = documented(Settings())["components"]["securitySchemes"]["session_cookie"]
    assert again["name"] == "__Host-session"


def test_no_dependency_shows_as_a_parameter(document):
    """The session is none of the client's business."""
    assert all("parameters" not in each["get"] for each in document["paths"].values())


def test_the_document_is_valid(document):
    """By the schema of OpenAPI itself."""
    validate(document)
