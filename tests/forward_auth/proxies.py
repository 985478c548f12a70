"""The proxies with the configurations that are shipped, and an application behind them."""

import json
import os
import shutil
import subprocess
import time
from base64 import b64encode
from contextlib import contextmanager, suppress
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from service.running import free_port

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
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    def do_GET(self):
        """`/stream` comes in pieces. Whatever it is to be upgraded to, it is."""
        if self.headers.get("Upgrade") and self.headers.get("Connection", "").lower() == "upgrade":
            self._upgrade()
            return
        if self.path != "/stream":
            self._answer()
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in (self.headers.get("X-Auth-Subject", ""), "more"):
            self.wfile.write(b"%x\r\n%s\n\r\n" % (len(line) + 1, line.encode()))
        self.wfile.write(b"0\r\n\r\n")

    def _upgrade(self):
        """Whom the socket is for, and from then on what comes."""
        key = self.headers.get("Sec-WebSocket-Key", "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Sec-WebSocket-Accept", b64encode(sha1(key.encode()).digest()).decode())
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.wfile.write(self.headers.get("X-Auth-Subject", "nobody").encode() + b"\n")
        self.wfile.write(self.rfile.readline())
        self.close_connection = True

    def handle(self):
        """A proxy may reset a connection that it no longer needs."""
        with suppress(ConnectionResetError):
            super().handle()

    def log_message(self, *_):
        """Not into the tests' output."""


@contextmanager
def running_application():
    """The port of the application."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Application) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@contextmanager
def running_proxy(name, folder, *, service, application):
    """The address of a proxy that runs the configuration which is shipped, on free ports.

    `service` and `application` are the ports of what is behind it.
    """
    command = PROXIES[name]
    if shutil.which(command[0]) is None:
        complain = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        complain(f"needs {command[0]} on PATH; on Debian: apt-get install {command[0]}")
    port = free_port()
    ports = {":8080": f":{service}", ":9000": f":{application}", ":8000": f":{port}"}
    for path in SHIPPED.iterdir():
        text = path.read_text(encoding="utf-8")
        for shipped, ours in ports.items():
            text = text.replace(shipped, ours)
        (folder / path.name).write_text(text, encoding="utf-8")
    if name == "nginx":
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
