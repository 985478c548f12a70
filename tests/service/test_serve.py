"""`holdfast serve` as a real process: what it prints, makes, and does at its end."""

import re
import signal
import socket
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from holdfast.service.backend import keys as service_keys
from service.clients import bearer
from service.running import DEMO, Server, command, free_port, until


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("serve") / "home"


@pytest.fixture(scope="module")
def server(home):
    server = Server(home, "--demo")
    yield server
    server.stop()


def test_it_prints_its_lines_once(server):
    """One line with the demo user, one with the address, and what to try next."""
    assert len(DEMO.findall(server.output)) == 1
    assert server.lines.count(f"Listening on {server.url}") == 1
    assert f"  {server.url}/" in server.lines


def test_the_shell_lines_work_when_pasted(server):
    """Sign in, call, refresh, sign out, refused."""
    lines = [line for line in server.lines if re.match(r"  (tokens|access|refresh)=|  curl ", line)]
    done = subprocess.run(
        ["sh", "-eu"], input="\necho\n".join(lines), capture_output=True, text=True, check=True
    )
    me, refreshed, logout, refused = [line for line in done.stdout.splitlines() if line]
    assert '"email":"demo@example.org"' in me
    assert '"refresh_token":' in refreshed
    assert logout == '{"message":"Logged out successfully"}'
    assert '"unauthenticated"' in refused


def test_the_page_is_there(server):
    """The browser line leads to the sign-in form."""
    page = httpx.get(server.url, follow_redirects=True)
    assert page.status_code == 200
    assert "<form" in page.text


def test_a_browser_signs_in_over_a_real_connection(server):
    """CSRF token, cookie, list, sign-out."""
    email, password = server.credentials
    with httpx.Client(base_url=server.url) as browser:
        csrf = {"X-CSRF-Token": browser.get("/csrf-token").json()["csrfToken"]}
        body = {"email": email, "password": password}
        assert browser.post("/api/login", json=body, headers=csrf).json() == {"success": True}
        assert len(browser.get("/api/sessions").json()["sessions"]) >= 1
        csrf = {"X-CSRF-Token": browser.get("/csrf-token").json()["csrfToken"]}
        assert browser.post("/api/logout", headers=csrf).status_code == 200
        assert browser.get("/api/me").status_code == 401


