"""Checks credentials against the service's own users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.service.authenticator import Account

if TYPE_CHECKING:
    from holdfast.service.passwords import Hasher
    from holdfast.service.users import User, Users

_NOBODYS = "there is no such user"


class UserAuthenticator:
    """An authenticator over `Users`.

    Unknown, disabled and known users cost the same: one check of a hash with today's parameters
    (R166). The one exception is a hash of older parameters, which is gone after its next sign-in.
    """

    def __init__(self, users: Users, hasher: Hasher) -> None:
        self._users = users
        self._hasher = hasher
        self._dummy = hasher.hash(_NOBODYS)

    def check(self, email: str, password: str) -> Account | None:
        """The account of these credentials; None if they are wrong or the account is disabled."""
        user = self._users.by_email(email)
        hash = user.password_hash if user else self._dummy
        right = self._hasher.matches(hash, password)
        if user is None or user.disabled or not right:
            return None
        if self._hasher.is_outdated(hash):
            self._users.rehash(user, self._hasher.hash(password))
        return _account(user)

    def still_valid(self, account: Account) -> bool:
        """Whether the account is open and has had no new password since it was checked."""
        user = self._users.by_subject(account.subject)
        return (
            user is not None
            and not user.disabled
            and user.credential_version == account.credential_version
        )


def _account(user: User) -> Account:
    return Account(
        subject=user.subject,
        email=user.email,
        role=user.role,
        credential_version=user.credential_version,
    )
