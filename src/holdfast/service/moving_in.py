"""Which library's live sessions the service takes over, as its options say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.adoption import ConnectRedis, FlaskSession, Starsessions
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.adoption import Adopted
    from holdfast.service.options import ServiceOptions

_LIBRARIES: dict[str, Callable[..., Adopted]] = {
    "connect-redis": ConnectRedis,
    "flask-session": FlaskSession,
    "starsessions": Starsessions,
}
_NAMES = ("subject", "prefix", "cookie", "path", "domain")


def adopted(options: ServiceOptions) -> Adopted | None:
    """The library that `adopt_from` names; None: there is none.

    Raises:
        ConfigurationError: what it needs is missing, or something is given that it has not.
    """
    library, given = options.adopt_from, _given(options)
    if library is None:
        if given:
            raise ConfigurationError(
                f"adopt_from: must say whose sessions move in; for example {next(iter(_LIBRARIES))}"
            )
        return None
    if "redis_url" not in given:
        raise ConfigurationError(
            f"adopt_redis: must say where {library} keeps them; for example redis://localhost/0"
        )
    _require_secret(library, given)
    return _LIBRARIES[library](**given)


def _require_secret(library: str, given: dict[str, Any]) -> None:
    if library == "connect-redis" and "secret" not in given:
        raise ConfigurationError("adopt_secret: must be that of express-session; its `secret`")
    if library == "starsessions" and "secret" in given:
        raise ConfigurationError("adopt_secret: starsessions signs nothing; leave it out")


def _given(options: ServiceOptions) -> dict[str, Any]:
    """The arguments of a library that are set."""
    named: dict[str, Any] = {name: getattr(options, f"adopt_{name}") for name in _NAMES}
    secrets = (options.adopt_secret, options.adopt_secret_previous)
    named |= {"redis_url": options.adopt_redis, "secret": [each for each in secrets if each]}
    return {name: value for name, value in named.items() if value}
