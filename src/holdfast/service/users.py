"""The service's own users, in a table beside those of the sessions.

Calls block: for microseconds on SQLite, for a round trip on PostgreSQL, and where they write until
that is on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from holdfast.errors import HoldfastError
from holdfast.service import schema

if TYPE_CHECKING:
    from holdfast.protocols import Clock, Entropy
    from holdfast.service.database import Database, Row, Value

_SUBJECT_BYTES = 16
_COLUMNS = "subject, email, role, disabled, credential_version, created_at, password_hash"
_INSERT = f"""
    INSERT INTO @schema@.users ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING RETURNING subject
"""  # noqa: S608 - a constant


class DuplicateEmail(HoldfastError):
    """There is a user with this e-mail address already."""

    code = "duplicate_email"
    http_status = 409


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

    def __init__(self, database: Database, *, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        database.migrate(schema.USERS)

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
        if not self._database.write(_INSERT, *_values(user)):
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
        sql = f"SELECT {_COLUMNS} FROM @schema@.users WHERE email > ? ORDER BY email LIMIT ?"  # noqa: S608 - a constant
        rows = self._database.read(sql, after or "", limit + 1)
        users = tuple(_user(row) for row in rows[:limit])
        return UserPage(users, users[-1].email if len(rows) > limit else None)

    def set_disabled(self, subject: str, *, disabled: bool) -> bool:
        """Shut an account, or open it again; False: there is none. Its sessions go on."""
        return self._change("disabled = ? WHERE subject = ?", int(disabled), subject)

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
        return self._write("DELETE FROM @schema@.users WHERE subject = ?", subject)

    def _one(self, column: str, value: str) -> User | None:
        sql = f"SELECT {_COLUMNS} FROM @schema@.users WHERE {column} = ?"  # noqa: S608 - constants
        rows = self._database.read(sql, value)
        return _user(rows[0]) if rows else None

    def _change(self, assignment: str, *values: Value) -> bool:
        return self._write(f"UPDATE @schema@.users SET {assignment}", *values)  # noqa: S608 - constants

    def _write(self, sql: str, *values: Value) -> bool:
        """Whether anybody was concerned; on disk before it returns."""
        return bool(self._database.write(f"{sql} RETURNING subject", *values))


def _values(user: User) -> tuple[Value, ...]:
    return (
        user.subject,
        user.email,
        user.role,
        int(user.disabled),
        user.credential_version,
        user.created_at,
        user.password_hash,
    )


def _user(row: Row) -> User:
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
