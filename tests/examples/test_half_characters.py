r"""Half a character, `"\ud800"` in JSON or its bytes in a form, at every way in of every example: no 500.

Nor of JSON of another shape than was meant; test_bad_bodies has more of those, without servers.

JSON may name it (RFC 8259 §8.2), Python and JavaScript decode it, and nothing can encode it again.
"""

import re
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest

from examples.conftest import EXAMPLES
from nodejs import built_package, running_node
from service.running import Server, command
from web_flask.test_servers import Browser, free_port

pytestmark = pytest.mark.slow

EMAIL, PASSWORD = "ada@example.org", "correct horse battery staple"
HALF = "\\ud800"
BYTES = "%ED%A0%80"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CLEAR = {400, 401, 413, 422}
TOKEN = re.compile(r'name="(csrf_token|csrfmiddlewaretoken)" value="([^"]+)"')


def as_json(**fields):
    return "{" + ", ".join(f'"{name}": "{text}"' for name, text in fields.items()) + "}"


LOGINS = [
    as_json(email=HALF, password=PASSWORD),
    as_json(email=EMAIL, password=HALF),
    as_json(password=HALF),
    as_json(email=EMAIL + HALF, password=PASSWORD + HALF),
]
SHAPES = ["", "{", "[]", "1", '"x"', "null", "{}", as_json(email="x")]
SHAPES += [
    "[" * 10_000,
    "[" * 10_000 + "]" * 10_000,
    '{"email":' * 10_000,
    "9" * 5_000,
    "\0",
    "\xff",
]
BY_TOKEN = [("/login", body) for body in LOGINS]
IN_JSON = [
    *BY_TOKEN,
    ("/refresh", as_json(refresh_token=HALF)),
    *[("/api/login", body) for body in LOGINS],
    *[(path, body) for path in ("/login", "/refresh", "/api/login") for body in SHAPES],
]


@contextmanager
def flask(served, _):
    yield served("flask", "--app", "flask_complete", "run"), IN_JSON, ()


@contextmanager
def fastapi(served, _):
    yield served("uvicorn", "fastapi_complete:app"), IN_JSON, ()


@contextmanager
def flask_login(served, _):
    yield served("flask", "--app", "flask_login_app", "run"), (), ["/login"]


@contextmanager
def pages(served, _):
    yield served("uvicorn", "fastapi_pages:app"), (), ["/sign-in"]


@contextmanager
def service(_, folders):
    server = Server(folders.mktemp("half") / "home", "--demo")
    try:
        yield server.url, IN_JSON, ["/sign-in"]
    finally:
        server.stop()


@contextmanager
def express(_, folders):
    package, port, home = built_package(folders), free_port(), folders.mktemp("half")
    app = home / "app.mjs"
    app.write_text((EXAMPLES / "express/app.mjs").read_text())
    modules = home / "node_modules"
    (modules / "@holdfast").mkdir(parents=True)
    (modules / "@holdfast/express").symlink_to(package)
    (modules / "express").symlink_to((package / "node_modules/express").resolve())
    key = command(None, "service-key", "shop", "--json").stdout
    made = dict(re.findall(r'"(key|entry)": "([^"]+)"', key))
    server = Server(home / "home", "--demo", SERVICE_KEYS=made["entry"])
    url = f"http://127.0.0.1:{port}"
    given = {"SERVICE_URL": server.url, "SERVICE_KEY": made["key"], "PORT": str(port)}
    try:
        with running_node(home, "app.mjs", says=f"listening on {url}", **given):
            yield url, [*IN_JSON, ("/refresh", as_json(refreshToken=HALF))], ()
    finally:
        server.stop()


SITES = {each.__name__: each for each in (flask, fastapi, flask_login, pages, service, express)}


@pytest.fixture(scope="module", params=SITES)
def site(request, served, tmp_path_factory):
    with SITES[request.param](served, tmp_path_factory) as found:
        yield found


def test_no_way_in_breaks(site):
    """A 4xx, without a session: who sends this has made a mistake, and the server none."""
    url, in_json, in_forms = site
    browser = Browser(int(url.rpartition(":")[2]))
    answers = {}
    for path, body in in_json:
        proof = {"X-CSRF-Token": browser.get("/csrf-token")[1]["csrfToken"]}
        answers[path, body] = browser.send("POST", path, body, {**JSON, **proof})[0]
    for path in in_forms:
        for email, password in ((BYTES, PASSWORD), (EMAIL, BYTES)):
            token = urlencode(TOKEN.findall(browser.get(path)[1]))
            body = f"{token}&email={email}&password={password}"
            answers[path, body] = browser.send("POST", path, body, FORM)[0]
    assert answers
    assert {each: status for each, status in answers.items() if status not in CLEAR} == {}
