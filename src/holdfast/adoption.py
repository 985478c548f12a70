"""Moving in: where another library keeps its sessions, and how to read them.

from holdfast.adoption import FlaskSession

Holdfast(app, adopt=FlaskSession(redis_url="redis://localhost:6379/0"))

While both kinds of cookies are about, a live session of the library becomes one of ours the first
time its visitor comes back: the same data and subject under a new id. The old one is removed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from holdfast.errors import ConfigurationError, NotSerializable
from holdfast.protocols import OldSession
from holdfast.rules import connect_redis, flask_session, starsessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.protocols import OldSessions
    from holdfast.stores.redis.foreign import ForeignKeys

_log = logging.getLogger("holdfast")


class Faces(NamedTuple):
    """The sessions of a library for threads, async in shape only, and for coroutines."""

    blocking: OldSessions
    asynchronous: OldSessions
    close: Callable[[], None]


class Adopted(Protocol):
    """A library whose sessions are to be taken over."""

    def open(self, *, timeout: float) -> Faces:
        """Its sessions; `timeout` in seconds bounds every call.

        Raises:
            ConfigurationError: something about it is wrong.
        """
        ...


class _Library(NamedTuple):
    name: str
    session_id: Callable[[str, Sequence[bytes]], str | None]
    decode: Callable[[bytes], dict[str, Any] | None]


def _as_is(_key: str, value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaskSession:
    """Flask-Session on Redis.

    `redis_url` is a URL as for a store; a Cluster cannot be read. `secret` is the old `SECRET_KEY`,
    only with `SESSION_USE_SIGNER`; a list while it was rotated. `subject` is the key that says who is
    signed in, by default Flask-Login's. `prefix` is `SESSION_KEY_PREFIX`; `cookie`, `path` and
    `domain` are those of the old cookie. `to_json` makes JSON of a value that is none.
    """

    redis_url: str = field(repr=False)
    secret: str | Sequence[str] = field(default=(), repr=False)
    subject: str = "_user_id"
    prefix: str = "session:"
    cookie: str = "session"
    path: str = "/"
    domain: str | None = None
    to_json: Callable[[str, Any], Any] = _as_is

    def open(self, *, timeout: float) -> Faces:
        """See `Adopted`."""
        library = _Library("flask-session", flask_session.session_id, flask_session.decode)
        return _opened(library, self, self.to_json, timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRedis:
    """express-session with connect-redis. Parameters as those of `FlaskSession`.

    `secret` is that of express-session, and needed. `subject` may lead into an object: Passport keeps
    the user in `passport.user`.
    """

    redis_url: str = field(repr=False)
    secret: str | Sequence[str] = field(repr=False)
    subject: str = "passport.user"
    prefix: str = "sess:"
    cookie: str = "connect.sid"
    path: str = "/"
    domain: str | None = None

    def open(self, *, timeout: float) -> Faces:
        """See `Adopted`."""
        if not self.secret:
            raise ConfigurationError(
                "adopt: ConnectRedis needs the secret of express-session; for example"
                " ConnectRedis(redis_url=…, secret=…)"
            )
        library = _Library("connect-redis", connect_redis.session_id, connect_redis.decode)
        return _opened(library, self, _as_is, timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Starsessions:
    """starsessions on Redis, with its JSON serializer. Parameters as those of `FlaskSession`.

    `subject` is the key in which the application itself keeps who is signed in.
    """

    redis_url: str = field(repr=False)
    subject: str = "user_id"
    prefix: str = "starsessions."
    cookie: str = "session"
    path: str = "/"
    domain: str | None = None

    def open(self, *, timeout: float) -> Faces:
        """See `Adopted`."""
        library = _Library("starsessions", starsessions.session_id, starsessions.decode)
        return _opened(library, self, _as_is, timeout)


class RedisSessions:
    """`holdfast.protocols.OldSessions` on one face of a Redis."""

    def __init__(
        self,
        library: _Library,
        place: FlaskSession | ConnectRedis | Starsessions,
        to_json: Callable[[str, Any], Any],
        keys: ForeignKeys,
    ) -> None:
        self.name = library.name
        self.cookie, self.path, self.domain = place.cookie, place.path, place.domain
        self._rules = library
        self._secrets = _secrets(place)
        self._prefix, self._subject = place.prefix, place.subject.split(".")
        self._to_json = to_json
        self._keys = keys
        self._told = False

    def key_of(self, value: str) -> str | None:
        """See the protocol, as for the methods below."""
        id = self._rules.session_id(value, self._secrets)
        return None if id is None else self._prefix + id

    async def read(self, key: str) -> OldSession | None:
        """One round trip."""
        raw = await self._keys.get(key)
        if raw is None:
            return None
        values = self._rules.decode(raw)
        if values is None:
            _log.warning(
                "a session of %s cannot be read; if it is a pickle, it is not loaded", self.name
            )
            return None
        return OldSession(_at(values, self._subject), self._json(values))

    async def remove(self, key: str) -> None:
        """One round trip."""
        await self._keys.delete(key)

    async def close(self) -> None:
        """Close the connections of this face; on an event loop, before it ends."""
        await self._keys.close()

    def _json(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values as JSON where that is possible; the engine leaves the others behind."""
        made: dict[str, Any] = {}
        for name, value in values.items():
            self._tell(name, value)
            try:
                made[name] = self._to_json(name, value)
            except NotSerializable:
                made[name] = value
        return made

    def _tell(self, name: str, value: Any) -> None:
        """Once: code that looks for `cart[7]` will not find it."""
        if not self._told and _has_other_keys(value):
            self._told = True
            _log.warning(
                "a session of %s moves, and %r has keys that are no texts; JSON makes texts of them",
                self.name,
                name,
            )


def _has_other_keys(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_other_keys(each) for each in cast("list[object]", value))
    if not isinstance(value, dict):
        return False
    found = cast("dict[object, object]", value)
    return any(not isinstance(key, str) or _has_other_keys(each) for key, each in found.items())


def _opened(
    library: _Library,
    place: FlaskSession | ConnectRedis | Starsessions,
    to_json: Callable[[str, Any], Any],
    timeout: float,
) -> Faces:
    try:
        from holdfast.stores.redis.foreign import open_foreign
    except ImportError as error:
        raise ConfigurationError(
            "adopt: a Redis needs a driver: pip install 'holdfast[redis]'"
        ) from error
    keys = open_foreign(place.redis_url, timeout)
    return Faces(
        RedisSessions(library, place, to_json, keys.blocking),
        RedisSessions(library, place, to_json, keys.asynchronous),
        keys.close,
    )


def _secrets(place: FlaskSession | ConnectRedis | Starsessions) -> tuple[bytes, ...]:
    given = () if isinstance(place, Starsessions) else place.secret
    return tuple(each.encode() for each in ((given,) if isinstance(given, str) else given) if each)


def _at(values: dict[str, Any], path: Sequence[str]) -> object:
    """What is at the end of this way into nested objects; None: nothing."""
    found: object = values
    for part in path:
        if not isinstance(found, dict):
            return None
        found = cast("dict[str, object]", found).get(part)
    return found
