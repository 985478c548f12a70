"""A browser with sockets and streams, over real connections; and a server in a process of its own."""

import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from held.site import BOUND
from service.running import free_port, until

TESTS = Path(__file__).parents[1]
DEADLINE = 20


FACTORY = "held.site:from_environment"
UVICORN = ("uvicorn", "--factory", FACTORY, "--port", "{port}", "--no-access-log")


class Process:
    """The site under a server."""

    def __init__(self, store, server=UVICORN):
        self.port = free_port()
        arguments = [part.format(port=self.port) for part in server]
        environment = os.environ | {"HOLDFAST_STORE": store, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        until(self._listens, "the server")

    def ended(self):
        return httpx.get(f"http://127.0.0.1:{self.port}/ended").json()

    def stop(self):
        """End it; what it has printed."""
        self.process.terminate()
        try:
            return self.process.communicate(timeout=DEADLINE)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(self.process.communicate()[0]) from None

    def _listens(self):
        assert self.process.poll() is None, self.process.stdout.read()
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", self.port)) == 0


class Browser:
    """Signed in at one process, known at all."""

    def __init__(self, port, user="ann"):
        self.client = httpx.Client()
        self._open = []
        assert self.post(port, "/login", user=user) == 200
        self.cookie = f"session={self.client.cookies['session']}"

    def post(self, port, path, **fields):
        url = f"http://127.0.0.1:{port}"
        token = self.client.get(f"{url}/csrf").json()
        return self.client.post(
            f"{url}{path}", json=fields, headers={"X-CSRF-Token": token}
        ).status_code

    def tokens(self, port):
        url = f"http://127.0.0.1:{port}"
        token = self.client.get(f"{url}/csrf").json()
        return self.client.post(f"{url}/tokens", headers={"X-CSRF-Token": token}).json()

    def socket(self, port, path, **headers):
        origin = {"Origin": f"http://127.0.0.1:{port}", "Cookie": self.cookie}
        self._open.append(Socket(port, path, headers or origin))
        return self._open[-1]

    def stream(self, port, path):
        self._open.append(Stream(port, path, self.cookie))
        return self._open[-1]

    def half(self, port, path):
        """A POST of which the headers are sent, and nothing else."""
        token = self.client.get(f"http://127.0.0.1:{port}/csrf").json()
        self._open.append(Half(port, path, self.cookie, token))
        return self._open[-1]

    def close(self):
        self.client.close()
        for each in self._open:
            each.close()


class Socket:
    """One WebSocket."""

    def __init__(self, port, path, headers):
        self._wire = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self._speech = WSConnection(ConnectionType.CLIENT)
        self._events = iter(())
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        request = Request(host=f"127.0.0.1:{port}", target=path, extra_headers=lines)
        self._wire.sendall(self._speech.send(request))
        event = self._next()
        assert isinstance(event, AcceptConnection), event

    def say(self, text):
        self._wire.sendall(self._speech.send(TextMessage(text)))

    def text(self):
        event = self._next()
        assert isinstance(event, TextMessage), event
        return event.data

    def closed(self):
        """The code with which the server closes it; answers only then."""
        event = self._next()
        assert isinstance(event, CloseConnection), event
        return event.code

    def close(self):
        self._wire.close()

    def _next(self):
        while True:
            for event in self._events:
                return event
            data = self._wire.recv(65536)
            assert data, "the connection was lost"
            self._speech.receive_data(data)
            self._events = self._speech.events()


class Stream:
    """An answer that goes on; `rest` reads it to its end."""

    def __init__(self, port, path, cookie):
        self._wire = socket.create_connection(("127.0.0.1", port), DEADLINE)
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n"
        self._wire.sendall(head.encode())
        self._seen = b""
        while b"ann\n" not in self._seen:
            self._seen += self._read()
        assert self._seen.startswith(b"HTTP/1.1 200"), self._seen

    def rest(self):
        """Whether it was completed, rather than cut off."""
        while data := self._read():
            self._seen += data
            if self._seen.endswith(b"\r\n0\r\n\r\n"):
                return True
        return False

    def close(self):
        self._wire.close()

    def _read(self):
        return self._wire.recv(65536)


class Half:
    """A POST with a long body."""

    LENGTH = 10_000

    def __init__(self, port, path, cookie, token):
        self._wire = socket.create_connection(("127.0.0.1", port), DEADLINE)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
            f"X-CSRF-Token: {token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {self.LENGTH}\r\n\r\n"
        )
        self._wire.sendall(head.encode() + b"{")

    def drip(self):
        """Send more by the byte, until there is an answer: its status."""
        for _ in range(self.LENGTH - 2):
            self._wire.sendall(b" ")
            if select.select([self._wire], [], [], 0.02)[0]:
                return int(self._wire.recv(4096).split()[1])
        raise AssertionError("no answer")

    def finish(self):
        """Send all the rest: the status of the answer."""
        self._wire.sendall(b" " * (self.LENGTH - 2) + b"}")
        return int(self._wire.recv(4096).split()[1])

    def close(self):
        self._wire.close()


def within_the_bound(ends, since):
    """What `ends` says, which must come in time."""
    answer = ends()
    assert time.monotonic() - since < BOUND
    return answer
