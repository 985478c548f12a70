"""The demo user of `holdfast serve --demo`: a random password, kept beside the database."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from holdfast.service.passwords import Hasher

if TYPE_CHECKING:
    from holdfast.service.administration import Administration

EMAIL = "demo@example.org"
PASSWORD_FILE = "demo-password"
_BYTES = 15


class Credentials(NamedTuple):
    """A pair that signs in."""

    email: str
    password: str

    def __repr__(self) -> str:
        return f"<Credentials of {self.email}>"


def ensure_user(administration: Administration, home: Path) -> Credentials:
    """The demo user's credentials: the same at each start, renewed if they no longer work.

    So a restart signs nobody out, and what is printed always signs in.
    """
    path, user = home / PASSWORD_FILE, administration.users.by_email(EMAIL)
    known = _read(path)
    if user is None:
        password = secrets.token_urlsafe(_BYTES)
        administration.add(EMAIL, password)
    elif known is not None and Hasher().matches(user.password_hash, known):
        password = known
    else:
        password = secrets.token_urlsafe(_BYTES)
        administration.set_password(user, password)
    if password != known:
        _write(path, password)
    if user is not None and user.disabled:
        administration.enable(user)
    return Credentials(EMAIL, password)


def _read(path: Path) -> str | None:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text("ascii").strip() or None
    return None


def _write(path: Path, password: str) -> None:
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(password + "\n")
