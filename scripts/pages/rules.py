"""One page a rule: what its module says, its functions, its tests, the requirements it cites."""

from __future__ import annotations

import ast
from functools import partial
from typing import TYPE_CHECKING

from pages import source
from pages.api import definition, exports
from pages.markdown import code, docstring, table
from pages.words import requirements

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = source.SOURCE / "rules"


def builders() -> dict[str, Callable[[], str]]:
    """The builder of each page, by its path from docs/reference/."""
    names = sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__")
    return {f"rules/{name}.md": partial(_page, name) for name in names}


def _page(name: str) -> str:
    text = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    parts = [f"# Rule: {name}\n", docstring(ast.get_docstring(tree) or "") + "\n"]
    parts.append(f"The module is `holdfast.rules.{name}`. It is pure: no clock, no I/O.\n")
    for exported in exports(tree):
        parts += definition(f"rules/{name}.py", tree, exported, "##")
    cited = set(source.numbers(text))
    rows = [row for row in requirements() if row[0] in cited]
    if rows:
        parts += ["## Requirements\n", table(("number", "source", "in short"), rows)]
    test = source.ROOT / "tests" / "rules" / f"test_{name}.py"
    parts += [f"Tests: {code(str(test.relative_to(source.ROOT)))}.\n"] if test.is_file() else []
    return "\n".join(parts)
