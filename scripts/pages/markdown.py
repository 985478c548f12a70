"""Small pieces of Markdown, and how values and docstrings are written in the reference."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast import Rate

if TYPE_CHECKING:
    from collections.abc import Iterable

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; pipes in cells are escaped."""
    names = list(head)
    lines = [_row(names), "|" + "---|" * len(names)]
    return "\n".join([*lines, *(_row(row) for row in rows)]) + "\n"


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`" if text else ""


def value(thing: object) -> str:
    """A default, as a person would say it."""
    if isinstance(thing, timedelta):
        return duration(thing)
    if isinstance(thing, Rate):
        return f"{thing.limit} in {duration(thing.period)}"
    return "empty" if thing in ("", (), {}) else code(str(thing) if thing is None else repr(thing))


def duration(time: timedelta) -> str:
    """The largest units that hold it exactly: "7 days", "90 minutes"."""
    seconds = int(time.total_seconds())
    if seconds == 86_400:
        return "24 hours"
    size, unit = next(((s, u) for s, u in _UNITS if seconds and seconds % s == 0), (1, "second"))
    count = seconds // size
    return f"{count} {unit}" + ("" if count == 1 else "s")


def first_line(thing: object) -> str:
    """A docstring up to its first empty line, in one line."""
    paragraph = (inspect.getdoc(thing) or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


def docstring(text: str) -> str:
    """A docstring in Google's form, with its Args and Raises as lists."""
    parts: list[str] = []
    for block in re.split(r"\n(?=(?:Args|Raises|Returns|Yields):\n)", inspect.cleandoc(text)):
        head, _, rest = block.partition(":\n")
        if head in {"Args", "Raises", "Returns", "Yields"}:
            body, _, after = _indented(rest)
            parts.append(f"{head}:\n\n{_listed(body)}\n\n{after}".strip())
        else:
            parts.append(block.strip())
    return "\n\n".join(parts)


def _indented(text: str) -> tuple[str, str, str]:
    lines = text.split("\n")
    end = next((at for at, line in enumerate(lines) if line and line[0] != " "), len(lines))
    return "\n".join(lines[:end]), "", "\n".join(lines[end:])


def _listed(text: str) -> str:
    items = re.split(r"\n(?! )", inspect.cleandoc(text))
    found = []
    for item in items:
        name, colon, what = " ".join(item.split()).partition(": ")
        found.append(f"- `{name}`: {what}" if colon else f"- {name}")
    return "\n".join(found)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
