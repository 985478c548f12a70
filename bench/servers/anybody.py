"""An authenticator of `holdfast serve` that knows everybody."""

from __future__ import annotations

from holdfast.service.authenticator import Account


def check(email: str, _password: str) -> Account | None:
    return Account(subject=email, email=email)
