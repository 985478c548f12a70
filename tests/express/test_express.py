"""The npm package: its own tests, on a real service and real Express 4 and 5, run from here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "express"
EXAMPLE = PACKAGE.parent / "examples/express/app.mjs"
PATIENCE_S = 280


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A copy with what it needs installed; skips without Node, but never in CI."""
    if shutil.which("npm") is None or _major() < 20:
        message = "Node 20 or later with npm is not installed; on Debian: apt install nodejs npm"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("npm") / "express"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    npm(folder, "ci", "--prefer-offline")
    return folder


def _major():
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    return int(said.stdout.lstrip("v").partition(".")[0] or 0)


def npm(folder, *arguments):
    done = subprocess.run(
        ["npm", *arguments],
        cwd=folder,
        env={**os.environ, "HOLDFAST_PYTHON": sys.executable, "HOLDFAST_EXAMPLE": str(EXAMPLE)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    return done.stdout


@pytest.mark.timeout(600)
def test_the_package(package):
    """It builds as ES modules and as CommonJS, is clean, and keeps its promises."""
    npm(package, "test")
    npm(package, "run", "lint")
    both = (
        "import { createRequire } from 'node:module';"
        "const { holdfast } = createRequire(import.meta.url)('./dist/cjs/index.js');"
        "const es = await import('./dist/esm/index.js');"
        "console.log(typeof holdfast, typeof es.holdfast);"
    )
    command = ["node", "--input-type=module", "-e", both]
    said = subprocess.run(command, cwd=package, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["function", "function"]


def test_the_lock_file_names_no_registry():
    """Where packages come from is for whoever installs them."""
    assert '"resolved"' not in (PACKAGE / "package-lock.json").read_text()
