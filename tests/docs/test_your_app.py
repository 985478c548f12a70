"""The page about tests: its files are written as it names them, and pytest runs them."""

import re
import subprocess
from pathlib import Path

from nested_pytest import COMMAND
from web_django.new_project import suite_of

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-app.md"
PROJECT = re.compile(r"^```py\n# mysite/tests.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"^```py\n# (\w+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_tests_of_the_page_pass(tmp_path):
    """In an empty folder, with nothing configured; blocks of one name make one file."""
    blocks = FILE.findall(PAGE.read_text(encoding="utf-8"))
    for name, text in blocks:
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    command = [*COMMAND, "-W", "error"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    tests = sum(text.count("def test_") for _, text in blocks)
    assert f"{tests} passed" in done.stdout, done.stdout


def test_the_tests_of_a_django_project_pass(tmp_path):
    """In one that `startproject` has made, with the settings of the tutorial."""
    tests = "".join(PROJECT.findall(PAGE.read_text(encoding="utf-8")))
    ran = suite_of(tmp_path, tests)
    assert ran.returncode == 0, ran.stderr
    assert f"Ran {tests.count('def test_')} tests" in ran.stderr
