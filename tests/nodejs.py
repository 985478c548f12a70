"""Node.js with npm, and the npm package of this checkout, for tests."""

import fcntl
import os
import runpy
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "express"
script = runpy.run_path(str(ROOT / "scripts/npm.py"))


def environment(**more):
    """The environment in which `node` is one that is new enough; fails in CI without, and skips elsewhere."""
    return {**script["environment"](_node()), "HOLDFAST_PYTHON": sys.executable, **more}


def npm_command(*arguments):
    """What runs npm."""
    return script["command"](_node(), *arguments)


def npm(folder, *arguments, timeout=280, **more):
    """What npm says when it has done this in `folder`."""
    _, *rest = npm_command(*arguments)
    return node(folder, *rest, timeout=timeout, **more)


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
    """A copy of the npm package with what it needs, built: one for all tests of a run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    package, ready = folder / "express", folder / "express.ready"
    with (folder / "express.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            script["install"](_node(), PACKAGE)
            shutil.rmtree(package, ignore_errors=True)
            shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("node_modules", "dist"))
            package.joinpath("node_modules").symlink_to(PACKAGE / "node_modules")
            npm(package, "run", "build")
            ready.touch()
    return package


def _node():
    found = script["node"]()
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(script["MISSING"])
    pytest.skip(script["MISSING"])
