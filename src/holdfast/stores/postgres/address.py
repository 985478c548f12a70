"""`postgresql:` URLs: what is ours is taken out, the rest is libpq's."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from holdfast.errors import ConfigurationError

_EXAMPLE = "postgresql://user@host/database"
_OURS = {"schema", "pool_size", "listen_url"}
_MOST = 1000


class Address(NamedTuple):
    """Where the sessions are, and where changes are heard."""

    server: str
    schema: str
    size: int
    listen_url: str | None

    def __repr__(self) -> str:
        return f"<Address with schema {self.schema}>"


def parse(url: str) -> Address:
    """The parts of a store URL; messages never quote it, since it may hold a password.

    Beside libpq's own parameters it takes `schema`, `pool_size` and `listen_url` (per cent
    encoded).

    Raises:
        ConfigurationError: it is none.
    """
    base, mark, query = url.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    ours = {key: unquote(value) for key, _, value in pairs if key in _OURS}
    rest = "&".join(f"{key}{sign}{value}" for key, sign, value in pairs if key not in _OURS)
    server = f"{base}?{rest}" if rest else base
    listen_url = ours.get("listen_url")
    size = ours.get("pool_size", "10")
    if not re.fullmatch(r"[1-9][0-9]{0,3}", size) or int(size) > _MOST:
        raise ConfigurationError(f"store: pool_size is a number from 1 to {_MOST}; for example 10")
    return Address(
        server=_checked("a PostgreSQL URL", server),
        schema=ours.get("schema", "holdfast"),
        size=int(size),
        listen_url=None if listen_url is None else _checked("listen_url", listen_url),
    )


def _checked(name: str, url: str) -> str:
    """The URL as libpq wants it."""
    scheme, colon, rest = url.partition(":")
    url = scheme.lower() + colon + rest
    try:
        found = conninfo_to_dict(url)
    except psycopg.Error:
        found = {}
    ports = str(found.get("port") or "").split(",")
    known = scheme.lower() in {"postgresql", "postgres"} and "#" not in url
    if not known or not found.get("dbname") or not all(map(_is_port, ports)):
        raise ConfigurationError(
            f"store: {name} is {_EXAMPLE}, special characters per cent encoded, with parameters of"
            " libpq"
        )
    return url


def _is_port(text: str) -> bool:
    """Whether something can listen there; empty is the usual one."""
    return not text or (re.fullmatch(r"[0-9]{1,5}", text) is not None and 0 < int(text) < 65_536)
