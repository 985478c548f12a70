"""``import holdfast`` loads nothing, and its names what everybody needs and nothing else."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import holdfast
import holdfast.testing

# Loaded by the names of the root: these, and the standard library.
# msgspec loads typing_extensions where it finds it.
THIRD_PARTY = {"holdfast", "msgspec", "typing_extensions"}

# Of the standard library: what would cost milliseconds or tie the root to one kind of program.
NOT_LOADED = {"asyncio", "concurrent.futures", "http.client", "multiprocessing", "sqlite3", "ssl"}

PROGRAM = """
import sys
{}
before = set(sys.modules)
{}
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded_by(code, after=""):
    command = [sys.executable, "-c", PROGRAM.format(after, code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def loaded():
    """By all names together; `import *` asks for each."""
    return loaded_by("from holdfast import *")


def of_others(names):
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)


def test_the_root_alone_loads_nothing():
    """Who wants one module of ours, such as the pytest plugin, does not wait for the engine."""
    names = loaded_by("import holdfast")
    assert of_others(names) == {"holdfast"}
    assert {name for name in names if name.startswith("holdfast.")} == {"holdfast.later"}


def test_a_name_loads_what_it_needs():
    """An application that catches an error of ours in one place imports just that."""
    assert of_others(loaded_by("from holdfast import Conflict")) == {"holdfast"}


def test_the_names_load_no_framework_driver_or_jose_library(loaded):
    """No Starlette, redis, psycopg, PyJWT or cryptography before it is used."""
    assert of_others(loaded) <= THIRD_PARTY


def test_the_names_load_no_event_loop_and_no_database(loaded):
    """A blocking program pays for no asyncio, and nobody for SQLite, before it is used."""
    assert loaded & NOT_LOADED == set()


@pytest.mark.parametrize("package", ["cli", "console", "service", "testing", "web"])
def test_the_names_load_none_of_the_outer_layers(loaded, package):
    """Adapters, service and command line are loaded by those who use them."""
    outer = f"holdfast.{package}"
    assert {name for name in loaded if name == outer or name.startswith(outer + ".")} == set()


def test_the_pytest_plugin_loads_nothing_of_ours():
    """It is in every run of everybody who has Holdfast installed, most of which never use it."""
    names = loaded_by("import holdfast.testing.plugin", after="import pytest")
    assert of_others(names) == {"holdfast"}
    assert {name for name in names if name.startswith("holdfast.")} == {
        "holdfast.later",
        "holdfast.testing",
        "holdfast.testing.clock",
        "holdfast.testing.plugin",
    }


def test_the_command_line_loads_no_work_of_its_commands():
    """`--version`, `--help` and completion name every command, and carry out none."""
    names = loaded_by("import holdfast.cli.program", after="import typer")
    assert of_others(names) == {"holdfast"}
    ours = {name for name in names if name.startswith("holdfast.")}
    commands = {name for name in ours if name.startswith("holdfast.cli")}
    assert ours - commands == {"holdfast.errors", "holdfast.later"}


def test_a_command_that_opens_the_data_loads_no_server(tmp_path):
    """Nor an event loop: an administrator waits for each start, and a script for hundreds."""
    arguments = ["holdfast", "sessions", "list", "ada", "--home", str(tmp_path)]
    run = f"import sys; sys.argv = {arguments}; from holdfast.cli import main"
    names = loaded_by(f"{run}\ntry: main()\nexcept SystemExit: pass", after="import typer")
    assert "holdfast.cli.opening" in names
    assert of_others(names) & {"starlette", "uvicorn", "anyio"} == set()
    assert "asyncio" not in names


@pytest.mark.parametrize("package", [holdfast, holdfast.testing], ids=lambda each: each.__name__)
def test_type_checkers_see_the_names_that_programs_get(package):
    """The table of what is imported later says the same as the imports that only checkers make."""
    tree = ast.parse(Path(package.__file__).read_text(encoding="utf-8"))
    (branch,) = (node for node in tree.body if isinstance(node, ast.If))
    (table,) = (node for node in ast.walk(branch) if isinstance(node, ast.Dict))
    seen = {node.module: {each.name for each in node.names} for node in branch.body}
    assert {home: set(names) for home, names in ast.literal_eval(table).items()} == seen
    assert sorted(package.__all__) == sorted(set().union(*seen.values()))
    for home, names in seen.items():
        for name in names:
            assert getattr(package, name) is getattr(import_module(home), name)


def test_no_other_name_is_there():
    """As of any module."""
    with pytest.raises(AttributeError, match="module 'holdfast' has no attribute 'Sesion'"):
        _ = holdfast.Sesion


def test_what_belongs_to_a_framework_is_looked_for_here_and_named():
    """`from holdfast import Holdfast`, as of other extensions."""
    for name in ("Holdfast", "require", "csrf_token"):
        with pytest.raises(ImportError, match=r"from holdfast\.web\.fastapi import"):
            _ = getattr(holdfast, name)
        assert hasattr(import_module("holdfast.web.fastapi"), name)
        assert hasattr(import_module("holdfast.web.flask"), name)
