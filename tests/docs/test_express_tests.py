"""The page about tests of Express applications: its files are written as it names them, and Node runs them."""

import re
import sys
from pathlib import Path

import pytest

from nodejs import built_package, environment, node

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-express-app.md"
FILE = re.compile(r"^```js\n// ([\w.]+\.mjs)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(200)
def test_the_tests_of_the_page_pass(tmp_path_factory):
    """Below the built package, which therefore need not be installed."""
    folder = built_package(tmp_path_factory) / "how-to"
    folder.mkdir()
    files = FILE.findall(PAGE.read_text(encoding="utf-8"))
    for name, text in files:
        (folder / name).write_text(text, encoding="utf-8")
    tests = [name for name, _ in files if name.endswith(".test.mjs")]
    path = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    told = node(folder, "--test", "--test-reporter=tap", *tests, timeout=190, PATH=path)
    written = sum(len(re.findall(r"^test\(", text, re.MULTILINE)) for _, text in files)
    assert f"# pass {written}\n" in told, told
