"""How often credentials may be wrong (R148, R149; DESIGN §10).

Two bounds, and neither lets an attacker lock an account's owner out:

- Failures per account and address, and per address over all accounts, in a sliding window: 429
  until the window has moved on. Other addresses are not affected.
- `lock_after` failures in a row, from anywhere: the account then takes passwords only from
  browsers that it knows (see `known_device`), or after its password was set anew: 403.

Every name is treated alike, whether anybody has it or not (R166). A known browser counts for
itself, so nothing that happens to the account elsewhere touches it. Failures in a row are counted
before the check and taken back after it, so that parallel tries are never more than allowed.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

from holdfast.chain import Refusal, error_reply
from holdfast.chain.reply import retry_after
from holdfast.events import EventName, Severity
from holdfast.rules.forwarded import limit_key
from holdfast.settings import Rate, ms

if TYPE_CHECKING:
    from holdfast.engine.audit import Auditor
    from holdfast.protocols import AsyncStore, ClientFacts, Clock, Taken
    from holdfast.service.failures import Failures
    from holdfast.service.options import ServiceOptions

_HASH_CHARS = 22


class Window(NamedTuple):
    """One quota of failures and the key that it is counted under."""

    key: bytes
    rate: Rate


class Entry(NamedTuple):
    """One try that was let in: whose failures it counts for, and how many with this one."""

    counter: bytes
    failures: int
    windows: tuple[Window, ...]
    client: ClientFacts
    account: str


class Throttle:
    """Lets tries in and notes how they ended. The quotas live in the store of the sessions."""

    def __init__(
        self,
        store: AsyncStore,
        failures: Failures,
        options: ServiceOptions,
        *,
        auditor: Auditor,
        clock: Clock,
    ) -> None:
        self._store = store
        self._failures = failures
        self._options = options
        self._auditor = auditor
        self._clock = clock

    async def enter(self, email: str, device: bytes | None, client: ClientFacts) -> Entry:
        """Let a try in, before its password is checked; `device` is a known browser's number.

        Raises:
            Refusal: 429 `too_many_attempts` or 403 `sign_in_locked`.
        """
        salt, now = await self._store.salt(), self._clock()
        account = account_key(salt, email)
        counter = account if device is None else _key(salt, b"device", device)
        windows = self._windows(salt, counter, client.address)
        name = account.hex()[:_HASH_CHARS]
        until = await self._failures.blocked_until([window.key for window in windows], now=now)
        if until is not None:
            self._note(EventName.AUTHN_LOGIN_FAIL, client, "blocked", name)
            raise _too_many(until - now)
        count = await self._failures.reserve(counter, most=self._options.lock_after, now=now)
        if count is None:
            self._note(EventName.AUTHN_LOGIN_FAIL, client, "locked", name)
            raise _locked()
        return Entry(counter, count, windows, client, name)

    async def failed(self, entry: Entry) -> None:
        """The credentials were wrong."""
        self._note(EventName.AUTHN_LOGIN_FAIL, entry.client, "credentials", entry.account)
        for window in entry.windows:
            await self._spend(window, entry)
        if entry.failures >= self._options.lock_after:
            self._note(EventName.AUTHN_LOGIN_LOCK, entry.client, "consecutive", entry.account)

    async def succeeded(self, entry: Entry) -> None:
        """The credentials were right: failures are counted anew."""
        await self._failures.reset(entry.counter)

    async def undecided(self, entry: Entry) -> None:
        """The credentials could not be checked, which is nobody's failure."""
        await self._failures.release(entry.counter)

    def refused(self, client: ClientFacts) -> None:
        """Note a try that was none: a name or password of impossible shape."""
        self._note(EventName.AUTHN_LOGIN_FAIL, client, "malformed", None)

    async def _spend(self, window: Window, entry: Entry) -> None:
        taken = await self._take(window)
        if taken.remaining > 0:
            return
        wait = taken if not taken.allowed else await self._take(window)
        now = self._clock()
        await self._failures.block(window.key, until=now + wait.retry_after, now=now)
        self._note(EventName.AUTHN_LOGIN_FAIL_MAX, entry.client, "window", entry.account)

    async def _take(self, window: Window) -> Taken:
        return await self._store.take(
            f"sign_in/{window.key.hex()}/{window.rate.limit}",
            limit=window.rate.limit,
            period=ms(window.rate.period),
            now=self._clock(),
        )

    def _windows(self, salt: bytes, counter: bytes, address: str | None) -> tuple[Window, ...]:
        """Without an address (a Unix socket) there is nothing to tell clients apart by."""
        place = limit_key(address).encode() if address else b""
        pair = Window(_key(salt, b"pair", counter + place), self._options.sign_in_failures)
        if not place:
            return (pair,)
        return pair, Window(_key(salt, b"address", place), self._options.address_failures)

    def _note(self, name: EventName, client: ClientFacts, reason: str, account: str | None) -> None:
        detail = {"account": account} if account else {}
        self._auditor.emit(name, client, reason=reason, severity=Severity.WARN, **detail)


def account_key(salt: bytes, email: str) -> bytes:
    """What the failures of a name are counted under; tells nothing to who lacks the salt."""
    return _key(salt, b"account", email.encode())


def _key(salt: bytes, kind: bytes, value: bytes) -> bytes:
    return hmac.digest(salt, b"holdfast/1/sign-in/" + kind + b"\0" + value, "sha256")


def _too_many(wait: int) -> Refusal:
    header = retry_after(wait)
    return Refusal(error_reply(429, "too_many_attempts", "Too many attempts", header))


def _locked() -> Refusal:
    message = (
        "Too many failed attempts. Sign in from a browser that you have used before,"
        " or have your password reset."
    )
    return Refusal(error_reply(403, "sign_in_locked", message))
