"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Home = Annotated[
    str | None,
    typer.Option("--home", help="Folder of the data; HOLDFAST_HOME, default .holdfast"),
]
Store = Annotated[
    str | None,
    typer.Option("--store", help="Store URL; HOLDFAST_STORE, default SQLite in the home folder"),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for programs, on stdout.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
