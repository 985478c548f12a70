"""Where records live, and how a URL names such a place.

Back ends are imported when their scheme is used, so that nobody pays for a driver of others. Such a
module has one function, `from_url`, which opens both faces of a store over the same records.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from holdfast.errors import ConfigurationError
from holdfast.stores.asked import checked_timeout, require_readable

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast.faces import Together
    from holdfast.protocols import AsyncStore, Changes, Store
    from holdfast.stores.remote import Remote


class Opened(NamedTuple):
    """Both faces of one store; closing the blocking one closes it.

    `remote` is what the wrappers ask a store behind a network; None for one inside this machine,
    whose `changes` can be heard without. `together` is there where many calls at a time cost less.
    """

    blocking: Store
    asynchronous: AsyncStore
    remote: Remote | None = None
    changes: Changes | None = None
    together: Together | None = None


class _Backend(NamedTuple):
    module: str
    extra: str | None
    example: str


_POSTGRES = _Backend("holdfast.stores.postgres", "postgres", "postgresql://host/database")
_BACKENDS = {
    "memory": _Backend("holdfast.stores.memory", None, "memory://"),
    "postgresql": _POSTGRES,
    "postgres": _POSTGRES,
    "sqlite": _Backend("holdfast.stores.sqlite", None, "sqlite:///sessions.db"),
    **{
        f"{family}{suffix}": _Backend("holdfast.stores.redis", "redis", f"{family}{suffix}://host")
        for family in ("redis", "rediss", "valkey", "valkeys")
        for suffix in ("", "+sentinel", "+cluster")
    },
}


def open_both(url: str, *, timeout: float = 5.0) -> Opened:
    """Both faces of the store that `url` names; `timeout` in seconds, up to an hour, bounds every call.

    `sqlite:///sessions.db` (relative), `sqlite:////var/lib/app/sessions.db` (absolute), `memory://`,
    `postgresql://user@host/database`, `redis://host`. A `cache` among the options is the assembly's to judge.

    Raises:
        ConfigurationError: no such back end, its driver is not installed, or the URL or the time limit
            is wrong.
    """
    require_readable(url)
    limit = checked_timeout(timeout)
    opened: Opened = _backend(url).from_url(_without_cache(url), limit)
    return opened


def asks_for_cache(url: str) -> bool:
    """Whether the URL has the option `cache=yes`: a near cache in front of the store.

    Raises:
        ConfigurationError: it is neither yes nor no.
    """
    asked = [value for name, _, value in map(_pair, _options(url)) if name == "cache"]
    if not set(asked) <= {"yes", "no"}:
        raise ConfigurationError("store: cache is yes or no; for example redis://host?cache=yes")
    return asked[-1:] == ["yes"]


def _without_cache(url: str) -> str:
    options = _options(url)
    kept = [option for option in options if _pair(option)[0] != "cache"]
    if len(kept) == len(options):
        return url
    base = url.partition("?")[0]
    return f"{base}?{'&'.join(kept)}" if kept else base


def _options(url: str) -> list[str]:
    query = url.partition("?")[2]
    return query.split("&") if query else []


def _pair(option: str) -> tuple[str, str, str]:
    return option.partition("=")


def open_store(url: str, *, timeout: float = 5.0) -> Store:
    """The blocking store that `url` names; see `open_both`."""
    return open_both(url, timeout=timeout).blocking


def open_async(url: str, *, timeout: float = 5.0) -> AsyncStore:
    """The store for coroutines that `url` names; see `open_both`."""
    return open_both(url, timeout=timeout).asynchronous


def _backend(url: str) -> ModuleType | Any:
    # A URL may hold a password, so no message quotes more of it than the scheme.
    scheme, colon, _ = url.partition(":")
    backend = _BACKENDS.get(scheme.lower()) if colon else None
    if backend is None:
        examples = ", ".join(dict.fromkeys(each.example for each in _BACKENDS.values()))
        raise ConfigurationError(f"store: a URL of one of these kinds is needed: {examples}")
    try:
        return import_module(backend.module)
    except ImportError as error:
        raise ConfigurationError(
            f"store: {backend.example} needs a driver: pip install 'holdfast[{backend.extra}]'"
        ) from error


def beside(url: str, name: str) -> Path:
    """A file of this name next to the database of a `sqlite:` URL, or in the working directory."""
    database = database_file(url)
    return database.with_name(name) if database is not None else Path(name)


def database_file(url: str) -> Path | None:
    """The database of a `sqlite:` URL; None for any other, and for one that names no file.

    Raises:
        ConfigurationError: it has control characters.
    """
    require_readable(url)
    scheme, _, rest = url.partition(":")
    database = Path(unquote(urlsplit(rest).path)[1:]) if scheme.lower() == "sqlite" else Path()
    return database if database.name else None
