"""``import holdfast`` loads what everybody needs and nothing else."""

import json
import subprocess
import sys

import pytest

# Loaded by the import of the root: these, and the standard library.
# msgspec loads typing_extensions where it finds it.
THIRD_PARTY = {"holdfast", "msgspec", "typing_extensions"}

# Of the standard library: what would cost milliseconds or tie the root to one kind of program.
NOT_LOADED = {"asyncio", "concurrent.futures", "http.client", "multiprocessing", "sqlite3", "ssl"}

PROGRAM = """
import sys
before = set(sys.modules)
import holdfast
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


@pytest.fixture(scope="module")
def loaded():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True
    )
    return set(json.loads(done.stdout))


def test_the_root_loads_no_framework_driver_or_jose_library(loaded):
    """No Starlette, redis, psycopg, PyJWT or cryptography before it is used."""
    packages = {name.partition(".")[0] for name in loaded}
    assert packages - set(sys.stdlib_module_names) <= THIRD_PARTY


def test_the_root_loads_no_event_loop_and_no_database(loaded):
    """A blocking program pays for no asyncio, and nobody for SQLite, before it is used."""
    assert loaded & NOT_LOADED == set()


@pytest.mark.parametrize("package", ["cli", "console", "service", "testing", "web"])
def test_the_root_loads_none_of_the_outer_layers(loaded, package):
    """Adapters, service and command line are loaded by those who use them."""
    outer = f"holdfast.{package}"
    assert {name for name in loaded if name == outer or name.startswith(outer + ".")} == set()
