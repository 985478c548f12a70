"""Bodies of every wrong shape, at every way in of every page and example: a 4xx, and never a 5xx.

test_half_characters has the servers, Django and Express; tutorial/django.md has its own list.
"""

import re
import secrets
import sys
import types
from contextlib import nullcontext
from functools import partial

import pytest
from fastapi import FastAPI
from flask import Flask
from quart import Quart
from werkzeug import security

from docs.test_examples import ROOT, blocks, quiet
from examples.conftest import EXAMPLES
from holdfast.testing import client, csrf, isolated, sign_in
from holdfast.web.asgi import HoldfastMiddleware

pytestmark = pytest.mark.slow

__all__ = ["quiet"]

JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
WAY_IN = re.compile(r'^@(?:\w+\.)?(post|put|patch|delete)\("([^"]*)"', re.MULTILINE)
SAFE = {"GET", "HEAD", "OPTIONS"}
DEEP = 10_000
LESS_DEEP = 300, 900  # Python reads it, and may not be able to write it again
NAMES = "email", "password", "username", "name", "refresh_token", "keep", "item", "note"
VALUES = [
    "1", "-1", "1e999", "NaN", "-Infinity", "9" * 400, "9" * 5_000, "null", "true", '["x"]', '{"x": {}}', '""',
    r'"\u0000"', r'"\ud800"', f'"{"x" * 20_000}"', "[" * DEEP + "]" * DEEP,
    *["[" * deep + "]" * deep for deep in LESS_DEEP],
]  # fmt: skip
WHOLE = ["", "{", "[]", '[["email", "x"]]', "1", '"x"', "null", "true", "{}", '{"other": 1}']
WHOLE += ["NaN", '{"email": "a", "email": NaN, "password": "b", "password": ["c"]}']
BYTES = [b"\xff\xfe", b'{"email": "\xff"}', b"\0" * 9]
FORMS = [b"", b"email", b"email=%ff&password=%ff", b"%=&&=;", b"\xff=\xff", b"request=x"]
A_FILE = (
    b'--x\r\nContent-Disposition: form-data; name="email"; filename="f"\r\n\r\n\xff\r\n--x--\r\n'
)


def bodies():
    """Content type and body."""
    every = ["{" + ", ".join(f'"{name}": {value}' for name in NAMES) + "}" for value in VALUES]
    half = [f'{{"email": "a", "username": "a", "password": {value}}}' for value in VALUES]
    for text in (*WHOLE, *every, *half, '{"email":' * DEEP):
        yield JSON, text.encode()
    yield from ((JSON, body) for body in BYTES)
    yield from ((FORM, body) for body in FORMS)
    for kind in ("text/plain", "", f"{JSON}; charset=nonsense"):
        yield from ((kind, body) for body in (b"[]", b'{"email": "a", "refresh_token": "c"}'))
    yield from ((PARTS, b"email"), (f"{PARTS}; boundary=x", b"--x\r\n"))
    yield f"{PARTS}; boundary=x", A_FILE


def sources():
    """Pages and examples that make an application with a way in."""
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md")]):
        texts = list(blocks(page))
        if any(map(WAY_IN.search, texts)):
            yield pytest.param(page, texts, id=str(page.relative_to(ROOT)))
    for file in sorted([*EXAMPLES.glob("fl*.py"), *EXAMPLES.glob("fa*.py")]):
        yield pytest.param(file, [file.read_text()], id=file.name)


@pytest.fixture
def made(tmp_path, monkeypatch, quiet):
    """Run the Python of a page; its applications."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_SECRET", secrets.token_urlsafe(32))
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    cheap = partial(security.generate_password_hash, method="pbkdf2:sha256:1")
    monkeypatch.setattr(security, "generate_password_hash", cheap)
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)

    def run(page, texts):
        for text in texts:
            exec(compile(text, str(page), "exec"), vars(module))
        named = vars(module)
        found = [*named.values(), *([named["create_app"]()] if "create_app" in named else [])]
        return [
            *(each for each in found if isinstance(each, (Flask, FastAPI, HoldfastMiddleware))),
            *(each.asgi_app for each in found if isinstance(each, Quart)),
        ]

    return run


def ways_in(app, texts):
    """Method and path of each route that changes something."""
    if isinstance(app, Flask):
        routes = [(way, each.rule) for each in app.url_map.iter_rules() for way in each.methods]
    elif isinstance(app, FastAPI):
        # A page asks for these before its application is whole.
        app.openapi_schema = app.middleware_stack = None
        documented = app.openapi()["paths"].items()
        routes = [(way.upper(), path) for path, ways in documented for way in ways]
    else:
        routes = [(way.upper(), path) for text in texts for way, path in WAY_IN.findall(text)]
    return {(way, re.sub("<[^>]*>|{[^}]*}", "x", path)) for way, path in routes if way not in SAFE}


def without_sessions(app):
    return isinstance(app, Flask) and "holdfast" not in app.extensions


def visitor(app):
    """A client of somebody who is signed in, or has the key of an application without sessions."""
    if without_sessions(app):
        key = sys.modules["example"].AUTHENTICATOR_KEY
        return app.test_client(), {"Authorization": f"Bearer {key}"}
    browser = client(app) if isinstance(app, Flask) else client(app, raise_server_exceptions=False)
    sign_in(browser, subject="ada")
    return browser, csrf(browser)


def status_of(app, way, kind, body):
    """What is answered."""
    method, path = way
    browser, headers = visitor(app)
    headers |= {"Content-Type": kind} if kind else {}
    if isinstance(app, Flask):
        return browser.open(path, method=method, data=body, headers=headers).status_code
    return browser.request(method, path, content=body, headers=headers).status_code


@pytest.mark.parametrize(("page", "texts"), [*sources()])
def test_no_body_breaks_a_page(made, page, texts):
    broken, asked = {}, 0
    for app in made(page, texts):
        with nullcontext() if without_sessions(app) else isolated(app):
            for way in ways_in(app, texts):
                for kind, body in bodies():
                    status = status_of(app, way, kind, body)
                    asked += 1
                    if status >= 500:
                        broken[way, kind, body[:40]] = status
    assert broken == {}
    assert asked
