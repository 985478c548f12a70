"""`postgresql:` URLs: what is ours is taken out, the rest is libpq's."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from holdfast.errors import ConfigurationError

_EXAMPLE = "postgresql://user@host/database"
_MOST = 1000


class Address(NamedTuple):
    """Where the sessions are, and where changes are heard."""

    server: str
    schema: str
    size: int
    listen_url: str | None


def parse(url: str) -> Address:
    """The parts of a store URL; messages never quote it, since it may hold a password.

    Beside libpq's own parameters it takes `schema`, `pool_size` and `listen_url` (per cent
    encoded).

    Raises:
        ConfigurationError: it is none.
    """
    parts = urlsplit(url)
    given = parse_qsl(parts.query, keep_blank_values=True)
    ours = {key: value for key, value in given if key in {"schema", "pool_size", "listen_url"}}
    rest = urlencode([pair for pair in given if pair[0] not in ours])
    server = parts._replace(query=rest).geturl()
    listen_url = ours.get("listen_url")
    for name, value in (("a PostgreSQL URL", server), ("listen_url", listen_url)):
        if value is not None:
            _require_valid(name, value)
    size = ours.get("pool_size", "10")
    if not re.fullmatch(r"[1-9][0-9]{0,3}", size) or int(size) > _MOST:
        raise ConfigurationError(f"store: pool_size is a number from 1 to {_MOST}; for example 10")
    return Address(server, ours.get("schema", "holdfast"), int(size), listen_url)


def _require_valid(name: str, url: str) -> None:
    problem = ConfigurationError(f"store: {name} is {_EXAMPLE}, with parameters of libpq")
    scheme = url.partition(":")[0].lower()
    if scheme not in {"postgresql", "postgres"} or urlsplit(url).fragment:
        raise problem
    try:
        found = conninfo_to_dict(url)
    except psycopg.Error:
        raise problem from None
    if not found.get("dbname"):
        raise problem
