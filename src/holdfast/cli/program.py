"""All commands under one name."""

from __future__ import annotations

from typing import Annotated

import typer

from holdfast.cli import (
    convert_sessions,
    doctor,
    keys,
    migrate_store,
    serve,
    service_key,
    sessions,
    sweep,
    user,
    version,
)


def _version(asked: bool) -> None:
    if asked:
        version.version()
        raise typer.Exit


app = typer.Typer(
    name="holdfast",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sessions that end when you say so.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def program(
    *,
    shown: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Sessions that end when you say so."""


app.command()(serve.serve)
app.add_typer(user.commands, name="user")
app.add_typer(sessions.commands, name="sessions")
app.add_typer(keys.commands, name="keys")
app.command("service-key")(service_key.service_key)
app.command()(sweep.sweep)
app.command("migrate-store")(migrate_store.migrate_store)
app.add_typer(convert_sessions.commands, name="convert-sessions")
app.command()(doctor.doctor)
app.command()(version.version)
