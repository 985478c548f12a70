"""What is found by reading the syntax of the package and its tests."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "holdfast"
_NUMBER = re.compile(r"\b([RP])(\d{1,3})\b(?:\s*(?:to|-)\s*\1(\d{1,3}))?")


@cache
def trees(folder: Path = SOURCE) -> tuple[tuple[str, ast.Module], ...]:
    """Every module below a folder, by its path from there."""
    return tuple(
        (str(path.relative_to(folder)), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(folder.rglob("*.py"))
    )


def field_texts(module: str) -> dict[str, dict[str, str]]:
    """The string below each annotated field of each class of a module."""
    tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))
    found: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        texts = found.setdefault(node.name, {})
        for field, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = constant(below.value) if isinstance(below, ast.Expr) else None
                if isinstance(text, str):
                    texts[field.target.id] = " ".join(text.split())
    return found


def constant(node: ast.AST | None) -> object:
    """The value of a literal; None for anything else."""
    return node.value if isinstance(node, ast.Constant) else None


def strings() -> set[str]:
    """Every text literal of the package."""
    return {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def error_replies() -> dict[str, set[int]]:
    """Codes that are answered directly, with their statuses.

    A code stands beside its status in a call, or in a table of (code, message) by status or reason.
    """
    found: dict[str, set[int]] = {}
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and len(node.args) >= 2:
                _note(found, constant(node.args[0]), constant(node.args[1]))
            elif isinstance(node, ast.Dict):
                for key, given in zip(node.keys, node.values, strict=True):
                    if isinstance(given, ast.Tuple) and _is_reason(key):
                        _note(found, 401, constant(given.elts[0]))
                    elif isinstance(given, ast.Tuple):
                        _note(found, constant(key), constant(given.elts[0]))
    return found


def _is_reason(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Attribute) and ast.unparse(key.value) == "Reason"


def _note(found: dict[str, set[int]], status: object, word: object) -> None:
    if isinstance(status, int) and isinstance(word, str) and 400 <= status < 600:
        found.setdefault(word, set()).add(status)


def raised_events() -> set[str]:
    """The members of `EventName` that the package mentions outside their definition."""
    return {
        node.attr
        for name, tree in trees()
        if name != "events.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "EventName"
    }


def named_requirements() -> dict[str, list[str]]:
    """The tests that name a requirement, in their docstring or body: `R14` to `file::test`.

    Tests of the published contract are named `StoreContract.test`.
    """
    found: dict[str, list[str]] = {}
    for folder, prefix in (
        (ROOT / "tests", "{}::"),
        (SOURCE / "testing" / "contracts", "StoreContract."),
    ):
        for name, tree in trees(folder):
            lines = (folder / name).read_text(encoding="utf-8").splitlines()
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_test(node):
                    for number in sorted(set(numbers(_text(node, lines)))):
                        found.setdefault(number, []).append(prefix.format(name) + node.name)
    return found


def _is_test(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("test_")


def _text(node: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> str:
    start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return "\n".join(lines[start - 1 : node.end_lineno])


def cited_requirements() -> set[str]:
    """The numbers that the package's own text cites."""
    texts = (path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    return {number for text in texts for number in numbers(text)}


def numbers(text: str) -> Iterator[str]:
    """The requirements that a text names, also those inside a range."""
    for letter, first, last in _NUMBER.findall(text):
        for number in range(int(first), int(last or first) + 1):
            yield f"{letter}{number}"
