"""The menu in scripts/: system packages are installed only where that is allowed, and never in silence."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEBIAN = Path("/etc/debian_version").exists()
MENU = ("run", "test", "lint", "bench", "docs")


@pytest.fixture
def machine(tmp_path):
    """A PATH on which `apt-get` and `id` are ours: what was installed, and who we are."""

    class Machine:
        def __init__(self):
            self.log = tmp_path / "installed"
            self.programs = tmp_path / "bin"
            self.programs.mkdir()
            self.says("apt-get", f'echo "$*" >> {self.log}')
            self.is_user(0)

        def says(self, name, script):
            path = self.programs / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

        def is_user(self, number):
            self.says("id", f"echo {number}")

        def run(self, lines, **variables):
            script = f". scripts/env.sh\n{lines}"
            path = f"{self.programs}:{os.environ['PATH']}"
            return subprocess.run(
                ["sh", "-c", script, "scripts/run"],
                cwd=ROOT,
                env={**os.environ, **variables, "PATH": path},
                capture_output=True,
                text=True,
                check=False,
            )

        @property
        def installed(self):
            return self.log.read_text() if self.log.exists() else ""

    return Machine()


@pytest.mark.skipif(not DEBIAN, reason="only Debian has apt-get")
def test_root_on_debian_installs_and_says_so(machine):
    """The packages by name, on standard error."""
    done = machine.run("install_system chromium")
    assert done.returncode == 0
    assert "Installing system packages: chromium" in done.stderr
    assert re.search(r"^install .*chromium$", machine.installed, re.MULTILINE)


def test_nobody_else_installs(machine):
    """Who is not root is told by the status, and nothing is called."""
    machine.is_user(1000)
    assert machine.run("install_system chromium").returncode != 0
    assert machine.installed == ""


def test_no_install_installs_nothing(machine):
    """Not even as root."""
    done = machine.run("install_system chromium", NO_INSTALL="yes")
    assert (done.returncode != 0, machine.installed) == (True, "")


@pytest.mark.parametrize("arguments", ["--no-install", "-k nothing --no-install -q"])
def test_the_option_may_stand_anywhere(machine, arguments, tmp_path):
    """`scripts/test` takes it out of the arguments of pytest."""
    text = (ROOT / "scripts" / "test").read_text()
    loop = text[text.index("for argument; do") : text.index("missing=")]
    done = machine.run(f'set -- {arguments}\n{loop}\necho "$NO_INSTALL/$*"')
    rest = arguments.replace("--no-install", "").split()
    assert done.stdout.strip() == f"yes/{' '.join(rest)}"


def test_an_old_python_is_refused(machine):
    """With what would help."""
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "old"):
        machine.says(name, "exit 1")
    done = machine.run("base_python", HOLDFAST_PYTHON="old")
    assert done.returncode == 1
    assert "Python 3.11 or later" in done.stderr


@pytest.mark.parametrize("name", MENU)
def test_the_menu_is_complete(name):
    """Each entry is executable, explains itself, and is in CONTRIBUTING."""
    path = ROOT / "scripts" / name
    assert path.stat().st_mode & 0o111
    assert path.read_text().splitlines()[1].startswith("# ")
    assert f"`scripts/{name}`" in (ROOT / "CONTRIBUTING.md").read_text()


def test_ci_runs_the_tests_and_the_rest():
    """`.ci/run` is the menu, in a clean environment."""
    text = (ROOT / ".ci" / "run").read_text()
    for name in ("lint", "docs", "test"):
        assert f"scripts/{name}" in text
    assert "env -i" in text
