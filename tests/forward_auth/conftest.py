"""An application behind real proxies that ask a real service about each request."""

import json
import os
import shutil
import subprocess
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from service.running import Server, free_port

SHIPPED = Path(__file__).parents[2] / "examples" / "forward-auth"
STARTS_WITHIN = 20
PROXIES = {
    "nginx": ["nginx", "-p", ".", "-c", "nginx.conf", "-g", "daemon off;"],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"],
    "haproxy": ["haproxy", "-f", "haproxy.cfg"],
}


class Application(BaseHTTPRequestHandler):
    """Says what reached it, in any language's place."""

    protocol_version = "HTTP/1.1"

    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        said = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": self.rfile.read(length).decode(),
        }
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    def handle(self):
        """A proxy may reset a connection that it no longer needs."""
        with suppress(ConnectionResetError):
            super().handle()

    def log_message(self, *_):
        """Not into the tests' output."""


@pytest.fixture(scope="module")
def application():
    """The port of the application."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The service, trusting the proxies; a cookie is renewed after a second."""
    server = Server(
        tmp_path_factory.mktemp("forward") / "home",
        "--demo",
        TRUSTED_PROXIES="127.0.0.1",
        FORWARD_AUTH_SIGN_IN="http://localhost/sign-in",
        RETURN_HOSTS="localhost",
        RATE="10000/15m",
        COOKIE_MAX_AGE="4s",
        TOUCH_EVERY="1s",
        FLUSH_EVERY="1s",
    )
    yield server
    server.stop()


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request, application, service, tmp_path_factory):
    """The address of a proxy that runs the configuration which is shipped, on free ports."""
    command = PROXIES[request.param]
    if shutil.which(command[0]) is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain(f"needs {command[0]} on PATH; on Debian: apt-get install {command[0]}")
    folder, port = tmp_path_factory.mktemp(request.param), free_port()
    ports = {":8080": f":{service.port}", ":9000": f":{application}", ":8000": f":{port}"}
    for path in SHIPPED.iterdir():
        text = path.read_text(encoding="utf-8")
        for shipped, ours in ports.items():
            text = text.replace(shipped, ours)
        (folder / path.name).write_text(text, encoding="utf-8")
    if request.param == "nginx":
        _in_a_folder(folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(STARTS_WITHIN)


def _in_a_folder(folder):
    """What nginx would write elsewhere is written here."""
    path = folder / "nginx.conf"
    places = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"    {name}_temp_path {folder}/{name};\n" for name in places)
    text = path.read_text(encoding="utf-8").replace("http {\n", f"http {{\n{temporary}", 1)
    head = f"user root;\npid {folder}/pid;\nerror_log stderr;\n"
    text = text.replace("    server {\n", "    access_log off;\n    server {\n", 1)
    path.write_text(head + text, encoding="utf-8")


def _wait_for(port, process, log):
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the proxy did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


@pytest.fixture
def browser(proxy, service):
    """A signed-in browser, as far as a proxy can tell."""
    with httpx.Client(base_url=proxy) as client:
        email, password = service.credentials
        direct = service.url
        csrf = client.get(f"{direct}/csrf-token").json()["csrfToken"]
        answer = client.post(
            f"{direct}/api/login",
            json={"email": email, "password": password},
            headers={"X-CSRF-Token": csrf, "Host": f"localhost:{service.port}"},
        )
        assert answer.status_code == 200, answer.text
        cookie = client.cookies["session"]
        client.cookies.clear()
        client.headers["Cookie"] = f"session={cookie}"
        yield client
