"""Pickled sessions in Django's database become JSON, for `holdfast convert-sessions`.

Nothing is unpickled here: who calls says how, and Django's own code has checked the signature before.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import BadSignature, JSONSerializer, dumps, loads
from django.utils import timezone

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    Restore = Callable[[bytes], dict[str, Any]]


def set_up(settings: str | None) -> None:
    """Make the project in this folder ready.

    Raises:
        ConfigurationError: there is no such project, or its sessions are not in a database.
    """
    if settings is not None:
        os.environ["DJANGO_SETTINGS_MODULE"] = settings
    sys.path.insert(0, str(Path.cwd()))  # as manage.py does
    try:
        django.setup()
        _sessions().exists()
    except (ImportError, ImproperlyConfigured, RuntimeError) as error:
        raise ConfigurationError(
            f"settings: the project cannot be used ({error}); for example --settings mysite.settings"
        ) from error


def keys() -> list[str]:
    """Those of the living sessions."""
    found: list[str] = list(_sessions().values_list("session_key", flat=True))
    return found


def convert(key: str, restore: Restore) -> bool:
    """Rewrite one session, if it is a pickle; False: it is none, or was changed meanwhile.

    Raises:
        Exception: whatever `restore` raises.
    """
    stored = _sessions().filter(session_key=key).values_list("session_data", flat=True).first()
    if stored is None or _loaded(stored, JSONSerializer) is not None:
        return False
    found = _loaded(stored, _reading(restore))
    if found is None:
        return False
    changed: int = (
        _sessions()
        .filter(session_key=key, session_data=stored)
        .update(session_data=dumps(found, salt=_salt(), serializer=JSONSerializer, compress=True))
    )
    return changed == 1


def _loaded(stored: str, serializer: Any) -> Any:
    """What is in the text of a session; None: not signed by this project, or of another kind."""
    try:
        return loads(stored, salt=_salt(), serializer=serializer)
    except (BadSignature, ValueError):
        return None


def _reading(restore: Restore) -> type:
    """A serializer as Django wants it."""

    class Reading:
        def loads(self, raw: bytes) -> dict[str, Any]:
            return restore(raw)

    return Reading


def _salt() -> str:
    from django.contrib.sessions.backends.db import SessionStore

    return SessionStore().key_salt


def _sessions() -> Any:
    from django.contrib.sessions.models import Session

    return Session.objects.filter(expire_date__gt=timezone.now())
