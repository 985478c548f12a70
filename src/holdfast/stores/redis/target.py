"""Which servers a URL names, and how to speak to them."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from holdfast.errors import ConfigurationError
from holdfast.stores.redis.keys import valid_prefix

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["single", "sentinel", "cluster"]

_KINDS: dict[str, Kind] = {"": "single", "sentinel": "sentinel", "cluster": "cluster"}
_PORTS: dict[Kind, int] = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_EXAMPLES: dict[Kind, str] = {
    "single": "redis://user:password@host:6379/0",
    "sentinel": "redis+sentinel://user:password@host:26379,host:26379/service/0",
    "cluster": "redis+cluster://user:password@host:6379,host:6379",
}
_OPTIONS = ("prefix", "replicas", "fence", "tls", "tls_ca", "tls_cert", "tls_key")
_SENTINEL_OPTIONS = ("sentinel_user", "sentinel_password")
_MOST_REPLICAS = 16
_MOST_DATABASES = 65_535
_PORTS_END = 65_536


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def place(host: str, port: int) -> Address:
    """The address that a reply names.

    Raises:
        ValueError: nothing can listen there.
    """
    host.encode("idna")
    if "\0" in host or not 0 < port < _PORTS_END:
        raise ValueError(port)
    return Address(host, port)


class Login(NamedTuple):
    """A user and its password; without a password nobody logs in."""

    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return "<Login>"


class Target(NamedTuple):
    """What a URL says.

    `seeds` are the servers to begin with: the one there is, the Sentinels, or some of a Cluster.
    `replicas` must acknowledge a durable write; None: as many as are known at the start. `foreign`:
    another program keeps its data there, and has chosen how well.
    """

    kind: Kind
    seeds: tuple[Address, ...]
    service: str = ""
    database: int = 0
    login: Login = Login()
    sentinel_login: Login = Login()
    tls: ssl.SSLContext | None = None
    prefix: str = "hf"
    replicas: int | None = None
    fence: bool = False
    foreign: bool = False


def target(url: str) -> Target:
    """The target of a store URL.

    Raises:
        ConfigurationError: it is not one; the message quotes nothing of it.
    """
    scheme, _, rest = url.partition("://")
    family, _, name = scheme.lower().partition("+")
    kind = _KINDS[name]
    try:
        parts = urlsplit(f"store://{rest}")
        user, _, hosts = parts.netloc.rpartition("@")
        options = _options(kind, parts.query)
        seeds = tuple(_address(each, _PORTS[kind]) for each in hosts.split(","))
        service, database = _path(kind, unquote(parts.path).strip("/"))
    except ValueError:
        raise ConfigurationError(f"store: such a URL is like {_EXAMPLES[kind]}") from None
    if parts.fragment or (kind == "single" and len(seeds) > 1):
        raise ConfigurationError(f"store: such a URL is like {_EXAMPLES[kind]}")
    return Target(
        kind=kind,
        seeds=seeds,
        service=service,
        database=database,
        login=Login(*(unquote(each) for each in user.partition(":")[::2])),
        sentinel_login=Login(*(options.get(each, "") for each in _SENTINEL_OPTIONS)),
        tls=_tls(options, secure=family in {"rediss", "valkeys"}),
        prefix=_prefix(options.get("prefix", "hf")),
        replicas=_replicas(options.get("replicas")),
        fence=_yes("fence", options.get("fence", "no")),
    )


def _options(kind: Kind, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, strict_parsing=bool(query)))
    known = (*_OPTIONS, *_SENTINEL_OPTIONS) if kind == "sentinel" else _OPTIONS
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise ConfigurationError(f"store: the URL of a Redis knows only {', '.join(known)}")
    return options


def _address(text: str, port: int) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.port == 0:
        raise ValueError(text)
    return Address(parts.hostname, parts.port or port)


def _path(kind: Kind, path: str) -> tuple[str, int]:
    """The service and the number of the database."""
    service, _, rest = path.partition("/") if kind == "sentinel" else ("", "", path)
    if "@" in path:  # of a password with a slash, which would pass for a host and a port
        raise ValueError(path)
    if (kind == "sentinel") != bool(service) or (kind == "cluster" and rest not in {"", "0"}):
        raise ValueError(path)
    database = int(rest or 0)
    if not 0 <= database <= _MOST_DATABASES:
        raise ValueError(path)
    return service, database


def _tls(options: Mapping[str, str], *, secure: bool) -> ssl.SSLContext | None:
    """Certificates are always verified; `tls_ca` names those that are trusted beside no others."""
    if not (secure or _yes("tls", options.get("tls", "no"))):
        return None
    try:
        context = ssl.create_default_context(cafile=options.get("tls_ca"))
        if "tls_cert" in options:
            context.load_cert_chain(options["tls_cert"], options.get("tls_key"))
    except OSError as error:
        raise ConfigurationError(
            "store: tls_ca, tls_cert and tls_key name readable PEM files"
        ) from error
    return context


def _prefix(prefix: str) -> str:
    if not valid_prefix(prefix):
        raise ConfigurationError("store: prefix has 1 to 32 letters, digits, '_', '.', ':', '-'")
    return prefix


def _replicas(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,2}", text) or int(text) > _MOST_REPLICAS:
        raise ConfigurationError(f"store: replicas is a number from 0 to {_MOST_REPLICAS}")
    return int(text)


def _yes(name: str, text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ConfigurationError(f"store: {name} is yes or no")
    return text == "yes"