def test_it_hides_what_it_runs_on(server):
    """No server header, no version (R168)."""
    answer = httpx.get(f"{server.url}/healthz")
    assert "Server" not in answer.headers
    assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize(
    "cookie", ["A" * 1_000_000, "session=" + "A" * 200_000, "\x01", "a=b; " * 2000]
)
def test_monstrous_headers(server, cookie):
    """A 4xx or a closed connection, and the service goes on."""
    try:
        answer = httpx.get(f"{server.url}/api/me", headers={"Cookie": cookie})
    except httpx.HTTPError:
        pass
    else:
        assert 400 <= answer.status_code < 500
    assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.parametrize(
    "raw", [b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_what_is_no_http(server, raw):
    """Refused or closed; the service goes on."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        assert b"500" not in connection.recv(1000).split(b"\r\n")[0]
    assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_what_it_makes_is_private(home, server):
    """The folder 0700, key file, database and demo password 0600 (R169)."""
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    assert {"keys.json", "holdfast.db", "demo-password"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_nothing_it_prints_or_stores_is_a_credential(home, server):
    """Neither tokens nor the password's hash in the log; no token in the database (R8, R158)."""
    tokens = server.login()
    httpx.post(f"{server.url}/refresh", json={"refresh_token": tokens["refresh_token"]})
    stored = b"".join(path.read_bytes() for path in home.glob("holdfast.db*"))
    for token in (tokens["access_token"], tokens["refresh_token"]):
        assert token not in server.output
        assert token.encode() not in stored
        assert token.rpartition(".")[2].encode() not in stored


def test_a_busy_port_is_one_line(home, server):
    """With what to do about it; no traceback."""
    done = command(home, "serve", "--demo", "--port", str(server.port))
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert re.match(r"holdfast: 127\.0\.0\.1:\d+ cannot be listened on .*HOLDFAST_PORT=", line)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--demo", "--profile", "production"], "development profile"),
        (["--profile", "development", "--host", "0.0.0.0"], "loopback only"),
        (["--profile", "nonsense"], "HOLDFAST_PROFILE"),
        (["--store", "nosuch://x", "--demo"], "store"),
        (["--demo", "--authenticator", "no.such:thing"], "cannot be imported"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, told):
    """Before anything listens."""
    done = command(tmp_path, "serve", "--port", str(free_port()), *arguments)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert told in line


def test_sessions_outlive_a_restart(tmp_path):
    """The printed pair works at each start, and nobody was signed out; the exit status is 0."""
    home = tmp_path / "home"
    first = Server(home, "--demo")
    tokens, credentials = first.login(), first.credentials
    assert first.stop(signal.SIGTERM) == 0
    second = Server(home, "--demo", port=first.port)
    assert second.credentials == credentials
    assert second.me(tokens) == 200
    assert second.stop(signal.SIGINT) == 0


def test_a_demo_password_that_was_changed_is_renewed(tmp_path):
    """What is printed always signs in."""
    home = tmp_path / "home"
    first = Server(home, "--demo")
    first.stop()
    changed = command(home, "user", "passwd", "demo@example.org", input="another long password\n")
    assert changed.returncode == 0, changed.stderr
    second = Server(home, "--demo")
    assert second.credentials != first.credentials
    assert second.me(second.login()) == 200
    second.stop()


def test_a_request_under_way_is_finished(tmp_path):
    """SIGTERM waits for the answer of a sign-in."""
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\n"
        "from holdfast.service.authenticator import Account\n"
        "here = Path(__file__).parent\n"
        "def check(email, password):\n"
        "    (here / 'begun').touch()\n"
        "    while not (here / 'stopping').exists():\n"
        "        time.sleep(0.01)\n"
        "    return Account(subject=email)\n"
    )
    slow = ["--profile", "development", "--authenticator", "slow:check"]
    server = Server(tmp_path / "home", *slow, paths=[tmp_path])
    body = {"email": "ada@example.org", "password": "any"}
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(httpx.post, f"{server.url}/login", json=body, timeout=20)
        until((tmp_path / "begun").exists, "the password is being checked")
        server.process.send_signal(signal.SIGTERM)
        (tmp_path / "stopping").touch()
        status = server.process.wait(30)
    assert (status, answer.result().status_code) == (0, 200)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stream_of_changes_does_not_hold_it(tmp_path, workers):
    """SIGTERM ends the stream, complete: no worker waits for its client, and none complains."""
    key = "hfk1_" + "k" * 43
    entry = service_keys.entry("shop", service_keys.SCOPES, key)
    server = Server(tmp_path / "home", "--demo", "--workers", workers, SERVICE_KEYS=entry)
    url = f"{server.url}/backend/v1/changes"
    try:
        with httpx.stream("GET", url, headers=bearer(key), timeout=20) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: open"
            since = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            for _ in lines:
                pass  # to its end: httpx raises if it is cut off
    finally:
        status = server.stop()
    assert status == 0
    assert time.monotonic() - since < 8  # the server gives who does not end 10 seconds
    assert "Traceback" not in server.output, server.output


def test_an_authenticator_of_the_application(tmp_path, monkeypatch):
    """By its Python path; its account's claims reach the tokens."""
    module = tmp_path / "directory.py"
    module.write_text(
        "from holdfast.service.authenticator import Account\n"
        "def check(email, password):\n"
        "    if password == 'open sesame':\n"
        "        return Account(subject='id-' + email, email=email, role='guest')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    server = Server(
        tmp_path / "home", "--profile", "development", "--authenticator", "directory:check"
    )
    body = {"email": "grace@example.org", "password": "open sesame"}
    tokens = httpx.post(f"{server.url}/login", json=body).json()
    me = httpx.get(f"{server.url}/api/me", headers=bearer(tokens["access_token"])).json()
    wrong = httpx.post(f"{server.url}/login", json=body | {"password": "x"})
    server.stop()
    assert (me["subject"], me["role"]) == ("id-grace@example.org", "guest")
    assert wrong.status_code == 401
