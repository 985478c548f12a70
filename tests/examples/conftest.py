"""Examples as their readers run them: a folder of their own, a secret, and a server."""

import importlib.util
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from browser.conftest import chromium, visit

__all__ = ["chromium", "visit"]

EXAMPLES = Path(__file__).parents[2] / "examples"
STARTS_WITHIN = 60


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Import an example in an empty folder: `example("flask_complete").app`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_SECRET", secrets.token_urlsafe(32))
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    opened = []

    def load(name):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        opened.append(module)
        return module

    yield load
    for module in opened:
        parts = getattr(module.app, "state", None) or module.app.extensions["holdfast"]
        getattr(parts, "holdfast", parts).assembly.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Start an example with the command that it names; its address."""
    started = []

    def start(*command):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        folder = tmp_path_factory.mktemp("served")
        kept = {name: text for name, text in os.environ.items() if not name.startswith("HOLDFAST_")}
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command, "--port", str(port)],
                cwd=folder,
                env=kept
                | {"HOLDFAST_SECRET": secrets.token_urlsafe(32), "PYTHONPATH": str(EXAMPLES)},
                stdout=log,
                stderr=log,
            )
        started.append(process)
        _wait(process, port, folder / "log")
        return f"http://localhost:{port}"

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait(process, port, log):
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"the example did not start:\n{log.read_text()}")
