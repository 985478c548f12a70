"""The database is locked, gone, or its disk full, while the service runs: 503, and nothing is lost.

An outage is not a log-out: whoever was signed in still is when it is over, without a restart.
"""

import json
import resource
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx
import pytest

from service.clients import bearer
from service.running import Server, until

TIMEOUT = 0.5
SLACK = 5


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("outage") / "home"


@pytest.fixture(scope="module")
def server(home):
    server = Server(home, "--demo", STORE_TIMEOUT=f"{int(TIMEOUT * 1000)}ms", RATE="1000/15m")
    yield server
    assert "Traceback" not in server.output
    assert server.stop() == 0


class Person:
    """Somebody who is signed in with a browser and with a script."""

    def __init__(self, server, browser):
        self._server = server
        self.browser = browser
        self.sign_in()
        self.tokens = server.login()

    def sign_in(self):
        body = dict(zip(("email", "password"), self._server.credentials, strict=True))
        return self.browser.post("/api/login", json=body, headers=self.csrf())

    def csrf(self):
        return {"X-CSRF-Token": self.browser.get("/csrf-token").json()["csrfToken"]}

    def me(self):
        """What both credentials are good for."""
        by_cookie = self.browser.get("/api/me").status_code
        return by_cookie, self._server.me(self.tokens)


@pytest.fixture
def person(server):
    with httpx.Client(base_url=server.url, timeout=20) as browser:
        yield Person(server, browser)


