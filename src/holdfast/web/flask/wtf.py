"""Flask-WTF over Holdfast: forms, templates and scripts go on as before, with Holdfast's token.

from holdfast.web.flask.wtf import CSRFProtect  # in place of flask_wtf.csrf's

csrf = CSRFProtect()
csrf.init_app(app)  # after Holdfast(app)

Both look for their token in the field `csrf_token`, so beside Flask-WTF's own every form is refused.
"""

from __future__ import annotations

import secrets
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, has_request_context, request
from flask_wtf import csrf as untyped  # pyright: ignore[reportMissingTypeStubs]

from holdfast.chain import Refusal
from holdfast.errors import ConfigurationError, UsageError
from holdfast.web.flask import csrf_token
from holdfast.web.flask.here import exchange

__all__ = ["CSRFProtect"]

V = TypeVar("V")
wtf: Any = untyped


class CSRFProtect:
    """Takes the place of Flask-WTF's class of that name, and does what it did.

    Unsafe requests need a token also where nobody is signed in, but for what is `exempt`; without one
    Flask-WTF's `CSRFError` is raised. `FlaskForm`, `csrf_token()`, `csrf_meta_tag()` and `generate_csrf`
    give Holdfast's token. Of Flask-WTF's configuration `WTF_CSRF_ENABLED` and
    `WTF_CSRF_CHECK_DEFAULT` count.

    No `exempt` lets a browser pass whose cookie has signed it in: Holdfast asks it for a token before
    the application runs.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self._exempt: list[object] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Protect an application.

        Raises:
            UsageError: it has no `Holdfast(app)` yet.
            ConfigurationError: its `WTF_CSRF_FIELD_NAME` is not the `csrf_field` of the settings.
        """
        extension = app.extensions.get("holdfast")
        if extension is None:
            raise UsageError(
                "CSRFProtect: this application has no sessions yet; Holdfast(app) first"
            )
        field: str = extension.assembly.settings.csrf_field
        config: Any = app.config
        named = config.setdefault("WTF_CSRF_FIELD_NAME", field)
        if named != field:
            raise ConfigurationError(
                f"csrf_field: WTF_CSRF_FIELD_NAME is another; for example Settings(csrf_field={named!r})"
            )
        config.setdefault("WTF_CSRF_SECRET_KEY", secrets.token_hex())  # asked for, never used
        app.app_ctx_globals_class = _with_tokens(app.app_ctx_globals_class, field)
        if hasattr(wtf, "csrf_meta_tag"):
            app.add_template_global(wtf.csrf_meta_tag, "csrf_meta_tag")
        app.extensions["csrf"] = self
        app.before_request(self._check)

    def exempt(self, view: V) -> V:
        """Let a view, or all of a blueprint, take unsafe requests without a token."""
        self._exempt.append(view if isinstance(view, Blueprint | str) else _named(view))
        return view

    def protect(self) -> None:
        """Refuse an unsafe request without a valid token.

        Raises:
            CSRFError: Flask-WTF's, 400.
        """
        here = exchange()
        if not here.visit.unsafe or here.visit.excluded:
            return
        try:
            here.chain.csrf.require(here.seen())
        except Refusal:
            raise wtf.CSRFError("The CSRF token is missing or invalid.") from None

    def _check(self) -> None:
        config: Any = current_app.config
        on = config.get("WTF_CSRF_ENABLED", True) and config.get("WTF_CSRF_CHECK_DEFAULT", True)
        if on and request.endpoint and not self._is_exempt(request.endpoint):
            self.protect()

    def _is_exempt(self, endpoint: str) -> bool:
        blueprint = current_app.blueprints.get(request.blueprint or "")
        return (
            blueprint in self._exempt
            or _named(current_app.view_functions[endpoint]) in self._exempt
        )


def _named(view: object) -> object:
    """The name of a view, which decorators keep; what has none, such as a `partial`, stands for itself."""
    name = getattr(view, "__name__", "")
    return f"{view.__module__}.{name}" if name else view


def _with_tokens(base: Any, field: str) -> type[Any]:
    """The class of `flask.g`, in which Flask-WTF finds the token, and whether one was shown.

    It looks there for what it has made before in the same request.
    """

    class Globals(base):  # type: ignore[misc]  # Flask's own has no public name
        def __contains__(self, name: str) -> bool:
            made = name == field and has_request_context()
            return made or bool(base.__contains__(self, name))

        def get(self, name: str, default: Any = None) -> Any:
            if name == field and has_request_context():
                return csrf_token()
            if name == "csrf_valid" and has_request_context():
                return exchange().visit.csrf in {"token", "bearer"}
            return base.get(self, name, default)

    return Globals
