"""The contract finds every defect: a test suite that cannot fail proves nothing."""

import re
import runpy
import subprocess
from pathlib import Path

import pytest

from nested_pytest import COMMAND

BROKEN_STORES = Path(__file__).with_name("broken_stores.py")
BROKEN = runpy.run_path(str(BROKEN_STORES))["BROKEN"]


@pytest.fixture(scope="module")
def failed():
    """The tests that failed in one run of the contract over all broken stores."""
    tests = [f"{BROKEN_STORES}::Test{each.__name__}::{each.found_by}" for each in BROKEN]
    options = ["--tb=no", "-rf", "-o", "addopts=", "-W", "error"]
    run = subprocess.run(
        [*COMMAND, *options, *tests],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    found = set(re.findall(r"^FAILED \S+?::Test(\w+::\w+)", run.stdout, re.MULTILINE))
    assert found, run.stdout + run.stderr
    return found


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_the_defect_is_found(failed, broken):
    """The test that is meant for this defect fails."""
    assert f"{broken.__name__}::{broken.found_by}" in failed


def test_whoever_overrides_nothing_is_told(pytester_run):
    """A contract without a store is a failure, never a row of skipped tests."""
    assert pytester_run("class TestNothing(StoreContract): ...").count("override the fixture") > 50


def test_one_handle_is_enough(pytester_run):
    """With `store` alone the tests run, but for those that need several handles."""
    output = pytester_run(
        "class TestOne(StoreContract):\n"
        "    examples = 1\n"
        "    @pytest.fixture\n"
        "    def store(self):\n"
        "        return MemoryStore()\n"
    )
    assert re.search(r"\d\d passed, 3 skipped", output)


@pytest.fixture
def pytester_run(tmp_path):
    """Run pytest on a file with this text; its output."""

    def run(text):
        file = tmp_path / "test_mine.py"
        file.write_text(
            f"import pytest\nfrom holdfast.testing import MemoryStore, StoreContract\n{text}"
        )
        return subprocess.run(
            [*COMMAND, file],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        ).stdout

    return run
