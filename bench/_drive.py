"""Servers under load: start one, sign visitors in, drive it with wrk, stop it by its process id.

Beside requests a second each load reports the processor time of the server for one request, which
says the same on a machine that is busy with other things.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import _measure as measure

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CONNECTIONS = 32
SERVER_CPU, CLIENT_CPU = 0, (os.cpu_count() or 1) - 1
GLANCE = ["timeout", "--preserve-status", "--signal=INT", "0.5"]
"""Interrupts wrk, which says as always what it has found."""
PATIENCE_S = 30
TICKS = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """Answered requests a second, and the server's microseconds of processor time for each."""

    rate: float
    cpu_us: float


def free_port() -> int:
    """A TCP port on loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wrk(seconds: int) -> list[str]:
    """The beginning of a command that drives a server for so long, from the core of the clients."""
    return [*pinned(CLIENT_CPU), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]


def pinned(cpu: int) -> list[str]:
    """The beginning of a command that stays on one core."""
    return ["taskset", "-c", str(cpu)]


@contextmanager
def process(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    """The id of a server process that accepts connections on `port`; stopped at the end."""
    child = subprocess.Popen(
        command, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, cwd=HERE.parent
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"did not start: {' '.join(command)}")
            time.sleep(0.05)
        yield child.pid
    finally:
        child.terminate()
        child.wait(PATIENCE_S)


@contextmanager
def service(home: Path, port: int, *, cpu: int = SERVER_CPU, **settings: str) -> Iterator[int]:
    """The process id of a `holdfast serve` that lets everybody in, by default on the first core."""
    ours = [each for name in os.environ if name.startswith("HOLDFAST_") for each in ("-u", name)]
    given = {
        "HOME": str(home),
        "PORT": str(port),
        "PROFILE": "development",
        "AUTHENTICATOR": "bench.servers.anybody:check",
        **settings,
    }
    set_in = [f"HOLDFAST_{name}={value}" for name, value in given.items()]
    serve = [*pinned(cpu), sys.executable, "-m", "holdfast.cli", "serve"]
    with process(["env", *ours, *set_in, f"PYTHONPATH={HERE.parent}", *serve], port) as pid:
        yield pid


def cpu_s(pid: int) -> float:
    """Seconds of processor time, user and system, of a process and the workers it started."""
    spent, parents = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # a process that ended meanwhile
            fields = file.read_text().rpartition(")")[2].split()
            own = int(file.parent.name)
            parents[own], spent[own] = int(fields[1]), int(fields[11]) + int(fields[12])
    family = [pid]
    for each in family:
        family += [child for child, parent in parents.items() if parent == each]
    return sum(spent[each] for each in family) / TICKS


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """A Redis of our own for the peers; its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise SystemExit("the peers need redis-server; on Debian: apt-get install redis-server")
    port = free_port()
    options = ["--port", str(port), "--save", "", "--bind", "127.0.0.1", "--dir", str(folder)]
    with process([*pinned(CLIENT_CPU), binary, *options], port):
        yield f"redis://127.0.0.1:{port}/0"


