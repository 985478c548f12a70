"""Every default of the specification in one place, each overridable, validated together.

Settings are frozen: nothing changes after construction, and there is no global configuration. Times
are `timedelta` here and integer milliseconds everywhere else. The text below a field is its line in
the reference.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, Self, Unpack
from urllib.parse import urlsplit

from holdfast.protocols import Cap
from holdfast.record import CLAIMS, Policy
from holdfast.settings.checks import ms, refuse, require_kinds
from holdfast.settings.cookie import Cookie, SameSite
from holdfast.settings.limits import MOST_COUNTED, Limits, Rate

if TYPE_CHECKING:
    from holdfast.settings.changes import Changes

__all__ = ["Cookie", "Limits", "Rate", "SameSite", "Settings", "ms"]

_FLUSH_EVERY = timedelta(seconds=10)
_ABOVE_0 = (
    "touch_every",
    "flush_every",
    "presession_lifetime",
    "refresh_lifetime",
    "sweep_every",
    "store_timeout",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. Lengths are bytes, durations `timedelta`."""

    environment: str = "production"
    """The deployment's name. It enters issuer, audience and every derived key, so that a secret
    copied from staging verifies nothing in production (R170, P36)."""
    idle: timedelta = timedelta(hours=24)
    """A session's cookie ends after this time without a request. Browsers keep it for `cookie.max_age`:
    make that longer, too."""
    absolute: timedelta = timedelta(days=7)
    """A session ends this long after its sign-in or latest re-authentication."""
    touch_every: timedelta = timedelta(minutes=1)
    """Activity is noted at most this often; at most a tenth of `idle`."""
    flush_every: timedelta = _FLUSH_EVERY
    """How often a process sends noted activity to the store; at most a tenth of `idle`, or 10 seconds."""
    policies: dict[str, Limits] = field(default_factory=dict[str, Limits])
    """Further named limits, for `sign_in(policy=…)`."""
    data_limit: int = 16 * 1024
    """Bytes that a session's data may have as JSON, up to 1 MiB."""
    seal_data: bool = False
    """Encrypt the data with a key that only the session's cookie gives."""
    max_sessions: int | None = None
    """Sessions that one subject may have at the same time; None: any number."""
    over_cap: Literal["evict_oldest", "reject"] = "evict_oldest"
    """What a sign-in beyond `max_sessions` does: end the oldest session, or get a 403."""
    cookie: Cookie = field(default_factory=Cookie)
    """The session cookie."""
    presession_lifetime: timedelta = timedelta(hours=1)
    """How long the CSRF token of a visitor without a session is good."""
    clear_site_data: tuple[str, ...] = ("storage",)
    """What a sign-out asks the browser to clear; "cookies" reaches sibling subdomains too."""
    issuer: str = ""
    """`iss` of tokens; empty: `holdfast:<environment>`."""
    audience: str = ""
    """`aud` of tokens; empty: `holdfast:<environment>`."""
    access_lifetime: timedelta = timedelta(hours=1)
    """Life of an access token."""
    refresh_lifetime: timedelta = timedelta(days=7)
    """Life of a refresh family from its start; rotation never extends it."""
    refresh_grace: timedelta = timedelta(seconds=30)
    """How long a refresh token that was just exchanged gets its successor again; 0: never."""
    leeway: timedelta = timedelta(seconds=30)
    """By how much other clocks may differ when the times of a token are judged."""
    csrf_header: str = "X-CSRF-Token"
    """The header that carries the CSRF token."""
    csrf_field: str = "csrf_token"
    """The form field that carries the CSRF token."""
    trusted_origins: tuple[str, ...] = ()
    """Further origins whose pages may send unsafe requests and open WebSockets."""
    rate: Rate = field(default_factory=Rate)
    """Unsafe requests, and exchanges of tokens, that one session may make."""
    rates: dict[str, Rate | None] = field(default_factory=dict[str, Rate | None])
    """Paths with a budget of their own, None for no limit: exactly this path or, if it ends with a slash,
    all below it. Paths with the same numbers share one budget."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose `X-Forwarded-*` headers are believed."""
    proxy_hops: int = 1
    """How many trusted proxies stand in front, counted from the right of those headers."""
    plain_http_hosts: tuple[str, ...] = ()
    """Host names that may be used without HTTPS, beside loopback."""
    health_paths: tuple[str, ...] = ("/healthz", "/readyz")
    """Paths that may be asked without HTTPS; no session is looked for on them."""
    exclude_paths: tuple[str, ...] = ()
    """Paths on which no session is looked for."""
    keep_address: Literal["full", "truncated", "off"] = "full"
    """How much of the client's address records keep: `truncated` is /24, for IPv6 /48."""
    keep_user_agent: bool = True
    """Whether records keep the client's user agent."""
    sweep_every: timedelta = timedelta(minutes=60)
    """How often expired records are removed, by one process of all."""
    store_timeout: timedelta = timedelta(seconds=5)
    """How long one call of the store may take; at most an hour."""
    cache: bool = False
    """Keep the records of signed-in sessions in memory while the store says that they are unchanged: Redis
    and PostgreSQL only."""
    cache_bound: timedelta = timedelta(seconds=1)
    """How long, at most, a session that was ended elsewhere is still served from memory."""
    cache_entries: int = 10_000
    """Sessions that one process keeps in memory."""
    cache_bytes: int = 64 * 1024 * 1024
    """Bytes that they may take, about."""
    fresh_paths: tuple[str, ...] = ()
    """Paths on which the store itself is always asked: exactly this path or, if it ends with a slash, all
    below it. Unsafe requests and WebSockets ask it anyway."""
    stale_reads: timedelta = timedelta(0)
    """While the store is away, go on with sessions in memory for so long, though they may have been ended
    elsewhere; only with `cache`. 0: never."""

    def __post_init__(self) -> None:
        name = f"holdfast:{self.environment}"
        object.__setattr__(self, "issuer", self.issuer or name)
        object.__setattr__(self, "audience", self.audience or name)
        require_kinds(self)
        self._check_names()
        self._check_times()
        self._check_tokens()
        self._check_network()
        self._check_rates()
        self._check_cache()

    def _check_names(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", self.environment):
            refuse("environment", "must be 1 to 64 letters, digits, '_', '.', '-'", "'production'")
        if not re.fullmatch(r"[A-Za-z0-9-]{1,64}", self.csrf_header):
            refuse("csrf_header", "is not a header name", "'X-CSRF-Token'")
        if not 1 <= self.data_limit <= 1024 * 1024:
            refuse("data_limit", "must be 1 byte to 1 MiB", "16384")
        if self.max_sessions is not None and not 1 <= self.max_sessions <= MOST_COUNTED:
            refuse("max_sessions", f"must be None or at least 1, and at most {MOST_COUNTED}", "10")
        allowed = {"cache", "cookies", "storage", "executionContexts", "*"}
        if not set(self.clear_site_data) <= allowed:
            refuse("clear_site_data", f"knows only {sorted(allowed)}", "('storage',)")
        if "default" in self.policies:
            refuse("policies", "'default' is made of idle and absolute", "{'remember': Limits(…)}")
        for name in CLAIMS & self.policies.keys():
            refuse("policies", f"{name!r} is that of our own claims", "{'remember': Limits(…)}")

    def _check_times(self) -> None:
        self._check_limits("", Limits(idle=self.idle, absolute=self.absolute))
        for name, limits in self.policies.items():
            self._check_limits(f"policies[{name!r}].", limits)
        for name in _ABOVE_0:
            if getattr(self, name) <= timedelta(0):
                refuse(name, "must be above 0", "timedelta(minutes=1)")
        if self.store_timeout > timedelta(hours=1):
            refuse("store_timeout", "must be at most 1 hour", "timedelta(seconds=5)")

    def _check_limits(self, where: str, limits: Limits) -> None:
        seconds = limits.idle.total_seconds()
        if seconds <= 0:
            refuse(f"{where}idle", "must be above 0", "timedelta(hours=24)")
        if limits.absolute < limits.idle:
            twice = f"timedelta(seconds={2 * seconds:.0f})"
            refuse(f"{where}absolute", "must not be below idle", twice)
        tenth = f"timedelta(seconds={seconds / 10:.0f})"
        if self.touch_every > limits.idle / 10:
            refuse("touch_every", f"must be at most a tenth of {where}idle", tenth)
        if self.flush_every > max(limits.idle / 10, _FLUSH_EVERY):
            refuse("flush_every", f"must be at most a tenth of {where}idle, or 10 s", tenth)

    def _check_cache(self) -> None:
        if not timedelta(milliseconds=50) <= self.cache_bound <= timedelta(minutes=1):
            refuse("cache_bound", "must be 50 ms to 1 minute", "timedelta(seconds=1)")
        if self.cache_entries < 1:
            refuse("cache_entries", "must be at least 1", "10000")
        if self.cache_bytes < 1024 * 1024:
            refuse("cache_bytes", "must be at least 1 MiB", "67108864")
        if not timedelta(0) <= self.stale_reads <= timedelta(hours=1):
            refuse("stale_reads", "must be 0 to 1 hour", "timedelta(minutes=5)")

    def _check_tokens(self) -> None:
        if not timedelta(seconds=1) <= self.access_lifetime <= self.refresh_lifetime:
            refuse("access_lifetime", "must be 1 s to refresh_lifetime", "timedelta(hours=1)")
        if not timedelta(0) <= self.refresh_grace <= timedelta(minutes=5):
            refuse("refresh_grace", "must be 0 to 5 minutes (R110)", "timedelta(seconds=30)")
        if not timedelta(0) <= self.leeway <= timedelta(minutes=5):
            refuse("leeway", "must be 0 to 5 minutes (R93)", "timedelta(seconds=30)")

    def _check_network(self) -> None:
        for origin in self.trusted_origins:
            parts = urlsplit(origin)
            if not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
                refuse(
                    "trusted_origins",
                    "each is scheme://host[:port]",
                    "('https://app.example.org',)",
                )
        for network in self.trusted_proxies:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                refuse("trusted_proxies", "each is an address or network", "('10.0.0.0/8',)")
        if not 1 <= self.proxy_hops <= MOST_COUNTED:
            refuse("proxy_hops", f"must be at least 1, and at most {MOST_COUNTED}", "1")

    def _check_rates(self) -> None:
        if not all(path.startswith("/") for path in self.rates):
            refuse("rates", "each key is a path", "{'/login': Rate(limit=10)}")

    @property
    def cap(self) -> Cap | None:
        """The cap that an insert is judged by; None when sessions per subject are not limited."""
        return None if self.max_sessions is None else Cap(self.max_sessions, self.over_cap)

    def policy(self, name: str) -> Policy | None:
        """Today's limits of that name, in ms; None if no such policy is configured."""
        if name == "default":
            return Policy(name, ms(self.idle), ms(self.absolute))
        limits = self.policies.get(name)
        return Policy(name, ms(limits.idle), ms(limits.absolute)) if limits else None

    @property
    def touch_slack(self) -> int:
        """Ms by which `seen_at` may lag behind: `touch_every` plus the flush interval."""
        return ms(self.touch_every) + ms(self.flush_every)

    @classmethod
    def for_development(cls, *, hosts: tuple[str, ...] = (), **changes: Unpack[Changes]) -> Self:
        """Plain HTTP on loopback, and on private `hosts` when asked; never the default (P62)."""
        base = cls(
            environment="development",
            cookie=Cookie(name="session", secure=False),
            plain_http_hosts=hosts,
        )
        return replace(base, **changes)

    @classmethod
    def nist_aal1(cls, **changes: Unpack[Changes]) -> Self:
        """NIST SP 800-63B-4 §2.1.3: overall at most 30 days; a cookie without Max-Age (R23)."""
        return cls._nist("nist_aal1", timedelta(days=30), timedelta(days=30), changes)

    @classmethod
    def nist_aal2(cls, **changes: Unpack[Changes]) -> Self:
        """NIST SP 800-63B-4 §2.2.3: overall at most 24 h, idle at most 1 h (R24)."""
        return cls._nist("nist_aal2", timedelta(hours=1), timedelta(hours=24), changes)

    @classmethod
    def nist_aal3(cls, **changes: Unpack[Changes]) -> Self:
        """NIST SP 800-63B-4 §2.3.3: overall at most 12 h, idle at most 15 min (R25)."""
        return cls._nist("nist_aal3", timedelta(minutes=15), timedelta(hours=12), changes)

    @classmethod
    def asvs(cls, **changes: Unpack[Changes]) -> Self:
        """OWASP ASVS 5.0 level 2, with the cheat sheet's office values: 30 min and 8 h (R29)."""
        return replace(cls(idle=timedelta(minutes=30), absolute=timedelta(hours=8)), **changes)

    @classmethod
    def _nist(cls, name: str, idle: timedelta, absolute: timedelta, changes: Changes) -> Self:
        base = cls(idle=idle, absolute=absolute, cookie=Cookie(max_age=None))
        settings = replace(base, **changes)
        if settings.absolute > absolute:
            refuse(
                "absolute",
                f"{name} allows at most {absolute}",
                f"timedelta(hours={absolute.total_seconds() / 3600:.0f})",
            )
        if settings.idle > idle:
            refuse(
                "idle",
                f"{name} allows at most {idle}",
                f"timedelta(minutes={idle.total_seconds() / 60:.0f})",
            )
        return settings