@contextmanager
def locked(home, server):
    """Another process holds the write lock, as a forgotten maintenance script does."""
    with closing(sqlite3.connect(home / "holdfast.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextmanager
def moved(home, server):
    """Somebody has moved the files away, and puts them back."""
    away = home.with_name(f"{home.name}-away")
    away.mkdir(exist_ok=True)
    files = list(home.glob("holdfast.db*"))
    for path in files:
        path.rename(away / path.name)
    try:
        yield
        made = list(home.glob("holdfast.db*"))
        assert made == [], "a database was made, which would sign everybody out"
    finally:
        for path in files:
            (away / path.name).rename(path)


@contextmanager
def full(home, server):
    """No file can grow any more."""
    pid, kind = server.process.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


OBSTACLES = [locked, moved, full]


@pytest.fixture(params=OBSTACLES, ids=lambda obstacle: obstacle.__name__)
def obstacle(request, home, server):
    return lambda: request.param(home, server)


def refused(answer):
    """503 with a code, when to try again, and nothing of the inside."""
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "store_unavailable"
    assert int(answer.headers["Retry-After"]) > 0
    assert "holdfast.db" not in answer.text
    return True


def test_what_cannot_be_written_is_503_within_the_time_limit(server, person, obstacle):
    """Sign-in and refresh; the process stays alive, and afterwards everybody is as before."""
    body = {"refresh_token": person.tokens["refresh_token"]}
    email, password = server.credentials
    with obstacle():
        until(lambda: _noticed(server), "the outage is noticed")
        for path, value in (
            ("/login", {"email": email, "password": password}),
            ("/refresh", body),
        ):
            begun = time.monotonic()
            answer = person.browser.post(path, json=value)
            assert refused(answer), path
            assert "Set-Cookie" not in answer.headers
            assert time.monotonic() - begun < 2 * TIMEOUT + SLACK
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    until(lambda: person.me() == (200, 200), "it is over", 10)
    assert httpx.post(f"{server.url}/refresh", json=body).status_code == 200


def _noticed(server):
    """A name that nobody has: its failure has to be counted."""
    body = {"email": "nobody@example.org", "password": "x"}
    return httpx.post(f"{server.url}/login", json=body, timeout=20).status_code == 503


@pytest.mark.parametrize("obstacle", [locked, full], indirect=True, ids=["locked", "full"])
def test_what_only_reads_goes_on(server, person, obstacle):
    """Sessions and tokens are checked as if nothing were."""
    with obstacle():
        assert person.me() == (200, 200)


@pytest.mark.parametrize("obstacle", [locked, full], indirect=True, ids=["locked", "full"])
def test_what_cannot_be_written_is_not_ready(server, person, obstacle):
    """Within the bound, and ready again by itself; alive all the while."""

    def ready():
        return httpx.get(f"{server.url}/readyz", timeout=20).status_code

    with obstacle():
        until(lambda: ready() == 503, "it is noticed")
        assert httpx.get(f"{server.url}/healthz").status_code == 200
    until(lambda: ready() == 200, "it is over")


@pytest.mark.parametrize("obstacle", [moved], indirect=True, ids=["moved"])
def test_without_its_file_nothing_is_known(server, person, obstacle):
    """Not to know is 503 and never 401; it is not ready, and alive."""
    with obstacle():
        until(lambda: person.me() == (503, 503), "it is noticed", 10)
        assert refused(person.browser.get("/api/me"))
        assert refused(httpx.get(f"{server.url}/readyz"))
        page = person.browser.get("/sessions")
        assert (page.status_code, "you have not been signed out" in page.text) == (503, True)
    until(lambda: person.me() == (200, 200), "it is over", 10)


@pytest.mark.parametrize("obstacle", [locked], indirect=True, ids=["locked"])
def test_who_waits_holds_up_nobody(server, person, obstacle):
    """While a write waits for the lock, the same process answers others."""
    email, password = server.credentials
    body = {"email": email, "password": password}
    with obstacle(), ThreadPoolExecutor() as pool:
        writes = [
            pool.submit(httpx.post, f"{server.url}/login", json=body, timeout=30) for _ in range(4)
        ]
        answered = 0
        while not all(write.done() for write in writes):
            assert person.browser.get("/api/me").status_code == 200
            answered += 1
        assert all(refused(write.result()) for write in writes)
    assert answered > 3


def test_an_outage_does_not_fill_the_log(server, person, home):
    """One line when it begins, one when it is over, however many requests it refuses (R164)."""

    def over():
        output = server.output
        return output.count("does not answer") == output.count("answers again")

    until(over, "the outages of earlier tests are over")
    before = len(server.lines)
    with moved(home, server):
        until(lambda: person.me() == (503, 503), "it is noticed", 10)
        for _ in range(50):
            person.browser.get("/api/me")

    def lines():
        return [line for line in server.lines[before:] if not line.startswith("{")]

    until(lambda: any("answers again after" in line for line in lines()), "its end is said")
    begun, *_, ended = said = lines()
    assert "the store does not answer, so requests get 503: " in begun
    assert len(said) < 5
    assert int(ended.split()[-3]) >= 50


WRITES_FAIL = pytest.mark.parametrize(
    "obstacle", [locked, full], indirect=True, ids=["locked", "full"]
)
"""That the files have been moved is noticed by the first read after a second, or by a write before it."""


@WRITES_FAIL
def test_a_log_out_that_failed_is_not_claimed(server, person, obstacle):
    """The browser is cleared all the same; who still has the cookie can repeat it afterwards."""
    csrf, mine = person.csrf(), bearer(person.tokens["access_token"])
    cookie = person.browser.cookies["session"]
    with obstacle():
        until(lambda: _noticed(server), "the outage is noticed")
        answer = person.browser.post("/api/logout", headers=csrf)
        assert refused(answer)
        assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
        assert "session" not in person.browser.cookies
        assert refused(httpx.post(f"{server.url}/api/auth/logout", headers=mine))
    person.browser.cookies["session"] = cookie
    until(lambda: person.me() == (200, 200), "neither session was ended", 10)
    assert person.browser.post("/api/logout", headers=csrf).json() == {"success": True}
    assert httpx.post(f"{server.url}/api/auth/logout", headers=mine).status_code == 200
    person.browser.cookies["session"] = cookie
    assert person.me() == (401, 401)


@WRITES_FAIL
def test_the_page_says_what_a_failed_log_out_has_done(server, person, obstacle):
    """Out of this browser, and not yet on our side."""
    form = {"csrf_token": person.csrf()["X-CSRF-Token"]}
    with obstacle():
        until(lambda: _noticed(server), "the outage is noticed")
        page = person.browser.post("/sign-out", data=form)
    assert (page.status_code, "Signed out in this browser only" in page.text) == (503, True)


@pytest.fixture
def signed_in(client):
    """Somebody in a browser, and the form for signing out."""
    client.sign_in()
    return client, client.csrf(), client.http.cookies["session"]


@pytest.mark.parametrize("path", ["/api/logout", "/sign-out"])
def test_a_log_out_whose_write_finds_no_file_clears_the_browser(signed_in, tmp_path, path):
    """The session was read, and could not be ended: out of this browser, and not yet on our side."""
    client, csrf, cookie = signed_in
    with moved(tmp_path, None):
        answer = client.post(path, headers=csrf)
    assert answer.status_code == 503
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert "session" not in client.http.cookies
    _still_signed_in(client, cookie)


@pytest.mark.parametrize("path", ["/api/logout", "/sign-out"])
def test_a_log_out_whose_read_finds_no_file_leaves_the_browser_alone(
    signed_in, tmp_path, clock, path
):
    """Nobody knows whose session it is (P20); the page says that nobody was signed out."""
    client, csrf, cookie = signed_in
    clock.advance(2000)
    with moved(tmp_path, None):
        answer = client.post(path, headers=csrf)
    assert answer.status_code == 503
    assert not {"clear-site-data", "set-cookie"} & set(answer.headers)
    assert path != "/sign-out" or "you have not been signed out" in answer.text
    _still_signed_in(client, cookie)


def _still_signed_in(client, cookie):
    client.http.cookies.clear()
    client.http.cookies["session"] = cookie
    assert client.get("/api/me").status_code == 200
    assert client.post("/api/logout", headers=client.csrf()).json() == {"success": True}
    client.http.cookies["session"] = cookie
    assert client.get("/api/me").status_code == 401


def test_events_go_on_during_an_outage(server, person, obstacle):
    """What was tried is on record, also if it could not be done."""
    before = len(server.lines)
    with obstacle():
        server_errors = httpx.get(f"{server.url}/api/me", headers=bearer("junk")).status_code
        assert server_errors in {401, 503}
        until(lambda: "authz_fail" in _events(server.lines[before:]), "the event")


def _events(lines):
    return [json.loads(line).get("event") for line in lines if line.startswith("{")]
