"""The npm package: its own tests, on a real service and real Express 4 and 5, run from here."""

import runpy

import pytest

from nodejs import PACKAGE, built_package, node, npm

EXAMPLE = PACKAGE.parent / "examples/express/app.mjs"


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    return built_package(tmp_path_factory)


@pytest.mark.timeout(600)
def test_the_package(package):
    """It works as ES modules and as CommonJS, and keeps its promises.

    It is not built again under other tests that use the same copy.
    """
    npm(package, "test", "--ignore-scripts", HOLDFAST_EXAMPLE=str(EXAMPLE))
    both = (
        "import { createRequire } from 'node:module';"
        "const { holdfast } = createRequire(import.meta.url)('./dist/cjs/index.js');"
        "const es = await import('./dist/esm/index.js');"
        "console.log(typeof holdfast, typeof es.holdfast);"
    )
    said = node(package, "--input-type=module", "-e", both)
    assert said.split() == ["function", "function"]


@pytest.mark.parametrize("folder", ["express", "bench/servers/express"])
def test_a_lock_file_names_no_registry(folder):
    """Where packages come from is for whoever installs them."""
    assert '"resolved"' not in (PACKAGE.parent / folder / "package-lock.json").read_text()


def test_a_missing_node_is_no_success(monkeypatch, capsys):
    """`scripts/lint` asks this, and fails on a server for integration."""
    main = runpy.run_path(str(PACKAGE.parent / "scripts/npm.py"))["main"]
    monkeypatch.setitem(main.__globals__, "node", lambda: None)
    assert main(["express", "run", "check"]) == 1
    assert "Node 20 or later with npm is missing" in capsys.readouterr().err
