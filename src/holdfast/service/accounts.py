"""Signing in: what the JSON routes and the pages do with an e-mail address and a password."""

from __future__ import annotations

from asyncio import to_thread
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from holdfast.chain import Refusal, error_reply
from holdfast.service.emails import normalised
from holdfast.service.passwords import prepared
from holdfast.session import Session

if TYPE_CHECKING:
    from holdfast.engine import Tokens
    from holdfast.protocols import ClientFacts
    from holdfast.service.authenticator import Account
    from holdfast.service.context import ServiceContext
    from holdfast.service.throttle import Entry

AMR = ("pwd",)
"""The authentication method that sessions note (RFC 8176)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to sign in. `cookies` is the `Cookie` header, for the known-device cookie."""

    email: str
    password: str = field(repr=False)
    client: ClientFacts
    cookies: str = field(default="", repr=False)


def require_both(attempt: Attempt) -> None:
    """Refuse an attempt that lacks one half.

    Raises:
        Refusal: 400 `credentials_required`.
    """
    if not attempt.email or not attempt.password:
        raise Refusal(error_reply(400, "credentials_required", "E-mail and password required"))


async def authenticate(context: ServiceContext, attempt: Attempt) -> Account:
    """The account of these credentials.

    Raises:
        Refusal: 401 `invalid_credentials`, the same for an unknown e-mail, a wrong password and a
            disabled account (R166); 429 `too_many_attempts`; 403 `sign_in_locked`; 503
            `sign_in_busy`.
    """
    email, password = normalised(attempt.email), prepared(attempt.password)
    if email is None or password is None:
        context.throttle.refused(attempt.client)
        raise invalid_credentials()
    device = context.known_devices.read(attempt.cookies, email)
    async with context.checks.slot():
        entry = await context.throttle.enter(email, device, attempt.client)
        account = await _checked(context, entry, email, password)
    if account is None:
        raise invalid_credentials()
    return account


async def sign_in(context: ServiceContext, session: Session, attempt: Attempt) -> str:
    """Sign a browser in; the text of the `Set-Cookie` by which it is known from now on.

    The session's own cookie is set by the chain. Raises as `authenticate`.
    """
    account = await authenticate(context, attempt)
    _intend(context, session, account)
    return context.known_devices.cookie(normalised(attempt.email) or "")


async def issue_tokens(context: ServiceContext, attempt: Attempt) -> Tokens:
    """A new session for a token client, as its first pair of tokens. Raises as `authenticate`."""
    account = await authenticate(context, attempt)
    session = Session(client=attempt.client)
    _intend(context, session, account)
    return await context.sessions.issue_tokens(session)


async def reauthenticate(
    context: ServiceContext, session: Session, password: str, cookies: str = ""
) -> None:
    """Check the password of who is signed in, and give the session a new secret (R14, R26).

    Raises:
        Refusal: as `authenticate`.
    """
    attempt = Attempt(
        email=str(session.claims.get("email", "")),
        password=password,
        client=session.client,
        cookies=cookies,
    )
    account = await authenticate(context, attempt)
    if account.subject != session.subject:
        raise invalid_credentials()
    session.rotate(reauthenticated=True, amr=AMR)


async def _checked(
    context: ServiceContext, entry: Entry, email: str, password: str
) -> Account | None:
    """What the authenticator says; the throttle is told how it ended."""
    try:
        account = await context.checks.run(partial(context.authenticator.check, email, password))
    except BaseException:
        await context.throttle.undecided(entry)
        raise
    if account is None:
        await context.throttle.failed(entry)
    else:
        await context.throttle.succeeded(entry)
    return account


def invalid_credentials() -> Refusal:
    """The one answer to every kind of wrong credentials."""
    return Refusal(error_reply(401, "invalid_credentials", "Invalid credentials"))


def _intend(context: ServiceContext, session: Session, account: Account) -> None:
    session.sign_in(
        account.subject,
        amr=AMR,
        still_valid=partial(_still_valid, context, account),
        email=account.email,
        role=account.role,
    )


async def _still_valid(context: ServiceContext, account: Account) -> bool:
    """Asked in a thread: the answer may take a round trip."""
    return await to_thread(context.authenticator.still_valid, account)
