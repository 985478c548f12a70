"""The service's own users, in the database file of the sessions.

Calls block for microseconds, or, where they write, until the writer thread has committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from holdfast.errors import HoldfastError
from holdfast.service import schema

if TYPE_CHECKING:
    import sqlite3

    from holdfast.protocols import Clock, Entropy
    from holdfast.stores.sqlite.core import SqliteCore

_SUBJECT_BYTES = 16
_COLUMNS = "subject, email, role, disabled, credential_version, created_at, password_hash"


class DuplicateEmail(HoldfastError):
    """There is a user with this e-mail address already."""

    code: ClassVar[str] = "duplicate_email"
    http_status: ClassVar[int] = 409


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One user. `subject` is random and stays the same when the e-mail address changes."""

    subject: str
    email: str
    role: str | None
    disabled: bool
    credential_version: int
    created_at: int
    password_hash: str = field(repr=False)


class UserPage(NamedTuple):
    """Some users in the order of their addresses; `after` continues, None ends."""

    users: tuple[User, ...]
    after: str | None


class Users:
    """The table of users. E-mail addresses are expected in their normalised spelling."""

    def __init__(self, core: SqliteCore, *, clock: Clock, entropy: Entropy) -> None:
        self._core = core
        self._clock = clock
        self._entropy = entropy
        core.migrate("users", schema.USERS)

    def add(self, email: str, password_hash: str, role: str | None = None) -> User:
        """A new user.

        Raises:
            DuplicateEmail: the address is taken.
        """
        user = User(
            subject=self._entropy(_SUBJECT_BYTES).hex(),
            email=email,
            role=role,
            disabled=False,
            credential_version=1,
            created_at=self._clock(),
            password_hash=password_hash,
        )
        if not self._core.write(lambda conn: _insert(conn, user), durable=True):
            raise DuplicateEmail("there is a user with this e-mail address already")
        return user

    def by_email(self, email: str) -> User | None:
        """The user with this address."""
        return self._one("email", email)

    def by_subject(self, subject: str) -> User | None:
        """The user of this subject."""
        return self._one("subject", subject)

    def page(self, *, after: str | None = None, limit: int = 100) -> UserPage:
        """One page of all users, by address after `after`."""
        rows = self._core.read(
            f"SELECT {_COLUMNS} FROM users WHERE email > ? ORDER BY email LIMIT ?",  # noqa: S608 - a constant
            (after or "", limit + 1),
        )
        users = tuple(_user(row) for row in rows[:limit])
        return UserPage(users, users[-1].email if len(rows) > limit else None)

    def set_disabled(self, subject: str, *, disabled: bool) -> bool:
        """Shut an account, or open it again; False: there is none. Its sessions go on."""
        return self._change("disabled = ? WHERE subject = ?", disabled, subject)

    def set_password(self, subject: str, password_hash: str) -> bool:
        """A new password; sign-ins that are under way with the old one are taken back."""
        sql = "password_hash = ?, credential_version = credential_version + 1 WHERE subject = ?"
        return self._change(sql, password_hash, subject)

    def rehash(self, user: User, password_hash: str) -> bool:
        """The same password in a newer form, unless it was changed meanwhile."""
        sql = "password_hash = ? WHERE subject = ? AND password_hash = ?"
        return self._change(sql, password_hash, user.subject, user.password_hash)

    def remove(self, subject: str) -> bool:
        """Remove a user for good; False: there is none."""
        sql = "DELETE FROM users WHERE subject = ?"
        return self._write(sql, subject)

    def _one(self, column: str, value: str) -> User | None:
        sql = f"SELECT {_COLUMNS} FROM users WHERE {column} = ?"  # noqa: S608 - constants
        row = self._core.read_one(sql, (value,))
        return None if row is None else _user(row)

    def _change(self, assignment: str, *params: str | bool) -> bool:
        return self._write(f"UPDATE users SET {assignment}", *params)  # noqa: S608 - constants

    def _write(self, sql: str, *params: str | bool) -> bool:
        """Whether anybody was concerned; on disk before it returns."""
        return self._core.write(lambda conn: conn.execute(sql, params).rowcount > 0, durable=True)


def _insert(conn: sqlite3.Connection, user: User) -> bool:
    sql = f"INSERT INTO users ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - a constant
    row = (
        user.subject,
        user.email,
        user.role,
        user.disabled,
        user.credential_version,
        user.created_at,
        user.password_hash,
    )
    return conn.execute(sql, row).rowcount > 0


def _user(row: tuple[str, str, str | None, int, int, int, str]) -> User:
    subject, email, role, disabled, version, created_at, password_hash = row
    return User(
        subject=subject,
        email=email,
        role=role,
        disabled=bool(disabled),
        credential_version=version,
        created_at=created_at,
        password_hash=password_hash,
    )
