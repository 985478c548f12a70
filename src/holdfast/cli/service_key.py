"""`holdfast service-key`: a key for an application that uses the back-end API."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from holdfast.cli import output
from holdfast.cli.options import Json


def service_key(
    name: Annotated[str, typer.Argument(help="Of the application, for logs.")],
    *,
    scope: Annotated[
        list[str] | None, typer.Option(help="What it may do; once for each, all without any.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key for an application: for itself the key, for the service an entry with its hash.

    Nothing is stored. To rotate a key, list the new entry beside the old one until the application
    uses the new key.
    """
    from holdfast.service.backend import keys

    key = keys.new_key(os.urandom)
    entry = keys.entry(name, scope or keys.SCOPES, key)
    if json:
        output.as_json({"key": key, "entry": entry})
        return
    print(f"For the application, shown this once:\n  {key}")
    print(f"For the service, in HOLDFAST_SERVICE_KEYS (several with commas):\n  {entry}")
