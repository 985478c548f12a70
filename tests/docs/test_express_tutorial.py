"""The tutorial for Express, pasted: a service, an application in Node, and curl in front of it.

Blocks marked ``bash`` are pasted into one shell, and a ``text`` block below one is what it prints. Those
marked ``sh`` go on running in terminals of their own. The ``js`` block is the file that the page names.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from nodejs import built_package, environment, npm_command
from service.running import free_port, until

PAGE = Path(__file__).parents[2] / "docs/tutorial/express.md"
BLOCK = re.compile(r"^```(bash|sh|js|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END = "--- end of block ---"


class Desk:
    """Somebody who pastes blocks, in a folder; on other ports, and from a clone that is built."""

    def __init__(self, folder, package):
        self._folder = folder
        self.service, self.app = free_port(), free_port()
        self._replaced = {
            ":8080": f":{self.service}",
            "3000": str(self.app),
            "pip install": "true",
            "/path/to/the/clone/express": str(package),
            "npm ci && npm pack": "npm pack --silent --ignore-scripts >&2",
            "npm install": "npm install --silent --prefer-offline",
        }
        path = f"{Path(sys.executable).parent}:{environment()['PATH']}"
        clean = {
            name: text for name, text in os.environ.items() if not name.startswith("HOLDFAST_")
        }
        self._environment = clean | {"PATH": path, "HOLDFAST_PORT": str(self.service)}

    def here(self, text):
        for printed, ours in self._replaced.items():
            text = text.replace(printed, ours)
        return text

    @contextmanager
    def terminal(self, *arguments, **options):
        """A shell, and what it has started, until the page is through."""
        command = ["bash", "-euo", "pipefail", *arguments]
        given = {"cwd": self._folder, "env": self._environment, "start_new_session": True}
        with subprocess.Popen(command, **given, **options, text=True) as process:
            try:
                yield process
            finally:
                os.killpg(process.pid, signal.SIGTERM)


def pasted(shell, text):
    """What a shell prints for this block."""
    shell.stdin.write(f"{text}echo '{END}'\n")
    shell.stdin.flush()
    lines = []
    for line in shell.stdout:
        before, end, _ = line.partition(END)
        lines.append(before)
        if end:
            return "".join(lines)
    pytest.fail(f"a block failed:\n{text}")


def answers(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/me").status_code < 500
    except httpx.TransportError:
        return False


@pytest.mark.timeout(200)
def test_the_tutorial_works_as_it_is_printed(tmp_path, tmp_path_factory):
    """From an empty folder to a log-out on all devices."""
    desk = Desk(tmp_path, built_package(tmp_path_factory))
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    (app,) = (text for kind, text in blocks if kind == "js")
    (tmp_path / "app.mjs").write_text(desk.here(app), encoding="utf-8")
    (service, program) = (desk.here(text) for kind, text in blocks if kind == "sh")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with desk.terminal(**pipes) as shell:
        pasted(shell, f'npm() {{ {shlex.join(npm_command())} "$@" </dev/null; }}\n')
        install, *rest = blocks
        pasted(shell, desk.here(install[1]))
        with desk.terminal("-c", service), desk.terminal("-c", program):
            until(lambda: answers(desk.service) and answers(desk.app), "service and application")
            printed = ""
            for kind, text in rest:
                if kind == "bash":
                    printed = pasted(shell, desk.here(text))
                elif kind == "text":
                    assert printed.strip() == text.strip()
