"""What can be set about the service itself, beside `holdfast.settings.Settings` of the sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from holdfast.rules import host as hosts
from holdfast.settings import Rate
from holdfast.settings.checks import refuse, require_kinds

LEAST_PASSWORD = 8
_ADDRESS = re.compile(r"https?://[^/?#\s]+/[^?#\s]*")
MOST_LIFETIME = timedelta(days=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Options of the service; each is `HOLDFAST_<NAME>` in the environment.

    `fresh_for` is how long after a sign-in somebody may end sessions without the password (R36).
    `sign_in_failures` is what one account may fail from one address, `address_failures` what one
    address may fail for all accounts (R148); `lock_after` consecutive failures restrict an account
    to browsers that it knows (R149, at most 100). `password_min_length` is 15 because a password
    alone signs in here (NIST SP 800-63B-4 §3.1.1.2). `check_threads` bounds how many passwords are
    checked at once, `check_queue` how many sign-ins wait for that, `check_timeout` for how long.
    `authenticator_key` is shown to an authenticator that is asked over HTTP, which has to answer
    within `authenticator_timeout`.
    A body has at most `body_limit` bytes and `body_timeout` to come.
    `introspection_key` switches introspection and revocation on, `metrics_key` metrics.
    `forward_auth_sign_in` is the address that forward-auth sends people to, `return_hosts` are hosts
    to which a sign-in may send them back. `forward_auth_audience` puts a token for the application
    behind into `X-Auth-Token`, good for `forward_auth_lifetime`. `service_keys` are the entries of
    applications that may use the back-end API; without one it is off. Of its requests that carry an
    `Idempotency-Key` the answers are kept for `idempotency_lifetime`, for each service key at most
    `idempotency_keys` at once. `adopt_from` is the library whose live sessions become ours, see
    `holdfast.adoption`; the other options of that name are about it.
    """

    fresh_for: timedelta = timedelta(minutes=10)
    sign_in_failures: Rate = field(default_factory=lambda: Rate(limit=20))
    address_failures: Rate = field(default_factory=Rate)
    lock_after: int = 100
    known_device_lifetime: timedelta = timedelta(days=400)
    password_min_length: int = 15
    check_threads: int = 2
    check_queue: int = 64
    check_timeout: timedelta = timedelta(seconds=10)
    authenticator_key: str = field(default="", repr=False)
    authenticator_timeout: timedelta = timedelta(seconds=5)
    body_limit: int = 16 * 1024
    body_timeout: timedelta = timedelta(seconds=20)
    expose_docs: bool = False
    introspection_key: str = field(default="", repr=False)
    metrics_key: str = field(default="", repr=False)
    forward_auth_sign_in: str = ""
    forward_auth_audience: str = ""
    forward_auth_lifetime: timedelta = timedelta(minutes=1)
    return_hosts: tuple[str, ...] = ()
    service_keys: tuple[str, ...] = ()
    idempotency_lifetime: timedelta = timedelta(hours=24)
    idempotency_keys: int = 100_000
    adopt_from: Literal["connect-redis", "flask-session", "starsessions"] | None = None
    adopt_redis: str = field(default="", repr=False)
    adopt_secret: str = field(default="", repr=False)
    adopt_secret_previous: str = field(default="", repr=False)
    adopt_subject: str = ""
    adopt_prefix: str = ""
    adopt_cookie: str = ""
    adopt_path: str = ""
    adopt_domain: str = ""

    def __post_init__(self) -> None:
        require_kinds(self)
        self._check_sign_in()
        self._check_bodies()
        self._check_forward_auth()
        for name in ("introspection_key", "metrics_key", "authenticator_key"):
            key: str = getattr(self, name)
            good = "what `holdfast keys new` prints"
            _require(not key or len(key) >= 32, name, "at least 32 characters, or nothing", good)

    def _check_sign_in(self) -> None:
        least, device = self.password_min_length, self.known_device_lifetime
        limit = self.authenticator_timeout
        in_time = limit < self.check_timeout or not self.authenticator_key
        _require(1 <= self.lock_after <= 100, "lock_after", "1 to 100 (R149)", "100")
        _require(LEAST_PASSWORD <= least <= 64, "password_min_length", "8 to 64", "15")
        _require(self.check_threads >= 1, "check_threads", "at least 1", "2")
        _require(self.check_queue >= 1, "check_queue", "at least 1", "64")
        _require(
            timedelta(0) < device <= MOST_LIFETIME,
            "known_device_lifetime",
            "above 0 and at most 400 days",
            "400d",
        )
        _require(self.fresh_for > timedelta(0), "fresh_for", "above 0", "10m")
        _require(self.check_timeout > timedelta(0), "check_timeout", "above 0", "10s")
        _require(
            in_time and limit > timedelta(0),
            "authenticator_timeout",
            "above 0 and below check_timeout",
            "5s",
        )

    def _check_bodies(self) -> None:
        kept = self.idempotency_lifetime
        _require(1024 <= self.body_limit <= 1024 * 1024, "body_limit", "1 KiB to 1 MiB", "16384")
        _require(self.body_timeout > timedelta(0), "body_timeout", "above 0", "20s")
        _require(
            timedelta(minutes=1) <= kept <= timedelta(days=7),
            "idempotency_lifetime",
            "1 minute to 7 days",
            "24h",
        )
        _require(self.idempotency_keys >= 1, "idempotency_keys", "at least 1", "100000")

    def _check_forward_auth(self) -> None:
        address, lifetime = self.forward_auth_sign_in, self.forward_auth_lifetime
        _require(
            not address or _ADDRESS.fullmatch(address) is not None,
            "forward_auth_sign_in",
            "an http(s) address without a query",
            "https://auth.example.org/sign-in",
        )
        _require(
            timedelta(seconds=1) <= lifetime <= timedelta(minutes=15),
            "forward_auth_lifetime",
            "1 s to 15 minutes",
            "1m",
        )
        _require(
            all(hosts.canonical(each) == each for each in self.return_hosts),
            "return_hosts",
            "host names in lower case, with a port where it is not the usual one",
            "app.example.org",
        )


def _require(kept: bool, name: str, bound: str, valid: str) -> None:  # noqa: FBT001 - reads as a rule
    if not kept:
        refuse(name, f"must be {bound}", valid)
