"""`holdfast user`: the accounts of the service. Passwords come from a prompt or stdin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli import output
from holdfast.cli.opening import all_pages, opened
from holdfast.cli.options import Home, Json, Store, Yes

if TYPE_CHECKING:
    from holdfast.service.users import User

commands = typer.Typer(help="Accounts of the service.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="EMAIL|SUBJECT", help="E-mail address or subject.")]


@commands.command()
def add(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    *,
    role: Annotated[str | None, typer.Option(help="Goes into access tokens.")] = None,
    home: Home = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Add a user; the password is asked for, or read from stdin."""
    with opened(home, store) as data:
        user = data.administration.add(email, _new_password(), role)
        output.said(f"Added {user.email}, subject {user.subject}", json=json, **_shown(user))


@commands.command("list")
def list_users(*, home: Home = None, store: Store = None, json: Json = False) -> None:
    """List all users."""
    with opened(home, store) as data:
        found = all_pages(lambda after: data.administration.users.page(after=after))
        users = [_shown(user) for user in found]
    if json:
        output.as_json(users)
        return
    columns = ("email", "subject", "role", "disabled", "created_at")
    rows = [[user[column] for column in columns] for user in users]
    output.table(columns, rows, none="There is no user yet; add one with: holdfast user add EMAIL")


@commands.command()
def passwd(name: Name, *, home: Home = None, store: Store = None, json: Json = False) -> None:
    """Set a new password, end all sessions, and let the account in again after many failures."""
    with opened(home, store) as data:
        user = data.administration.find(name)
        ended = data.administration.set_password(user, _new_password())
        _done("New password", user, ended, json=json)


@commands.command()
def disable(name: Name, *, home: Home = None, store: Store = None, json: Json = False) -> None:
    """Shut an account and end all its sessions."""
    with opened(home, store) as data:
        user = data.administration.find(name)
        _done("Disabled", user, data.administration.disable(user), json=json)


@commands.command()
def enable(name: Name, *, home: Home = None, store: Store = None, json: Json = False) -> None:
    """Open an account again."""
    with opened(home, store) as data:
        user = data.administration.find(name)
        data.administration.enable(user)
        output.said(f"Enabled {user.email}", json=json, subject=user.subject, enabled=True)


@commands.command()
def remove(
    name: Name, *, yes: Yes = False, home: Home = None, store: Store = None, json: Json = False
) -> None:
    """Remove an account for good and end all its sessions."""
    with opened(home, store) as data:
        user = data.administration.find(name)
        output.confirm(f"Remove {user.email} for good?", yes=yes)
        _done("Removed", user, data.administration.remove(user), json=json)


def _done(what: str, user: User, ended: int, *, json: bool) -> None:
    output.said(
        f"{what}: {user.email}, {ended} sessions ended",
        json=json,
        subject=user.subject,
        ended=ended,
    )


def _new_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return password


def _shown(user: User) -> dict[str, Any]:
    return {
        "email": user.email,
        "subject": user.subject,
        "role": user.role,
        "disabled": user.disabled,
        "created_at": output.moment(user.created_at),
    }
