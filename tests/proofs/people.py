"""Who signs in while processes are killed: anybody, at no cost. An authenticator of `holdfast serve`."""

from holdfast.service.authenticator import Account

PASSWORD = "the same for everybody"


def check(email: str, password: str) -> Account | None:
    """The account of whoever knows the one password."""
    return Account(subject=email, email=email) if password == PASSWORD else None
