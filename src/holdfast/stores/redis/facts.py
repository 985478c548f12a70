"""The greeting of a new connection: log in, and learn what the server is.

Whether sessions can be entrusted to it is decided here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.errors import ConfigurationError, StoreUnavailable
from holdfast.stores.redis.errors import store_error
from holdfast.stores.redis.wire import ReplyError

if TYPE_CHECKING:
    from holdfast.stores.redis.target import Login, Target
    from holdfast.stores.redis.wire import Argument

_OLDEST = 7
_LONGEST_NUMBER = 10


class Facts(NamedTuple):
    """One server process: `node` is its name until it ends, whatever address it has.

    `synced`: it writes to its disk before it answers.
    """

    node: str
    primary: bool
    replicas: int
    eviction: str
    clustered: bool
    major: int
    synced: bool


def log_in(login: Login) -> list[tuple[Argument, ...]]:
    """The command that logs in, if there is something to log in with."""
    if not login.password:
        return []
    return [("AUTH", login.user, login.password) if login.user else ("AUTH", login.password)]


def greeting(target: Target) -> list[tuple[Argument, ...]]:
    """What a new connection to a data server sends, all at once."""
    commands = log_in(target.login)
    if target.database:
        commands.append(("SELECT", target.database))
    commands += [("CLIENT", "SETNAME", "holdfast"), ("CONFIG", "GET", "appendfsync"), ("INFO",)]
    return commands


def facts_of(replies: list[Any]) -> Facts:
    """The facts in the replies to `greeting`.

    Users who may not set a name or read the configuration are served all the same.

    Raises:
        StoreError: the server refuses us, or is none.
    """
    *before, _, fsync, info = replies
    for reply in (*before, info):
        if isinstance(reply, ReplyError):
            raise store_error(reply) from reply
    if not isinstance(info, bytes):
        wrong = ConfigurationError("store: what answers at this address is no Redis server")
        raise StoreUnavailable("what answers is no Redis server") from wrong
    rows = (row.partition(":") for row in info.decode("utf-8", "replace").split("\r\n"))
    values = {name: value for name, _, value in rows}
    return Facts(
        node=values.get("run_id", ""),
        primary=values.get("role") == "master",
        replicas=_number(values.get("connected_slaves", "")),
        eviction=values.get("maxmemory_policy", "noeviction"),
        clustered=values.get("cluster_enabled") == "1",
        major=_number(values.get("redis_version", "").partition(".")[0]),
        synced=values.get("aof_enabled") == "1" and isinstance(fsync, list) and b"always" in fsync,
    )


def require_fit(facts: Facts, target: Target) -> None:
    """Refuse a server that would lose sessions, or is not what the URL says (P25).

    Raises:
        ConfigurationError: with what to change.
    """
    if facts.eviction != "noeviction" and not target.foreign:
        raise ConfigurationError(
            "store: the Redis server drops keys when its memory runs out (maxmemory-policy"
            f" {facts.eviction}), and sessions, limits and revocations with them; for example:"
            " CONFIG SET maxmemory-policy noeviction"
        )
    if facts.clustered != (target.kind == "cluster"):
        kind = "redis+cluster://" if facts.clustered else "redis:// or redis+sentinel://"
        raise ConfigurationError(f"store: the Redis server needs a URL that begins with {kind}")
    if facts.major < _OLDEST:
        raise ConfigurationError(
            f"store: Redis {_OLDEST}.0, Valkey {_OLDEST}.2, or newer is needed"
        )


def require_usable(facts: Facts, target: Target) -> None:
    """As `require_fit`, when the application runs already.

    Raises:
        StoreUnavailable: sessions cannot be entrusted to it.
    """
    try:
        require_fit(facts, target)
    except ConfigurationError as error:
        raise StoreUnavailable(str(error)) from error


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < _LONGEST_NUMBER else 0
