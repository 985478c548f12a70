"""Every Python example of the documentation runs: page by page, in order, in an empty folder.

A page's ``python`` blocks share one module, so that later ones build on earlier ones; what readers
need not see stands in a comment, ``<!-- python … -->``. Blocks marked ``py`` are not run.
"""

import logging
import re
import secrets
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^(?:```python|<!-- python)\n(.*?)^(?:```|-->)$", re.MULTILINE | re.DOTALL)


def blocks(page):
    """The examples of a page, each preceded by as many empty lines as make its lines the page's."""
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        yield "\n" * text.count("\n", 0, found.start(1)) + found[1]


def pages():
    every = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    return [page for page in every if "_build" not in page.parts and any(blocks(page))]


@pytest.fixture
def quiet():
    """Some frameworks turn on logging for the whole process; afterwards it is as before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def example(tmp_path, monkeypatch, quiet):
    """The module of a page: a folder of its own, and a secret in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOLDFAST_SECRET", secrets.token_urlsafe(32))
    monkeypatch.delenv("HOLDFAST_STORE", raising=False)
    module = types.ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    return module


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, example):
    """What a page prints as Python works as printed, and its assertions hold."""
    for source in blocks(page):
        exec(compile(source, str(page), "exec"), vars(example))
