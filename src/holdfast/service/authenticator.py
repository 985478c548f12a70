"""Who checks credentials: the service's own users, or the application, by a function or over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from holdfast.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose credentials were right; `role` is one or several.

    `credential_version` changes with the password.
    """

    subject: str
    email: str | None = None
    role: str | list[str] | None = None
    credential_version: int = 0


class Authenticator(Protocol):
    """Checks credentials. It is called in threads, and may block."""

    def check(self, email: str, password: str) -> Account | None:
        """The account of these credentials; None if they are wrong or the account is disabled.

        Right and wrong must take the same time, also for an e-mail that nobody has (R166).
        """
        ...

    def still_valid(self, account: Account) -> bool:
        """Whether the account may sign in and has had no new password since its check; quick."""
        ...


class FunctionAuthenticator:
    """An authenticator made of a function of the application."""

    def __init__(self, check: Callable[[str, str], Any]) -> None:
        self._check = check

    def check(self, email: str, password: str) -> Account | None:
        """What the function says."""
        account: object = self._check(email, password)
        if account is not None and not isinstance(account, Account):
            raise ConfigurationError(
                "authenticator: it must return holdfast.service.authenticator.Account or None"
            )
        return account

    def still_valid(self, account: Account) -> bool:  # noqa: ARG002 - the function was asked just now
        """The application ends sessions itself when it disables somebody."""
        return True


def load(path: str) -> Authenticator:
    """The authenticator at a Python path: `module:function`, or `module:object` with both methods.

    Raises:
        ConfigurationError: there is no such thing.
    """
    found = _found(path)
    if callable(getattr(found, "check", None)) and callable(getattr(found, "still_valid", None)):
        authenticator: Authenticator = found
        return authenticator
    if not callable(found):
        raise ConfigurationError(
            f"authenticator: {path!r} is no function; for example 'app.auth:check'"
        )
    return FunctionAuthenticator(cast("Callable[[str, str], Any]", found))


def _found(path: str) -> Any:
    module, _, name = path.partition(":")
    if not module or not name.isidentifier():
        raise ConfigurationError(
            "authenticator: is 'module:function'; for example 'app.auth:check'"
        )
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"authenticator: {path!r} cannot be imported: {error}") from error
