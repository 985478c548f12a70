"""A user of this project who was signed in by another service with the same secret and store."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.core.exceptions import ImproperlyConfigured, ValidationError


class Noted(NamedTuple):
    """What `contrib.auth` keeps of a user in the session, beside the id."""

    backend: str
    password_hash: str


def of(subject: str) -> Noted | None:
    """What `login` would have noted of the user with this id; None if there is no such user.

    The first backend that knows the user counts. An inactive user is none.
    """
    with suppress(ImproperlyConfigured, ValidationError, ValueError):
        model = get_user_model()
        id = model._meta.pk.to_python(subject)  # noqa: SLF001 - as contrib.auth does
        for path in settings.AUTHENTICATION_BACKENDS:
            user = load_backend(path).get_user(id)
            if user is not None:
                return Noted(path, user.get_session_auth_hash())
    return None
