"""The page of the Python interface: what the documented modules export, read from their syntax."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pages import source
from pages.markdown import docstring

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULES = (
    "__init__.py",
    "assembly.py",
    "web/fastapi/__init__.py",
    "web/asgi.py",
    "web/flask/__init__.py",
    "web/flask/wtf.py",
    "web/django/__init__.py",
    "web/django/rest.py",
    "stores/__init__.py",
    "sinks.py",
    "protocols.py",
    "testing/__init__.py",
)
_ELSEWHERE = {"errors.py": "errors.md", "settings/__init__.py": "settings.md"}
_INTRO = """# Python interface

What this page names is public; everything else may change in any release. Errors have
[a page of their own](errors.md), settings [too](settings.md). `Sessions` has the methods of
`AsyncSessions` with the same arguments and results, without `await`.
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def page() -> str:
    """One section a module, one heading a name."""
    parts = [_INTRO]
    for path in _MODULES:
        tree = dict(source.trees()).get(path)
        if tree is not None:
            parts += _module(path, tree)
    return "\n".join(parts)


def _module(path: str, tree: ast.Module) -> list[str]:
    name = ".".join(("holdfast", *path.removesuffix(".py").removesuffix("__init__").split("/")))
    parts = [f"## `{name.strip('.')}`\n", docstring(ast.get_docstring(tree) or "") + "\n"]
    for exported in exports(tree):
        parts += definition(path, tree, exported, "###")
    return parts


def definition(path: str, tree: ast.Module, name: str, level: str) -> list[str]:
    """A name's heading, signature and text; nothing for what has a page of its own."""
    home, node = _found(path, tree, name)
    if home in _ELSEWHERE or node is None:
        return []
    if isinstance(node, ast.ClassDef):
        return _class(node, level)
    return _function(node, level)


def exports(tree: ast.Module) -> list[str]:
    """The names of `__all__`, or else everything public that the module defines."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | Function) and node.name[0] != "_"
    ]


def _found(path: str, tree: ast.Module, name: str) -> tuple[str, ast.ClassDef | Function | None]:
    """Where a name is defined, and its definition; imports of the package are followed."""
    for node in _top(tree):
        if isinstance(node, ast.ClassDef | Function) and node.name == name and not _typed(node):
            return path, node
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("holdfast"):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _in_module(node.module or "", alias.name)
    return path, None


def _typed(node: ast.ClassDef | Function) -> bool:
    """Whether this is one of several signatures, and the function itself follows."""
    return any(ast.unparse(mark) == "overload" for mark in node.decorator_list)


def _top(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, and what a package imports later: its checkers import it now."""
    for node in tree.body:
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body


def _in_module(module: str, name: str) -> tuple[str, ast.ClassDef | Function | None]:
    stem = module.removeprefix("holdfast").strip(".").replace(".", "/")
    for path in (f"{stem}.py", f"{stem}/__init__.py".lstrip("/")):
        tree = dict(source.trees()).get(path)
        if tree is not None:
            return _found(path, tree, name)
    return stem, None


def _class(node: ast.ClassDef, level: str) -> list[str]:
    parts = [f"{level} `{node.name}`\n", docstring(ast.get_docstring(node) or "") + "\n"]
    fields = [f"- `{text}`" for text in _fields(node)]
    if fields:
        parts.append("\n".join(fields) + "\n")
    for each in node.body:
        if not isinstance(each, Function):
            continue
        shown = each.name[0] != "_" or (each.name == "__init__" and not fields)
        if shown and (ast.get_docstring(each) or each.name == "__init__"):
            parts += _function(each, f"{level}#", node.name)
    return parts


def _fields(node: ast.ClassDef) -> Iterator[str]:
    """Fields of data classes, and members of enumerations."""
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and ast.unparse(each.target)[0] != "_":
            yield ast.unparse(each).replace("field(default_factory=", "(").replace("\n", " ")
        elif isinstance(each, ast.Assign) and ast.unparse(each.targets[0]).isupper():
            yield ast.unparse(each)


def _function(node: Function, level: str, owner: str = "") -> list[str]:
    if node.name == "__init__":
        return [f"```py\n{owner}({_arguments(node)})\n```\n"]
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    name = f"{owner}.{node.name}" if owner else node.name
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    call = f"{name}{returns}" if "property" in marks else f"{name}({_arguments(node)}){returns}"
    wait = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    text = docstring(ast.get_docstring(node) or "")
    return [f"{level} `{name}`\n", f"```py\n{wait}{call}\n```\n", f"{text}\n"]


def _arguments(node: Function) -> str:
    text = ast.unparse(node.args)
    first, _, rest = text.partition(", ")
    text = rest if first in {"self", "cls"} else text
    return text.removeprefix("/, ")
