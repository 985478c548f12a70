"""The sites of `web.sites` under real servers: uvicorn in a thread, gunicorn in a process."""

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import uvicorn

from holdfast.assembly import assemble
from holdfast.settings import Rate, Settings
from service.running import free_port, until
from web.sites import SITES
from web.wsgi import OverAsgi

SECRET = "a secret for tests: kelp 4 seven otters 0291"
TESTS = Path(__file__).parents[1]
GUNICORN = ("gunicorn", "-k", "gthread", "--threads", "4", "--graceful-timeout", "1")


def build(name):
    """The application and its parts, over a memory of its own."""
    settings = Settings.for_development(rate=Rate(limit=100_000))
    assembly = assemble(settings, secret=SECRET, store="memory://")
    return SITES[name](assembly), assembly


def wsgi(name):
    """For gunicorn: what is behind the interface of ASGI."""
    app, _ = build(name)
    return app._app


@contextmanager
def served(name):
    """The address of a site under the server that it is for."""
    app, assembly = build(name)
    try:
        run = _in_a_process(name) if isinstance(app, OverAsgi) else _on_a_loop(app)
        with run as port:
            yield f"http://localhost:{port}"
    finally:
        assembly.close()


@contextmanager
def _on_a_loop(app):
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started, "uvicorn")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def _in_a_process(name):
    port = free_port()
    arguments = (*GUNICORN, "--bind", f"127.0.0.1:{port}", f"scenarios.serving:wsgi({name!r})")
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    server = subprocess.Popen(
        [sys.executable, "-m", *arguments], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: _listens(port), "gunicorn")
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _listens(port):
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0
