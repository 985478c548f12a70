"""What an operator does to accounts. Whatever shuts somebody out also ends their sessions (R32)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from holdfast.errors import HoldfastError
from holdfast.events import EventName, Severity
from holdfast.service import emails
from holdfast.service.failures import Failures
from holdfast.service.passwords import Hasher, prepared
from holdfast.service.throttle import account_key
from holdfast.service.users import Users

if TYPE_CHECKING:
    from holdfast.assembly import Assembly
    from holdfast.protocols import Clock
    from holdfast.service.database import Database
    from holdfast.service.options import ServiceOptions
    from holdfast.service.users import User


class AccountProblem(HoldfastError):
    """An account cannot be made or found; the text says why and what would do."""

    code = "account_problem"
    http_status = 400


class Administration:
    """Operations on the service's own users, for the command line."""

    def __init__(
        self, assembly: Assembly, database: Database, options: ServiceOptions, clock: Clock
    ) -> None:
        self.users = Users(database, clock=clock, entropy=os.urandom)
        self._failures = Failures(database)
        self._hasher = Hasher()
        self._assembly = assembly
        self._options = options

    def add(self, email: str, password: str, role: str | None = None) -> User:
        """A new user.

        Raises:
            AccountProblem: address or password will not do.
            DuplicateEmail: the address is taken.
        """
        user = self.users.add(self._address(email), self._hash(email, password), role)
        self._note(EventName.AUTHZ_ADMIN, user, "user_added")
        return user

    def missing_users(self, *, named: bool) -> str | None:
        """What to do if there is no user at all; `named`: the operator has said where they are."""
        if self.users.page(limit=1).users:
            return None
        told = "there is no user yet: holdfast user add EMAIL"
        if named or self._assembly.wrapped is None:
            return told
        return f"{told}; if they are in another database, name it in HOLDFAST_USERS"

    def set_password(self, user: User, password: str) -> int:
        """A new password, which lets a locked account in again; how many sessions ended."""
        self.users.set_password(user.subject, self._hash(user.email, password))
        self._failures.reset_now(account_key(self._assembly.blocking_store.salt(), user.email))
        self._note(EventName.AUTHN_PASSWORD_CHANGE, user, "by_operator")
        return self._assembly.blocking.revoke_all(user.subject)

    def disable(self, user: User) -> int:
        """Shut an account; how many sessions ended."""
        self.users.set_disabled(user.subject, disabled=True)
        self._note(EventName.AUTHZ_ADMIN, user, "user_disabled")
        return self._assembly.blocking.revoke_all(user.subject)

    def enable(self, user: User) -> None:
        """Open an account again."""
        self.users.set_disabled(user.subject, disabled=False)
        self._note(EventName.AUTHZ_ADMIN, user, "user_enabled")

    def remove(self, user: User) -> int:
        """Remove an account for good; how many sessions ended."""
        self.users.remove(user.subject)
        self._note(EventName.AUTHZ_ADMIN, user, "user_removed")
        return self._assembly.blocking.revoke_all(user.subject)

    def find(self, name: str) -> User:
        """The user of this e-mail address or subject.

        Raises:
            AccountProblem: there is none.
        """
        email = emails.normalised(name)
        user = self.users.by_subject(name) or (self.users.by_email(email) if email else None)
        if user is None:
            raise AccountProblem(f"there is no user {name!r}; `holdfast user list` shows all")
        return user

    def subject_of(self, name: str) -> str:
        """The subject of an e-mail address; any other name is a subject itself."""
        return self.find(name).subject if "@" in name else name

    def _address(self, email: str) -> str:
        address = emails.normalised(email)
        if address is None or not emails.is_address(address):
            raise AccountProblem(f"{email!r} is no e-mail address; for example ada@example.org")
        return address

    def _hash(self, email: str, password: str) -> str:
        ready, least = prepared(password), self._options.password_min_length
        if ready is None or len(ready) < least:
            raise AccountProblem(
                f"password: {least} characters or more, at most 1024 bytes; for example four random"
                " words"
            )
        if ready.casefold() == (emails.normalised(email) or ""):
            raise AccountProblem("password: must not be the e-mail address; take four random words")
        return self._hasher.hash(ready)

    def _note(self, name: EventName, user: User, reason: str) -> None:
        auditor = self._assembly.sessions.auditor
        auditor.emit(name, subject=user.subject, reason=reason, severity=Severity.WARN)
