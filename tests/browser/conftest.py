"""A real service and a real Chromium, for tests that look at pages as people do."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
STARTS_WITHIN = 60

# Without a window Chromium calls itself HeadlessChrome; people's browsers do not.
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/140.0.0.0 Safari/537.36"
)


@dataclass(frozen=True)
class Service:
    """A running `holdfast serve --demo`."""

    url: str
    email: str
    password: str


@pytest.fixture(scope="module")
def chromium():
    """The browser of the system, for one module: its driver runs an event loop in this thread."""
    if CHROMIUM is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain("needs Chromium on PATH; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory):
    """Start a service: `serve(HOLDFAST_FRESH_FOR="1s")`; it ends with the tests."""
    processes = []

    def start(**environment):
        home = tmp_path_factory.mktemp("home")
        process = _start(home, environment)
        processes.append(process)
        return _described(process, home / "log")

    yield start
    for process in processes:
        _stop(process)


@pytest.fixture(scope="session")
def service(serve):
    """One service for all tests that do not mind each other's sessions."""
    return serve()


@pytest.fixture
def visit(chromium):
    """Open a browser of its own at an address: cookies and preferences are not shared."""
    contexts = []

    def open_at(url, **options):
        context = chromium.new_context(**{"user_agent": CHROME, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto(url)
        return page

    yield open_at
    for context in contexts:
        context.close()


def _start(home, environment):
    mine = {"HOLDFAST_HOME": str(home), "HOLDFAST_PORT": str(_free_port())}
    kept = {name: text for name, text in os.environ.items() if not name.startswith("HOLDFAST_")}
    with (home / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli", "serve", "--demo"],
            env={**kept, "PYTHONUNBUFFERED": "1", **mine, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _described(process, log: Path):
    """What the service prints about itself, as soon as it answers."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(encoding="utf-8", errors="replace")
        demo = re.search(r"Demo user: (\S+) / (\S+)", text)
        url = re.search(r"Listening on (http://\S+:\d+)", text)
        if demo and url and _answers(url[1]):
            return Service(url[1], demo[1], demo[2])
        time.sleep(0.05)
    pytest.fail(f"the service did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _answers(url):
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _stop(process):
    """End the service and its workers: they share a process group of their own."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
