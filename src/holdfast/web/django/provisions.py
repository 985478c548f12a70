"""Where a project's secret and its store come from: its settings, the environment, or Django's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError
from holdfast.rules.strength import ADVICE, weakness
from holdfast.web.django import trial

if TYPE_CHECKING:
    from django.conf import LazySettings

_JUST_MADE = "django-insecure-"


def secrets_of(conf: LazySettings) -> list[str] | None:
    """The master secrets, newest first; None: those of the environment.

    Without `HOLDFAST_SECRET`, in the settings or in the environment, Django's own secret is used:
    keys are derived from it under labels of their own. That of a project which `startproject` has
    just made is good enough while `DEBUG` is on.

    Raises:
        ConfigurationError: Django's own secret is none.
    """
    given = getattr(conf, "HOLDFAST_SECRET", None)
    if given:
        return [given] if isinstance(given, str) else list(given)
    if os.environ.get("HOLDFAST_SECRET"):
        return None
    own = [conf.SECRET_KEY, *conf.SECRET_KEY_FALLBACKS]
    if trial.has_debug(conf):
        own = [each.removeprefix(_JUST_MADE) for each in own]
    _require_strong(own)
    return own


def store_of(conf: LazySettings) -> str | None:
    """The URL of the store; None: that of the environment, then the default.

    Tests do not write into the file that development uses by default; a store that the project or
    the environment names is theirs as well.
    """
    given: str | None = getattr(conf, "HOLDFAST_STORE", None)
    if given is None and trial.is_on() and not os.environ.get("HOLDFAST_STORE"):
        return trial.STORE
    return given


def _require_strong(secrets: list[str]) -> None:
    problem = next(filter(None, (weakness(each.encode()) for each in secrets)), None)
    if problem is not None:
        raise ConfigurationError(
            f"SECRET_KEY: {problem}; change it, or set HOLDFAST_SECRET beside it; {ADVICE}"
        )
