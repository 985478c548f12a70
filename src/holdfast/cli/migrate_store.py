"""`holdfast migrate-store`: move living sessions to another store while applications run."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from holdfast.cli import output
from holdfast.cli.options import Json


def migrate_store(
    source: Annotated[str, typer.Argument(metavar="FROM", help="URL of the old store.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="URL of the new store.")],
    *,
    json: Json = False,
) -> None:
    """Move all living sessions. May be broken off and run again; nobody is signed out or in.

    Every application must run with HOLDFAST_STORE=TO and HOLDFAST_STORE_FROM=FROM before.
    """
    from holdfast.assembly import now_ms
    from holdfast.errors import UsageError
    from holdfast.moving import move_all, open_moving

    if source == target:
        raise UsageError("FROM and TO are the same store")
    both = open_moving(target, source)
    try:
        with _progress(quiet=json) as progress:
            done = move_all(both, now=now_ms(), progress=progress)
    finally:
        both.close()
    sentence = f"{done.moved} sessions moved, {done.ended} had expired, {done.left} were left."
    output.said(sentence, json=json, **done._asdict())


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[float, int], None]]:
    """A bar on stderr: how far through the old store, and how many went over."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("Moving"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[moved]} moved"),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("move", total=1.0, moved=0)
        yield lambda part, moved: bar.update(task, completed=part, moved=moved)
