"""All commands under one name."""

from __future__ import annotations

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

app = typer.Typer(
    name="holdfast",
    help="Sessions that end when you say so.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
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
