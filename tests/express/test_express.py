"""The npm package: its own tests, on a real service and real Express 4 and 5, run from here."""

import shutil
from pathlib import Path

import pytest

from nodejs import node, npm

PACKAGE = Path(__file__).parents[2] / "express"
EXAMPLE = PACKAGE.parent / "examples/express/app.mjs"


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """A copy with what it needs installed."""
    folder = tmp_path_factory.mktemp("npm") / "express"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    npm(folder, "ci", "--prefer-offline")
    return folder


@pytest.mark.timeout(600)
def test_the_package(package):
    """It builds as ES modules and as CommonJS, is clean, and keeps its promises."""
    npm(package, "test", HOLDFAST_EXAMPLE=str(EXAMPLE))
    npm(package, "run", "lint")
    both = (
        "import { createRequire } from 'node:module';"
        "const { holdfast } = createRequire(import.meta.url)('./dist/cjs/index.js');"
        "const es = await import('./dist/esm/index.js');"
        "console.log(typeof holdfast, typeof es.holdfast);"
    )
    said = node(package, "--input-type=module", "-e", both)
    assert said.split() == ["function", "function"]


def test_the_lock_file_names_no_registry():
    """Where packages come from is for whoever installs them."""
    assert '"resolved"' not in (PACKAGE / "package-lock.json").read_text()
