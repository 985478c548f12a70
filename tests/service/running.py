"""A real service in processes of its own, on a free port."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import httpx

from service.clients import bearer

COMMAND = (sys.executable, "-m", "holdfast.cli")
SERVE = (*COMMAND, "serve")
DEADLINE = 30
DEMO = re.compile(r"^Demo user: (\S+) / (\S+)$", re.MULTILINE)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(home=None, **variables):
    """The variables of this test process without ours, and these."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("HOLDFAST_")}
    given = variables if home is None else {"HOME": home, **variables}
    ours = {f"HOLDFAST_{name}": str(value) for name, value in given.items()}
    return clean | {"PYTHONUNBUFFERED": "1"} | ours


def command(home, *arguments, input=None, **variables):
    """One run of the command line, to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(home, **variables),
        input=input,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def answers(url):
    """Whether an application is up whose `/me` is for people who are signed in."""
    try:
        return httpx.get(f"{url}/me").status_code == 401
    except httpx.TransportError:
        return False


class Server:
    """`holdfast serve`, started and answering; or another command that runs it, in a folder."""

    def __init__(
        self,
        home: Path | None,
        *arguments,
        port=None,
        start=SERVE,
        folder=None,
        within=DEADLINE,
        paths=(),
        **variables,
    ):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines = []
        self.process = subprocess.Popen(
            [*start, *arguments],
            cwd=folder,
            env=environment(home, PORT=self.port, **variables) | _python_path(paths),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for(f"Listening on {self.url}", within)

    def _read(self):
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))

    @property
    def output(self):
        return "\n".join(self.lines)

    @property
    def credentials(self):
        """E-mail and password that were printed."""
        return DEMO.search(self.output).groups()

    @property
    def workers(self):
        """The ids of the worker processes."""
        found = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        return [int(line.split()[0]) for line in found.splitlines() if "spawn_main" in line]

    def wait_for(self, text, seconds=DEADLINE):
        until(lambda: text in self.lines or self.process.poll() is not None, text, seconds)
        assert text in self.lines, self.output

    def login(self):
        """Tokens of the demo user."""
        email, password = self.credentials
        answer = httpx.post(f"{self.url}/login", json={"email": email, "password": password})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def me(self, tokens):
        """The status of a call with an access token, on a connection of its own."""
        return httpx.get(f"{self.url}/api/me", headers=bearer(tokens["access_token"])).status_code

    def stop(self, with_signal=signal.SIGTERM):
        """End the process; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        status = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return status

    def pause(self):
        """Stop it where it is, as a machine that hangs."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self):
        """Let it go on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def kill(self):
        """End the whole process group at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(DEADLINE)


def _python_path(paths):
    """Where the service finds modules of the tests, such as an authenticator."""
    known = os.environ.get("PYTHONPATH")
    every = [*map(str, paths), *([known] if known else [])]
    return {"PYTHONPATH": os.pathsep.join(every)} if paths else {}


def until(holds, what, seconds=DEADLINE):
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.02)
