"""`holdfast sweep`: remove expired sessions now."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Annotated

import typer

from holdfast.cli import output
from holdfast.cli.opening import opened
from holdfast.cli.options import Home, Json, Store


def sweep(
    *,
    batch: Annotated[int, typer.Option(min=1, max=100_000, help="Records per batch.")] = 1000,
    home: Home = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Remove what has expired, in batches; never a living session."""
    with opened(home, store) as data, _progress(quiet=json) as progress:
        removed = data.assembly.blocking.sweep(limit=batch, progress=progress)
    output.said(f"{removed} expired records removed.", json=json, removed=removed)


@contextmanager
def _progress(*, quiet: bool) -> Generator[Callable[[int], None]]:
    """A bar on stderr, called with the running total; how much there is nobody knows before."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Sweeping"),
        BarColumn(),
        TextColumn("{task.completed:.0f} removed"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("sweep", total=None)
        yield lambda total: bar.update(task, completed=total)
