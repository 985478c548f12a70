"""Django's settings as Holdfast's: what they say is honoured, or refused with the reason.

`HOLDFAST` is a `holdfast.Settings` and may be missing. Of Django's own settings those count that the
project has set: an unset `SESSION_COOKIE_SECURE`, for example, leaves the cookie `Secure`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils.module_loading import import_string

from holdfast.errors import ConfigurationError
from holdfast.settings import Settings
from holdfast.web.django import trial

if TYPE_CHECKING:
    from django.conf import LazySettings

_COOKIE = {
    "SESSION_COOKIE_NAME": "name",
    "SESSION_COOKIE_DOMAIN": "domain",
    "SESSION_COOKIE_PATH": "path",
    "SESSION_COOKIE_SECURE": "secure",
}
_PROBE = {"a": [1, "é", None]}


def settings_of(conf: LazySettings) -> Settings:
    """The settings of this project.

    Raises:
        ConfigurationError: one cannot be honoured; the message names it and a valid value.
    """
    base = getattr(conf, "HOLDFAST", None) or Settings()
    if not isinstance(base, Settings):
        raise ConfigurationError("HOLDFAST: must be a holdfast.Settings; for example Settings()")
    _refuse(conf)
    changes = _changes(conf)
    try:
        cookie = replace(base.cookie, **_cookie_changes(conf))
        origins = (*base.trusted_origins, *_origins(conf))
        plain = (*base.plain_http_hosts, *((trial.HOST,) if trial.is_on() else ()))
        changes |= {"trusted_origins": origins, "plain_http_hosts": plain}
        return replace(base, cookie=cookie, **changes)
    except ConfigurationError as error:
        named = sorted(name for name in (*_COOKIE, *_OTHERS) if conf.is_overridden(name))
        raise ConfigurationError(f"{', '.join(named) or 'HOLDFAST'}: {error}") from None


_OTHERS = ("SESSION_COOKIE_AGE", "SESSION_COOKIE_SAMESITE", "SESSION_EXPIRE_AT_BROWSER_CLOSE")


def _changes(conf: LazySettings) -> dict[str, Any]:
    if not conf.is_overridden("SESSION_COOKIE_AGE"):
        return {}
    return {"idle": timedelta(seconds=conf.SESSION_COOKIE_AGE)}


def _cookie_changes(conf: LazySettings) -> dict[str, Any]:
    changes: dict[str, Any] = {
        field: getattr(conf, name) for name, field in _COOKIE.items() if conf.is_overridden(name)
    }
    if conf.is_overridden("SESSION_COOKIE_SAMESITE"):
        changes["same_site"] = str(conf.SESSION_COOKIE_SAMESITE).capitalize()
    if conf.is_overridden("SESSION_COOKIE_AGE"):
        changes["max_age"] = timedelta(seconds=conf.SESSION_COOKIE_AGE)
    if conf.SESSION_EXPIRE_AT_BROWSER_CLOSE:
        changes["max_age"] = None
    return changes


def _origins(conf: LazySettings) -> tuple[str, ...]:
    """Django's trusted origins; one with a wildcard would trust hosts that nobody has named."""
    wild = [origin for origin in conf.CSRF_TRUSTED_ORIGINS if "*" in origin]
    if wild:
        raise ConfigurationError(
            "CSRF_TRUSTED_ORIGINS: each origin must be named, without a wildcard; for example"
            " ['https://app.example.org']"
        )
    return tuple(conf.CSRF_TRUSTED_ORIGINS)


def _refuse(conf: LazySettings) -> None:
    """What would weaken every session, or would silently do nothing."""
    if not conf.SESSION_COOKIE_HTTPONLY:
        raise ConfigurationError(
            "SESSION_COOKIE_HTTPONLY: no script may read the session cookie (R53); for example True"
        )
    if not _names_same_site(conf.SESSION_COOKIE_SAMESITE):
        raise ConfigurationError(
            "SESSION_COOKIE_SAMESITE: must say which requests the cookie travels with (R54); for"
            " example 'Strict'"
        )
    if not conf.CSRF_USE_SESSIONS:
        raise ConfigurationError(
            "CSRF_USE_SESSIONS: must be True: CSRF tokens belong to the session, and Django would"
            " read its secret from a cookie that any sibling subdomain can set"
        )
    if not _writes_json(conf.SESSION_SERIALIZER):
        raise ConfigurationError(
            "SESSION_SERIALIZER: sessions hold JSON, which other services read too, and never"
            " pickles; for example 'django.contrib.sessions.serializers.JSONSerializer'"
        )


def _names_same_site(value: object) -> bool:
    """Whether this is a text that browsers know; Django's None is none: it leaves the attribute out."""
    return isinstance(value, str) and value.capitalize() in {"Strict", "Lax", "None"}


def _writes_json(path: str) -> bool:
    """Whether the serializer's bytes are JSON; nothing is loaded by it to find out."""
    try:
        return bool(json.loads(import_string(path)().dumps(_PROBE)) == _PROBE)
    except (ValueError, UnicodeDecodeError):
        return False
