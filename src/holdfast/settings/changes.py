"""What can be changed of a profile: every field of `Settings` by its name, for editors and type checkers.

A test keeps the two alike.
"""

from datetime import timedelta
from typing import Literal, TypedDict

from holdfast.settings.cookie import Cookie
from holdfast.settings.limits import Limits, Rate

__all__ = ["Changes"]


class Changes(TypedDict, total=False):
    """Of `Settings`, where each is described."""

    environment: str
    idle: timedelta
    absolute: timedelta
    touch_every: timedelta
    flush_every: timedelta
    policies: dict[str, Limits]
    data_limit: int
    seal_data: bool
    max_sessions: int | None
    over_cap: Literal["evict_oldest", "reject"]
    cookie: Cookie
    presession_lifetime: timedelta
    clear_site_data: tuple[str, ...]
    issuer: str
    audience: str
    access_lifetime: timedelta
    refresh_lifetime: timedelta
    refresh_grace: timedelta
    leeway: timedelta
    csrf_header: str
    csrf_field: str
    trusted_origins: tuple[str, ...]
    rate: Rate
    rates: dict[str, Rate | None]
    trusted_proxies: tuple[str, ...]
    proxy_hops: int
    plain_http_hosts: tuple[str, ...]
    health_paths: tuple[str, ...]
    exclude_paths: tuple[str, ...]
    keep_address: Literal["full", "truncated", "off"]
    keep_user_agent: bool
    sweep_every: timedelta
    store_timeout: timedelta
    cache: bool
    cache_bound: timedelta
    cache_entries: int
    cache_bytes: int
    fresh_paths: tuple[str, ...]
    stale_reads: timedelta
