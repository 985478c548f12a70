"""`holdfast keys`: make, list, announce, rotate and retire the keys of the key file."""

from __future__ import annotations

import secrets
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli import output
from holdfast.cli.opening import configured
from holdfast.cli.options import Home, Json
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from holdfast.rules.keys import KeyRing
    from holdfast.service.unsettled import Unsettled

commands = typer.Typer(help="Keys of the service.", no_args_is_help=True)

_BYTES = 32
_RSA_EXPONENT = 65537
_TAKES_NAMES = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Of commands that are given the name of a key, which may begin with a dash."""

_TAKES_EFFECT = "Restart the service, or send SIGHUP to it if it has several workers."


class Algorithm(StrEnum):
    """Of asymmetric keys."""

    EDDSA = "EdDSA"
    ES256 = "ES256"
    RS256 = "RS256"


@commands.command()
def new() -> None:
    """Print a good secret for HOLDFAST_SECRET; nothing is stored."""
    print(secrets.token_urlsafe(_BYTES))


@commands.command("list")
def list_keys(*, home: Home = None, json: Json = False) -> None:
    """List names and states of the keys; never the keys. What `keys settle` should end is said."""
    from holdfast.service.home import key_ring
    from holdfast.service.unsettled import unsettled

    configuration = configured(home)
    ring = key_ring(configuration)
    still = unsettled(ring, configuration.settings)
    shown = [
        {"kid": key.kid, "algorithm": key.algorithm, "status": key.status, "use": use}
        for use, keys in (("master", ring.masters), ("signing", ring.signing))
        for key in keys
    ]
    if json:
        output.as_json([{**key, "unsettled": _of(str(key["kid"]), still)} for key in shown])
        return
    columns = ("kid", "algorithm", "status", "use")
    output.table(columns, [[key[column] for column in columns] for key in shown], none="No key.")
    if still:
        print(f"Not settled: {still.sentence()}")


@commands.command()
def rotate(*, home: Home = None, json: Json = False) -> None:
    """Sign with a new key; what older ones signed stays valid until they are retired.

    With several workers or machines: `keys announce` and `keys activate`.
    """
    ring = _changed(home, lambda ring: ring.rotated(secrets.token_urlsafe(_BYTES)))
    kid = next(key.kid for key in ring.masters if key.status == "active")
    output.said(f"New active key {kid}. {_TAKES_EFFECT}", json=json, kid=kid)


@commands.command()
def announce(
    *,
    algorithm: Annotated[
        Algorithm | None,
        typer.Option(
            help="EdDSA, ES256 or RS256: for access tokens, instead of a master secret.",
            case_sensitive=False,
        ),
    ] = None,
    home: Home = None,
    json: Json = False,
) -> None:
    """Add a key that only verifies yet, for several workers or machines.

    Once every process knows it, `keys activate` lets it sign. So none meets a token of a key that
    it does not know, which it would refuse. With an algorithm its public half is published from the
    next restart on, for other programs to learn before the first token that it signs.
    """
    from holdfast.rules.keys import Key

    new = Key.from_pem(_private_pem(algorithm)) if algorithm else secrets.token_urlsafe(_BYTES)
    ring = _changed(home, lambda ring: ring.announced(new))
    kid = (ring.signing if algorithm else ring.masters)[-1].kid
    said = f"Announced {kid}. {_TAKES_EFFECT} Then: holdfast keys activate {kid}"
    output.said(said, json=json, kid=kid)


@commands.command(context_settings=_TAKES_NAMES)
def activate(
    kid: Annotated[str, typer.Argument(help="Name of a key that verifies, as `keys list` says.")],
    *,
    home: Home = None,
    json: Json = False,
) -> None:
    """Sign with a key that was announced; what older ones signed stays valid.

    After the first asymmetric one: `keys settle`, one access-token lifetime after the last restart.
    """
    from holdfast.assembly import now_ms

    _changed(home, lambda ring: ring.activated(kid, now=now_ms()))
    output.said(f"New active key {kid}. {_TAKES_EFFECT}", json=json, kid=kid)


@commands.command()
def settle(*, home: Home = None, json: Json = False) -> None:
    """Refuse access tokens of the master secret, now that an asymmetric key signs them."""
    ring = _changed(home, lambda ring: ring.settled())
    kid = ring.signer("access").kid
    output.said(f"Access tokens are of asymmetric keys alone. {_TAKES_EFFECT}", json=json, kid=kid)


@commands.command()
def asymmetric(
    *,
    algorithm: Annotated[
        Algorithm, typer.Option(help="EdDSA, ES256 or RS256.", case_sensitive=False)
    ] = Algorithm.EDDSA,
    home: Home = None,
    json: Json = False,
) -> None:
    """Sign access tokens with a new asymmetric key, for verifiers that must not sign.

    Its public half is at /.well-known/jwks.json. An older asymmetric key still verifies; access
    tokens that were signed with the master secret are refused from now on, and refreshed. `keys
    announce --algorithm` and `keys activate` refuse none, and give verifiers time to learn the key.
    """
    from holdfast.rules.keys import Key

    key = Key.from_pem(_private_pem(algorithm))
    _changed(home, lambda ring: ring.signed_by(key))
    output.said(f"New signing key {key.kid}. {_TAKES_EFFECT}", json=json, kid=key.kid)


@commands.command(context_settings=_TAKES_NAMES)
def retire(
    kid: Annotated[str, typer.Argument(help="Name of an older key, as `keys list` shows it.")],
    *,
    home: Home = None,
    json: Json = False,
) -> None:
    """Stop accepting what an older key has signed."""
    _changed(home, lambda ring: ring.retired(kid))
    output.said(f"Retired {kid}. {_TAKES_EFFECT}", json=json, kid=kid)


def _of(kid: str, still: Unsettled | None) -> dict[str, str | int | None] | None:
    """What is to be settled for this key."""
    from holdfast.service.unsettled import COMMAND

    if still is None or still.kid != kid:
        return None
    since = None if still.since is None else output.moment(still.since)
    return {"since": since, "seconds_after_last_restart": still.wait_s, "command": COMMAND}


def _private_pem(algorithm: Algorithm) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    from holdfast.rules.pem import RSA_BITS

    make: dict[Algorithm, Callable[[], PrivateKeyTypes]] = {
        Algorithm.EDDSA: ed25519.Ed25519PrivateKey.generate,
        Algorithm.ES256: lambda: ec.generate_private_key(ec.SECP256R1()),
        Algorithm.RS256: lambda: rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS),
    }
    return make[algorithm]().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _changed(home: str | None, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Carry out a change of the key file; what is in it now."""
    from holdfast import keyfile

    path = _key_file(home)
    if not path.exists():
        raise ConfigurationError(f"{path}: there is no key file yet; `holdfast serve` makes one")
    return keyfile.change(path, change)


def _key_file(home: str | None) -> Path:
    from holdfast.service.home import KEY_FILE

    configuration = configured(home)
    if configuration.secrets:
        raise ConfigurationError(
            "keys: they come from HOLDFAST_SECRET; to rotate, move it to HOLDFAST_SECRET_PREVIOUS"
            " and set HOLDFAST_SECRET to what `holdfast keys new` prints"
        )
    return configuration.home / KEY_FILE
