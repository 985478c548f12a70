"""A user of this project who was signed in by another service with the same secret and store."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.core.exceptions import ImproperlyConfigured, ValidationError

_LARGEST = 2**63 - 1
"""What every database can be asked for."""


class Noted(NamedTuple):
    """What `contrib.auth` keeps of a user in the session, beside the id."""

    backend: str
    password_hash: str


def users_exist() -> bool:
    """Whether this project has a model of users at all."""
    try:
        get_user_model()
    except (ImproperlyConfigured, LookupError):
        return False
    return True


def may_be_user(subject: str) -> bool:
    """Whether this has the shape of a user's id here; `contrib.auth` fails on any other."""
    return _id(subject) is not None


def of(subject: str) -> Noted | None:
    """What `login` would have noted of the user with this id; None if there is no such user.

    The first backend that knows the user counts. An inactive user is none.
    """
    id = _id(subject)
    for path in settings.AUTHENTICATION_BACKENDS if id is not None else ():
        user = load_backend(path).get_user(id)
        if user is not None:
            return Noted(path, user.get_session_auth_hash())
    return None


def is_barred(subject: str) -> bool:
    """Whether this names a user of this project who is not active; `of` knows no such user."""
    id = _id(subject) if users_exist() else None
    if id is None:
        return False
    user = get_user_model()._default_manager.filter(pk=id).first()  # noqa: SLF001 - Django's documented name
    return user is not None and not user.is_active


def _id(subject: str) -> Any:
    if not users_exist():  # any text will do
        return subject
    try:
        id = get_user_model()._meta.pk.to_python(subject)  # noqa: SLF001 - as contrib.auth does
    except (ValidationError, ValueError):
        return None
    return None if isinstance(id, int) and abs(id) > _LARGEST else id
