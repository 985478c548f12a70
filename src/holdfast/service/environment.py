"""The configuration of the service from environment variables, which also reach its workers.

Every setting that fits in one text is `HOLDFAST_<NAME>`: those of `Settings` and `ServiceOptions`,
and those of the cookie as `HOLDFAST_COOKIE_<NAME>`. A variable that nothing reads is refused, so
that a misspelt limit is not silently none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

from holdfast.errors import ConfigurationError
from holdfast.service.options import ServiceOptions
from holdfast.service.paths import EXCLUDED
from holdfast.service.texts import Reader, reader_for
from holdfast.settings import Cookie, Settings

PREFIX = "HOLDFAST_"
DEFAULT_HOME = ".holdfast"
DEFAULT_PORT = 8080
DATABASE = "holdfast.db"

PROFILES: dict[str, Callable[..., Settings]] = {
    "production": Settings,
    "development": Settings.for_development,
    "nist_aal1": Settings.nist_aal1,
    "nist_aal2": Settings.nist_aal2,
    "nist_aal3": Settings.nist_aal3,
    "asvs": Settings.asvs,
}

# What is fixed by the routes of the service, or does not fit in one text.
_FIXED = {"cookie", "exclude_paths", "health_paths", "policies", "rates"}
# Whoever has stolen a cookie can spend its budget, and must not keep its owner from ending it.
_WITHOUT_BUDGET = ("/api/logout", "/sign-out")
_OWN = {
    "AUTHENTICATOR",
    "HOME",
    "HOST",
    "PORT",
    "PROFILE",
    "PYTHON",  # read by the scripts of a checkout
    "SECRET",
    "SECRET_PREVIOUS",
    "STORE",
    "STORE_FROM",
    "USERS",
    "WORKERS",
}
_CLEARED = ("cache", "cookies", "storage")


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that a process of the service is started with; what is secret is in no `repr` (R164)."""

    settings: Settings
    options: ServiceOptions
    profile: str
    home: Path
    store: str = field(repr=False)
    users: str | None = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    host: str
    port: int
    workers: int
    authenticator: str | None

    @property
    def development(self) -> bool:
        """Whether this is the profile that trusts plain HTTP on loopback."""
        return self.profile == "development"


def load(environ: Mapping[str, str]) -> Configuration:
    """The configuration that these variables describe; empty ones count as not set.

    Raises:
        ConfigurationError: a value is wrong, or a name unknown; the message has a valid one.
    """
    given = {
        name.removeprefix(PREFIX): value.strip()
        for name, value in environ.items()
        if name.startswith(PREFIX) and value.strip()
    }
    _refuse_unknown(given)
    home = Path(given.get("HOME", DEFAULT_HOME))
    profile = given.get("PROFILE", "production")
    if profile not in PROFILES:
        raise _wrong("PROFILE", f"is one of {', '.join(PROFILES)}", "production")
    return Configuration(
        settings=_settings(profile, given),
        options=_built(ServiceOptions, _values(ServiceOptions, given)),
        profile=profile,
        home=home,
        store=given.get("STORE", f"sqlite:///{home / DATABASE}"),
        users=given.get("USERS"),
        secrets=_secrets(given),
        host=given.get("HOST", "127.0.0.1"),
        port=_number(given, "PORT", DEFAULT_PORT, 65535),
        workers=_number(given, "WORKERS", 1, 256),
        authenticator=given.get("AUTHENTICATOR"),
    )


def variable_names() -> list[str]:
    """All names that are read, without their prefix."""
    settings = {field.name for field in fields(Settings)} - _FIXED
    options = {field.name for field in fields(ServiceOptions)}
    cookie = {f"cookie_{field.name}" for field in fields(Cookie)}
    return sorted({name.upper() for name in settings | options | cookie} | _OWN)


def set_in(environ: MutableMapping[str, str], **values: object) -> None:
    """Set variables of ours; None leaves one alone. Workers inherit them."""
    for name, value in values.items():
        if value is not None:
            environ[PREFIX + name.upper()] = str(value)


def _settings(profile: str, given: Mapping[str, str]) -> Settings:
    changes: dict[str, Any] = {
        "issuer": "",
        "audience": "",
        "clear_site_data": _CLEARED,
        **_values(Settings, given),
        "rates": dict.fromkeys(_WITHOUT_BUDGET),
        "exclude_paths": EXCLUDED,
    }
    make = PROFILES[profile]
    cookie = _values(Cookie, given, "COOKIE_")
    if cookie:
        changes["cookie"] = _built(partial(replace, make().cookie), cookie)
    settings: Settings = _built(make, changes)
    return settings


def _values(owner: type, given: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    """The fields of a dataclass that the variables name."""
    hints = get_type_hints(owner)
    found: dict[str, Any] = {}
    for each in fields(owner):
        name = prefix + each.name.upper()
        reader = reader_for(hints[each.name])
        if name in given and reader is not None and each.name not in _FIXED:
            found[each.name] = _read(name, given[name], reader)
    return found


def _read(name: str, text: str, reader: Reader) -> Any:
    try:
        return reader.read(text)
    except ValueError:
        raise _wrong(name, "cannot be read", reader.example) from None
    except ConfigurationError as error:
        raise ConfigurationError(f"{PREFIX}{name}: {error}") from None


def _built(make: Callable[..., Any], changes: dict[str, Any]) -> Any:
    """What `make` makes of the changes; its complaints name the variable and a value for it."""
    try:
        return make(**changes)
    except ConfigurationError as error:
        field, colon, rest = str(error).partition(": ")
        if not colon or not re.fullmatch(r"[a-z_.]+", field):
            raise
        valid = re.sub(r"timedelta\(([a-z])[a-z]*=(\d+)\)", r"\2\1", rest)
        name = field.upper().replace(".", "_")
        raise ConfigurationError(f"{PREFIX}{name}: {valid}") from None


def _secrets(given: Mapping[str, str]) -> tuple[str, ...]:
    if "SECRET_PREVIOUS" in given and "SECRET" not in given:
        raise ConfigurationError(
            f"{PREFIX}SECRET_PREVIOUS: alone it would sign again; set {PREFIX}SECRET as well"
        )
    return tuple(given[name] for name in ("SECRET", "SECRET_PREVIOUS") if name in given)


def _number(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text) or int(text) > most:
        raise _wrong(name, f"is a number from 1 to {most}", str(default))
    return int(text)


def _refuse_unknown(given: Mapping[str, str]) -> None:
    known = variable_names()
    for name in sorted(given.keys() - set(known)):
        near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ConfigurationError(
            f"{PREFIX}{name}: there is no such setting; near it is {PREFIX}{near}"
        )


def _wrong(name: str, problem: str, example: str) -> ConfigurationError:
    return ConfigurationError(f"{PREFIX}{name}: {problem}; for example {example}")
