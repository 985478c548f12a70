"""`holdfast sessions`: list and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli import output
from holdfast.cli.opening import all_pages, opened
from holdfast.cli.options import Home, Json, Store, Yes

if TYPE_CHECKING:
    from holdfast.record import Record

commands = typer.Typer(help="Sessions of anybody: list and end them.", no_args_is_help=True)

Subject = Annotated[
    str,
    typer.Argument(metavar="SUBJECT|EMAIL", help="Whose sessions: a subject, or a user's e-mail."),
]


@commands.command("list")
def list_sessions(
    subject: Subject, *, home: Home = None, store: Store = None, json: Json = False
) -> None:
    """List the living sessions of one subject."""
    with opened(home, store) as data:
        whose = data.administration.subject_of(subject)
        engine = data.assembly.blocking
        found = all_pages(lambda after: engine.sessions_of(whose, after=after))
        sessions = [_shown(record) for record in found]
    if json:
        output.as_json(sessions)
        return
    columns = ("id", "device", "created_at", "last_seen_at", "address")
    rows = [[session[column] for column in columns] for session in sessions]
    output.table(columns, rows, none="No session.")


@commands.command()
def end(
    id: Annotated[str, typer.Argument(help="The id, as `sessions list` shows it.")],
    *,
    home: Home = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """End one session and every credential of it. Ending it twice is no error."""
    with opened(home, store) as data:
        ended = data.assembly.blocking.revoke(id, reason="ended_by_operator")
    sentence = "Ended." if ended else "There is no such session (any more)."
    output.said(sentence, json=json, ended=int(ended))


@commands.command()
def end_all(
    subject: Subject, *, home: Home = None, store: Store = None, json: Json = False
) -> None:
    """End all sessions of one subject."""
    with opened(home, store) as data:
        whose = data.administration.subject_of(subject)
        ended = data.assembly.blocking.revoke_all(whose)
    output.said(f"{ended} sessions ended.", json=json, ended=ended)


@commands.command()
def end_everyone(
    *, yes: Yes = False, home: Home = None, store: Store = None, json: Json = False
) -> None:
    """End every session there is, in constant time."""
    output.confirm("End every session of everybody?", yes=yes)
    with opened(home, store) as data:
        epoch = data.assembly.blocking.revoke_everyone()
    output.said("Everybody is signed out.", json=json, epoch=epoch)


def _shown(record: Record) -> dict[str, Any]:
    from holdfast.service.devices import label_of

    return {
        "id": record.id,
        "device": record.client.label or label_of(record.client.user_agent),
        "created_at": output.moment(record.created_at),
        "last_seen_at": output.moment(record.seen_at),
        "address": record.address,
    }
