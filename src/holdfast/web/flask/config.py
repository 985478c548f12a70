"""What an application tells Flask of its sessions, and nobody heeds any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from holdfast.settings import Settings

_log = logging.getLogger("holdfast")
_TOLD = "holdfast.told_of_forms"


def tell_unheeded(app: Flask, settings: Settings) -> None:
    """One line in the log for what Flask's configuration says otherwise than the settings.

    A lifetime that was made shorter, and is not, would be felt by nobody who looks after it.
    """
    if type(app.extensions.get("csrf")).__module__.startswith("flask_wtf"):
        _log.warning(
            "Flask-WTF's CSRFProtect is there too, and each refuses the other's tokens: take that of"
            " holdfast.web.flask.wtf in its place"
        )
    unheeded = sorted(_unheeded(app, settings))
    if unheeded:
        _log.warning(
            "Flask's %s: not looked at; say it with Settings(cookie=Cookie(...), idle=..., absolute=...)",
            ", ".join(unheeded),
        )


def tell_of_forms(app: Flask) -> None:
    """One line in the log when a form of Flask-WTF makes a token of its own, which we refuse.

    It keeps what the token is made of in `flask.session`, under the name of the field.
    """
    if "csrf" not in app.extensions and not app.extensions.get(_TOLD):
        app.extensions[_TOLD] = True
        _log.warning(
            "a form of Flask-WTF has made a CSRF token of its own, and Holdfast refuses it of who is"
            " signed in, and at a sign-in: say CSRFProtect(app) after Holdfast(app), with"
            " `from holdfast.web.flask.wtf import CSRFProtect`"
        )


def _unheeded(app: Flask, settings: Settings) -> Iterator[str]:
    cookie = settings.cookie
    ours: dict[str, Any] = {
        "SESSION_COOKIE_NAME": cookie.name,
        "SESSION_COOKIE_DOMAIN": cookie.domain,
        "SESSION_COOKIE_PATH": cookie.path,
        "SESSION_COOKIE_SAMESITE": cookie.same_site,
    }
    said: dict[str, Any] = app.config
    for key, value in ours.items():
        if said[key] not in (app.default_config[key], value):
            yield key
    lifetime = app.permanent_session_lifetime
    if lifetime not in (app.default_config["PERMANENT_SESSION_LIFETIME"], settings.idle):
        yield "PERMANENT_SESSION_LIFETIME"
