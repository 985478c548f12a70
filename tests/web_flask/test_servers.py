"""Flask under the servers that people run it on: threads, several processes, and a fork after loading."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

SERVED = Path(__file__).parent / "served"
GUNICORN = ("gunicorn", "-k", "gthread", "--threads", "4", "-w", "2", "--graceful-timeout", "1")
GRANIAN = (
    *("granian", "--interface", "wsgi", "--workers", "2"),
    *("--blocking-threads", "4", "--workers-kill-timeout", "1"),
)
SERVERS = {
    "gunicorn gthread": (*GUNICORN, "--bind", "127.0.0.1:{port}"),
    "gunicorn preload": (*GUNICORN, "--preload", "--bind", "127.0.0.1:{port}"),
    "granian threads": (*GRANIAN, "--host", "127.0.0.1", "--port", "{port}"),
}


class Browser:
    """A browser of few virtues: one cookie jar, one request at a time, no threads shared."""

    def __init__(self, port, cookies=()):
        self.port = port
        self.cookies = dict(cookies)

    def send(self, method, path, body=None, headers=()):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        chunked = isinstance(body, list)
        connection.request(
            method, path, body, {"Cookie": jar, **dict(headers)}, encode_chunked=chunked
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, value = re.match("([^=]+)=([^;]*)", line).groups()
            self.cookies[name] = value
        connection.close()
        return answer.status, json.loads(text) if text.startswith("{") else text

    def get(self, path):
        return self.send("GET", path)

    def post(self, path, **fields):
        token = self.get("/token")[1]["token"]
        form = urlencode({"csrf_token": token, **fields})
        return self.send("POST", path, form, {"Content-Type": "application/x-www-form-urlencoded"})


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def answers(port):
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def wait_for(server, port):
    until = time.monotonic() + 30
    while not answers(port):
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < until, "the server does not listen"
        server.poll()
        time.sleep(0.02)


def wait_for_both_workers(port):
    """A server listens before all its processes serve; some requests at once reach each that does."""
    until, pids = time.monotonic() + 60, set()
    with ThreadPoolExecutor(8) as threads:
        while len(pids) < 2:
            assert time.monotonic() < until, "only one process serves"
            answers = threads.map(lambda _: Browser(port).get("/token"), range(16))
            pids |= {body["pid"] for _, body in answers}


@pytest.fixture(params=SERVERS.values(), ids=SERVERS)
def port(request, tmp_path):
    port = free_port()
    name, *arguments = [part.format(port=port) for part in request.param]
    environment = os.environ | {
        "HOLDFAST_SECRET": "a secret for tests: kelp 4 seven otters 0291",
        "HOLDFAST_STORE": f"sqlite:///{tmp_path}/sessions.db",
    }
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", name, *arguments, "shop:app"],
            cwd=SERVED, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(server, port)
            wait_for_both_workers(port)
            yield port
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_sessions_under_a_real_server(port):
    """Sign-in by a form, counts by hundreds at once, log-out: in every process the same."""
    browser = Browser(port)
    assert browser.post("/login", name="ada")[0] == 200

    def count(_):
        return Browser(port, browser.cookies).post("/count")

    done = []
    with ThreadPoolExecutor(8) as threads:
        while len({body["pid"] for _, body in done}) < 2:
            done += threads.map(count, range(100))
            assert len(done) <= 1000, "only one process counts"
    assert Counter(status for status, _ in done) == {200: len(done)}
    assert browser.get("/me")[1]["n"] == len(done)

    stolen = Browser(port, browser.cookies)
    assert browser.post("/logout")[0] == 200
    with ThreadPoolExecutor(8) as threads:
        late = list(threads.map(lambda _: stolen.send("GET", "/me")[0], range(40)))
    assert Counter(late) == {401: 40}


@pytest.mark.slow
def test_a_chunked_form_and_a_streamed_answer(port):
    """The token is found in a body without a length, and the cookie comes before a stream."""
    browser = Browser(port)
    browser.post("/login", name="ada")
    token = browser.get("/token")[1]["token"]
    parts = [f"csrf_token={token}&".encode(), b"rest=" + b"x" * 100_000]
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Transfer-Encoding": "chunked",
    }
    assert browser.send("POST", "/count", parts, headers)[0] == 200
    assert browser.send("POST", "/count", [b"a=b"], headers)[0] == 403

    stranger = Browser(port)
    status, text = stranger.get("/stream")
    assert (status, text) == (200, "".join(map(str, range(1000))))
    assert "session" in stranger.cookies