class Server:
    """One application of `bench.servers` under one server program, on the first core."""

    def __init__(
        self,
        module: str,
        program: list[str],
        env: dict[str, str],
        *,
        signs_in: bool = True,
        posts: bool = True,
    ) -> None:
        self.port = free_port()
        self.module = module
        self.posts = posts
        self._command = self.command(program)
        self._env = env
        self._signs_in = signs_in
        self._visitors = Path(os.devnull)
        self._pid = 0

    def command(self, program: list[str]) -> list[str]:
        """What starts it."""
        app = f"bench.servers.{self.module}:app"
        return [sys.executable, "-m", *program, "--port", str(self.port), app]

    @contextmanager
    def running(self, visitors: Path, count: int) -> Iterator[None]:
        """The server, with `count` visitors signed in and checked."""
        with process([*pinned(SERVER_CPU), *self._command], self.port, self._env) as self._pid:
            rows = Visitors(self.port).sign_in(count) if self._signs_in else ["\t\t"]
            visitors.write_text("\n".join(rows) + "\n")
            self._visitors = visitors
            yield

    def visited_by(self, other: Server) -> None:
        """From now on get the same requests as another server."""
        self._visitors = other._visitors

    def warm(self, path: str) -> None:
        """Have every visitor there once."""
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        for row in self._visitors.read_text().splitlines():
            client.request("GET", path, headers={"Cookie": row.partition("\t")[0]})
            client.getresponse().read()
        client.close()

    def drive(self, method: str, path: str, seconds: int) -> Load:
        """What the server did in this time; stops everything if one answer is not 200.

        A server that answers nothing at all is asked once more, and then named. To see that it answers takes
        less than the second that wrk must be asked for at least, so a quick round interrupts it once.
        """
        for before in (GLANCE if measure.QUICK else [], []):
            load = self._drive(method, path, [*before, *wrk(seconds)])
            if load is not None:
                return load
            print(f"{method} {path} of {self.module}: no answer in {seconds} s", file=sys.stderr)
        raise SystemExit(f"{method} {path} of {self.module} is not answered")

    def _drive(self, method: str, path: str, command: list[str]) -> Load | None:
        env = {"BENCH_METHOD": method, "BENCH_PATH": path, "BENCH_VISITORS": str(self._visitors)}
        url, before = f"http://127.0.0.1:{self.port}", cpu_s(self._pid)
        done = subprocess.run(
            [*command, "-s", str(HERE / "visit.lua"), url],
            env={**os.environ, **env}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        result = next(row for row in done.stdout.splitlines() if row.startswith("RESULT"))
        rate, answered, bad = result.split()[1:]
        if bad != "0":
            raise SystemExit(f"{method} {path} of {self.module}: {bad} answers were not 200")
        spent = cpu_s(self._pid) - before
        if answered == "0" or spent <= 0:  # nobody, or so few that their price cannot be told
            return None
        return Load(float(rate), spent / int(answered) * 1e6)


class NodeServer(Server):
    """The same in Node; `program` is what runs the file, which reads its port from the environment."""

    def command(self, program: list[str]) -> list[str]:
        """What starts it."""
        file = HERE / "servers" / "express" / f"{self.module}.mjs"
        return ["env", f"PORT={self.port}", *program, str(file)]


class Visitors:
    """Signs users in over HTTP, and checks that the chain refuses what it must."""

    def __init__(self, port: int) -> None:
        self._client = http.client.HTTPConnection("127.0.0.1", port)

    def sign_in(self, count: int) -> list[str]:
        """Rows for `visit.lua`."""
        rows = [self._one(number) for number in range(count)]
        self._check(rows[0])
        return rows

    def _one(self, number: int) -> str:
        status, headers, body = self._send("POST", f"/login/{number}", {})
        bearer = body.get("access_token", "")
        if bearer:
            return f"\t\t{bearer}"
        cookies = _cookies(headers)
        status, headers, body = self._send("GET", "/csrf", {"Cookie": cookies})
        if not body.get(
            "token"
        ):  # double-submit libraries hand the cookie out with the first answer
            cookies = "; ".join(filter(None, (cookies, _cookies(headers))))
            status, headers, body = self._send("GET", "/csrf", {"Cookie": cookies})
        assert status == 200, status
        cookies = _merged(cookies, _cookies(headers))
        return f"{cookies}\t{body['token']}\t"

    def _check(self, row: str) -> None:
        cookie, token, bearer = row.split("\t")
        known = {"Authorization": f"Bearer {bearer}"} if bearer else {"Cookie": cookie}
        assert self._send("GET", "/me", known)[0] == 200
        assert self._send("GET", "/me", {})[0] == 401
        if not bearer:
            assert self._send("POST", "/note", known)[0] in {400, 403}
            proof = {"X-CSRF-Token": token, "X-CSRFToken": token}
            assert self._send("POST", "/note", known | proof)[0] == 200

    def _send(
        self, method: str, path: str, headers: dict[str, str]
    ) -> tuple[int, list[tuple[str, str]], dict[str, str]]:
        # Only what the handler reads: a server may close the connection after a body that nobody took.
        body = json.dumps({"text": "hello"}) if path == "/note" else None
        kind = {"Content-Type": "application/json"} if method == "POST" else {}
        self._client.request(method, path, body, {**kind, **headers})
        answer = self._client.getresponse()
        text = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, answer.getheaders(), json.loads(text) if is_json else {}


def _cookies(headers: list[tuple[str, str]]) -> str:
    pairs = [value.partition(";")[0] for name, value in headers if name.lower() == "set-cookie"]
    return "; ".join(pairs)


def _merged(old: str, new: str) -> str:
    pairs = dict(pair.split("=", 1) for text in (old, new) for pair in text.split("; ") if pair)
    return "; ".join(f"{name}={value}" for name, value in pairs.items())
