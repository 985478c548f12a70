"""The package stays readable: short functions, files that fit in a head, no leftovers."""

import runpy
import statistics
from pathlib import Path

import pytest

sizes = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "sizes.py"))


@pytest.fixture(scope="module")
def functions():
    found = sizes["functions"]()
    if not found:
        pytest.skip("the package has no function yet")
    return found


def test_most_functions_are_short(functions):
    """Half of the functions have fewer than ten lines, their docstrings not counted."""
    assert statistics.median(function.length for function in functions) < 10


def test_hardly_any_function_is_long(functions):
    """At most two functions in a hundred have more than thirty lines."""
    long = [function for function in functions if function.length > sizes["LONG_FUNCTION"]]
    assert len(long) <= 0.02 * len(functions), long


def test_no_file_is_long():
    """No module of the package has more than 320 lines."""
    assert {path: length for path, length in sizes["files"]().items() if length > 320} == {}


def test_adapters_are_thin():
    """What differs between frameworks fits in 150 lines; the rest belongs to the chain."""
    adapters = {path: n for path, n in sizes["files"]().items() if path.startswith("web/")}
    assert {path: length for path, length in adapters.items() if length > 150} == {}


def test_nothing_is_called_utils():
    """A module is named after what it does."""
    drawers = {"common", "helper", "helpers", "misc", "util", "utils"}
    paths = [Path(path).with_suffix("") for path in sizes["files"]()]
    named = {part.strip("_") for path in paths for part in path.parts}
    assert named & drawers == set()


def test_the_docstring_is_not_counted(tmp_path):
    """The report measures code: signature and body, without the docstring; `...` is no code."""
    module = tmp_path / "module.py"
    module.write_text(
        'def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n    return a\n\ndef g(): ...\n'
    )
    (function,) = sizes["functions"](tmp_path)
    assert (function.name, function.line, function.length) == ("f", 1, 4)
