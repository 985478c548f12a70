"""What commands print: tables and sentences for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import typer

from holdfast.errors import UsageError


def as_json(value: Any) -> None:
    """One JSON value on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, none: str) -> None:
    """A table on stdout, or the sentence `none` if it has no rows. Nothing is cut off in a pipe."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        print(none)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(_shown(cell)) for cell in row))
    width = None if sys.stdout.isatty() else 1000
    Console(width=width, highlight=False).print(shown)


def said(sentence: str, *, json: bool, **fields: Any) -> None:
    """What was done: a sentence for people, or the fields for programs."""
    if json:
        as_json(fields)
    else:
        print(sentence)


def moment(ms: int) -> str:
    """A time for people and programs alike."""
    from holdfast.service.moments import iso

    return iso(ms)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before what cannot be undone.

    Raises:
        UsageError: nobody is there to ask, and `--yes` was not given.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask; add --yes")
    typer.confirm(question, abort=True)


def _shown(cell: Any) -> str:
    text = "-" if cell is None else str(cell)
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
