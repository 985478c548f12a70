"""Bodies of every wrong shape, at every way in of every page and example: a 4xx, and never a 5xx.

test_half_characters has the servers, Django and Express; tutorial/django.md has its own list.
"""

import re
import secrets
import sys
import types
from functools import partial

import pytest
from fastapi import FastAPI
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from flask import Flask
from starlette.responses import Response
from werkzeug import security

from docs.test_examples import ROOT, blocks, quiet
from examples.conftest import EXAMPLES
from holdfast.testing import client, csrf, isolated, sign_in

pytestmark = pytest.mark.slow

__all__ = ["quiet"]

JSON, FORM, PARTS = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
# One has no sessions and a single, known client; the other reads JSON by Flask-WTF, which breaks of it.
OTHERS = {"check-passwords-yourself.md", "flask-wtf.md"}
WAY_IN = re.compile(r"^@\w+\.(post|put|patch|delete)\(", re.MULTILINE)
SAFE = {"GET", "HEAD", "OPTIONS"}
DEEP = 10_000
NAMES = "email", "password", "username", "name", "refresh_token", "keep", "item", "note"
VALUES = [
    "1", "1e999", "NaN", "9" * 400, "9" * 5_000, "null", "true", '["x"]', '{"x": {}}', '""',
    r'"\u0000"', r'"\ud800"', f'"{"x" * 20_000}"', "[" * DEEP + "]" * DEEP,
]  # fmt: skip
WHOLE = ["", "{", "[]", '[["email", "x"]]', "1", '"x"', "null", "true", "{}", '{"other": 1}']
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
        if page.name not in OTHERS and any(map(WAY_IN.search, texts)):
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
        return [app for app in vars(module).values() if isinstance(app, (Flask, FastAPI))]

    return run


def ways_in(app):
    """Method and path of each route that changes something."""
    if isinstance(app, Flask):
        routes = [(rule.rule, rule.methods) for rule in app.url_map.iter_rules()]
    else:
        routes = [(each.path, each.methods) for each in app.routes if isinstance(each, APIRoute)]
    for path, methods in routes:
        for method in methods - SAFE:
            yield method, re.sub("<[^>]*>|{[^}]*}", "x", path)


def without_the_frameworks_own(app):
    """FastAPI's own 422 repeats what was sent, and is 500 where that is no JSON: not the page's doing."""
    handlers = app.exception_handlers
    if handlers.get(RequestValidationError) is request_validation_exception_handler:
        handlers[RequestValidationError] = lambda *_: Response(status_code=422)
    app.middleware_stack = None  # a page asks its application before it is whole


def status_of(app, way, kind, body):
    """What somebody who is signed in is answered."""
    method, path = way
    flask = isinstance(app, Flask)
    browser = client(app) if flask else client(app, raise_server_exceptions=False)
    sign_in(browser, subject="ada")
    headers = csrf(browser) | ({"Content-Type": kind} if kind else {})
    if flask:
        return browser.open(path, method=method, data=body, headers=headers).status_code
    return browser.request(method, path, content=body, headers=headers).status_code


@pytest.mark.parametrize(("page", "texts"), [*sources()])
def test_no_body_breaks_a_page(made, page, texts):
    broken = {}
    for app in made(page, texts):
        if isinstance(app, FastAPI):
            without_the_frameworks_own(app)
        with isolated(app):
            for way in ways_in(app):
                for kind, body in bodies():
                    status = status_of(app, way, kind, body)
                    if status >= 500:
                        broken[way, kind, body[:40]] = status
    assert broken == {}
