"""Putting the parts together: settings, keys and a store URL give a running chain.

Everything that the rest of the package is handed comes from here: the clock, randomness, the
environment variables, and the choice of the store.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from holdfast import keyfile, sinks, stores
from holdfast.background import Background
from holdfast.blocking import Sessions
from holdfast.chain import Chain
from holdfast.chain.outage import Outage
from holdfast.engine import AsyncSessions
from holdfast.errors import ConfigurationError
from holdfast.rules.keys import KeyRing
from holdfast.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.adoption import Adopted, Faces
    from holdfast.protocols import AsyncStore, Changes, Clock, Sink, Store
    from holdfast.stores import Opened
    from holdfast.stores.near_cache import Bounds
    from holdfast.stores.wrapping import Wrapped

DEFAULT_STORE = "sqlite:///holdfast.db"
_MAKE_ONE = "HOLDFAST_SECRET=\"$(python -c 'import secrets; print(secrets.token_urlsafe(32))')\""


def now_ms() -> int:
    """The time, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The parts of one application.

    `sessions` and `chain` are for coroutines, `blocking` and `blocking_chain` for threads: the same
    engine and the same chain over the two faces of one store. `wrapped` is what stands around a
    store behind a network, None around any other. `changes` is where changes of any process can be
    heard of, None for a store that cannot tell. `old` are the sessions of another library that are
    taken over. Close it when the application ends; at the exit of the process this happens by itself.
    """

    settings: Settings
    keys: KeyRing
    store: AsyncStore
    blocking_store: Store
    sessions: AsyncSessions
    blocking: Sessions
    chain: Chain
    blocking_chain: Chain
    background: Background
    wrapped: Wrapped | None = None
    changes: Changes | None = None
    old: Faces | None = None

    def close(self) -> None:
        """Send pending activity and close the store."""
        self.background.close()
        self.blocking_store.close()
        if self.wrapped is not None:
            self.wrapped.close()
        if self.old is not None:
            self.old.close()


def assemble(
    settings: Settings,
    *,
    keys: KeyRing | None = None,
    secret: str | Sequence[str] | None = None,
    store: str | Opened | None = None,
    audit: Sequence[Sink] | None = None,
    clock: Clock = now_ms,
    adopt: Adopted | None = None,
) -> Assembly:
    """The parts for these settings.

    Args:
        settings: what `Settings` says.
        keys: a ring; otherwise one is made of `secret`, or of `HOLDFAST_SECRET` and, while it is
            being rotated, `HOLDFAST_SECRET_PREVIOUS`. In the development profile, without either,
            a key file beside the database is used, and made if there is none.
        secret: the master secret; several, newest first, while it is being rotated.
        store: a store URL, or both faces of a store that is open already; default `HOLDFAST_STORE`,
            then SQLite in the working directory. Redis and PostgreSQL get a near cache with
            `settings.cache`, `HOLDFAST_CACHE=yes` or `?cache=yes` in the URL.
        audit: sinks for events; default the logger `holdfast.audit`.
        clock: now, in Unix ms.
        adopt: another library whose live sessions become ours; see `holdfast.adoption`.

    Raises:
        ConfigurationError: there is no secret, it is weak, or it belongs to another environment;
            the message says how to make one. Or the settings are none.
    """
    _require_settings(settings)
    chosen = store or os.environ.get("HOLDFAST_STORE") or DEFAULT_STORE
    url = chosen if isinstance(chosen, str) else DEFAULT_STORE
    ring = keys or _ring(settings, secret, url)
    if ring.environment != settings.environment:
        raise ConfigurationError(
            f"keys: they belong to environment {ring.environment!r}; for example"
            f" Settings(environment={ring.environment!r})"
        )
    cache = _asks_for_cache(settings, url)
    timeout = settings.store_timeout.total_seconds()
    opened = _opened(settings, chosen, timeout, cache=cache)
    old = None if adopt is None else adopt.open(timeout=timeout)
    events = [sinks.to_logging()] if audit is None else audit
    return _assembled(settings, ring, opened, old, events=events, clock=clock)


def _require_settings(settings: object) -> None:
    if not isinstance(settings, Settings):
        raise ConfigurationError(
            f"settings: must be Settings and is {type(settings).__name__}; for example"
            ' Holdfast(app, Settings(), secret="…"): secret and store are given by name'
        )


def _opened(settings: Settings, chosen: str | Opened, timeout: float, *, cache: bool) -> _Store:
    """The store; while sessions move to it, together with the one that `HOLDFAST_STORE_FROM` names."""
    if not isinstance(chosen, str):
        return _wrapped(settings, chosen, cache=cache)
    old = os.environ.get("HOLDFAST_STORE_FROM")
    if not old:
        opened = stores.open_both(chosen, timeout=timeout)
        return _wrapped(settings, opened, cache=cache)
    from holdfast.moving import open_moving

    both = open_moving(chosen, old, timeout=timeout, bounds=_bounds(settings), cache=cache)
    return _Store(both.opened, both.fresh, both.wrapped)


def _assembled(
    settings: Settings,
    ring: KeyRing,
    store: _Store,
    old: Faces | None,
    *,
    events: Sequence[Sink],
    clock: Clock,
) -> Assembly:
    opened, fresh, wrapped = store
    chore = None if wrapped is None else wrapped.settle
    outage = Outage(clock)
    background = Background(
        opened.blocking, settings, clock, chore=chore, together=opened.together, outage=outage
    )
    sessions = AsyncSessions(
        opened.asynchronous,
        settings,
        ring,
        clock=clock,
        entropy=os.urandom,
        sinks=events,
        collect=background.collect,
        fresh=fresh.asynchronous,
    )
    blocking = Sessions(
        opened.blocking,
        settings,
        ring,
        clock=clock,
        entropy=os.urandom,
        sinks=events,
        collect=background.collect,
        fresh=fresh.blocking,
    )
    changes = opened.changes if wrapped is None else wrapped.changes
    chain = partial(Chain, clock=clock, entropy=os.urandom, at_use=background.start, outage=outage)
    return Assembly(
        settings=settings,
        keys=ring,
        store=opened.asynchronous,
        blocking_store=opened.blocking,
        sessions=sessions,
        blocking=blocking,
        chain=chain(sessions, old=old and old.asynchronous, changes=changes),
        blocking_chain=chain(blocking.engine, old=old and old.blocking),
        background=background,
        wrapped=wrapped,
        changes=changes,
        old=old,
    )


class _Store(NamedTuple):
    """A store as requests use it, the same without a near cache, and what is around it."""

    opened: Opened
    fresh: Opened
    wrapped: Wrapped | None


def _wrapped(settings: Settings, opened: Opened, *, cache: bool) -> _Store:
    """The store with what belongs around one behind a network; any other is left as it is."""
    if opened.remote is None:
        return _Store(opened, opened, None)
    from holdfast.stores.wrapping import wrap

    wrapped = wrap(opened, _bounds(settings), cache=cache)
    return _Store(wrapped.opened, wrapped.fresh, wrapped)


def _bounds(settings: Settings) -> Bounds:
    from holdfast.stores.near_cache import Bounds

    age, stale = settings.cache_bound.total_seconds(), settings.stale_reads.total_seconds()
    return Bounds(settings.cache_entries, settings.cache_bytes, age, stale)


def _ring(settings: Settings, secret: str | Sequence[str] | None, url: str) -> KeyRing:
    given = _from_environment(os.environ) if secret is None else secret
    if given or secret is not None:
        secrets = [given] if isinstance(given, str) else given
        return KeyRing.from_secrets(secrets, environment=settings.environment)
    if settings.environment != "development":
        raise ConfigurationError(
            f"secret: none is set; for example: export {_MAKE_ONE}"
            " (development needs none: Settings.for_development() makes a key file)"
        )
    path = stores.beside(url, "holdfast.keys.json")
    return keyfile.load_or_create(path, environment=settings.environment, entropy=os.urandom)


def _asks_for_cache(settings: Settings, url: str) -> bool:
    cache = settings.cache or _cache_of(os.environ) or stores.asks_for_cache(url)
    if settings.stale_reads and not cache:
        raise ConfigurationError("stale_reads: needs the near cache; for example cache=True")
    return cache


def _cache_of(environ: Mapping[str, str]) -> bool:
    text = environ.get("HOLDFAST_CACHE", "").lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"", "0", "false", "no", "off"}:
        return False
    raise ConfigurationError("HOLDFAST_CACHE: must be yes or no; for example HOLDFAST_CACHE=yes")


def _from_environment(environ: Mapping[str, str]) -> list[str]:
    names = ("HOLDFAST_SECRET", "HOLDFAST_SECRET_PREVIOUS")
    active, older = (environ.get(name, "") for name in names)
    if older and not active:
        raise ConfigurationError(
            f"HOLDFAST_SECRET_PREVIOUS: alone it would sign again; for example: export {_MAKE_ONE}"
        )
    return [value for value in (active, older) if value]
