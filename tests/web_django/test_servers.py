"""Django under the servers that people run it on: threads, processes, and event loops."""

import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from web_flask.test_servers import GUNICORN, Browser, free_port, wait_for

SERVED = Path(__file__).parent / "served"
GRANIAN = "granian --workers 2 --workers-kill-timeout 1 --host 127.0.0.1 --port {port} --interface"
SERVERS = {
    "gunicorn": ("", *GUNICORN, "--bind", "127.0.0.1:{port}", "shop:app"),
    "gunicorn preload": ("", *GUNICORN, "--preload", "--bind", "127.0.0.1:{port}", "shop:app"),
    "granian threads": ("", *GRANIAN.split(), "wsgi", "--blocking-threads", "4", "shop:app"),
    "granian loop": ("a", *GRANIAN.split(), "asginl", "shop:asgi"),
    "uvicorn": (
        "a",
        *["uvicorn", "--workers", "2", "--lifespan", "off", "--port", "{port}", "shop:asgi"],
    ),
}


@pytest.fixture(params=SERVERS.values(), ids=SERVERS)
def server(request, tmp_path):
    """The port, and what the names of views that suit the server begin with."""
    port = free_port()
    kind, name, *arguments = [part.format(port=port) for part in request.param]
    environment = os.environ | {
        "HOLDFAST_SECRET": "a secret for tests: kelp 4 seven otters 0291",
        "HOLDFAST_STORE": f"sqlite:///{tmp_path}/sessions.db",
    }
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", name, *arguments],
            cwd=SERVED, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            wait_for(running, port)
            yield port, kind
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_sessions_under_a_real_server(server):
    """Sign-in by a form, counts by hundreds at once, log-out: in every process the same."""
    port, kind = server
    browser = Browser(port)
    assert browser.post("/login", name="ada")[0] == 200

    def count(_):
        return Browser(port, browser.cookies).post(f"/{kind}count")

    done = []
    with ThreadPoolExecutor(8) as threads:
        while len({body["pid"] for _, body in done}) < 2:
            done += threads.map(count, range(100))
            assert len(done) <= 1000, "only one process counts"
    assert Counter(status for status, _ in done) == {200: len(done)}
    assert browser.get(f"/{kind}me")[1]["n"] == len(done)

    stolen = Browser(port, browser.cookies)
    assert browser.post("/logout")[0] == 200
    with ThreadPoolExecutor(8) as threads:
        late = list(threads.map(lambda _: stolen.send("GET", f"/{kind}me")[0], range(40)))
    assert Counter(late) == {401: 40}


@pytest.mark.slow
def test_a_long_form_and_a_streamed_answer(server):
    """The token is found in front of a long body, all of which arrives; the cookie precedes a stream."""
    port, kind = server
    browser = Browser(port)
    browser.post("/login", name="ada")
    token = browser.get("/token")[1]["token"]
    form = urlencode({"csrf_token": token, "rest": "x" * 3_000_000})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    short = browser.send("POST", f"/{kind}count", form[:100_000], headers)
    assert (short[0], short[1]["length"]) == (200, 100_000)
    assert browser.send("POST", f"/{kind}count", "a=b", headers)[0] == 403

    stranger = Browser(port)
    status, text = stranger.get(f"/{kind}stream")
    assert (status, text) == (200, "".join(map(str, range(1000))))
    assert "session" in stranger.cookies
