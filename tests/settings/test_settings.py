"""Every number in one place, safe as it comes, and checked together before anything starts."""

import dataclasses
from datetime import timedelta
from typing import get_type_hints

import pytest

from holdfast import ConfigurationError, Cookie, Limits, Rate, Settings
from holdfast.protocols import Cap
from holdfast.record import Policy
from holdfast.settings.changes import Changes

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def test_the_defaults_are_those_of_the_specification():
    """R20, R39: each with its line in the reference."""
    settings = Settings()
    assert settings.clear_site_data == ("storage",)
    assert (settings.idle, settings.absolute) == (24 * HOUR, 7 * DAY)
    assert (settings.touch_every, settings.flush_every) == (MINUTE, 10 * SECOND)
    assert (settings.access_lifetime, settings.refresh_lifetime) == (HOUR, 7 * DAY)
    assert (settings.refresh_grace, settings.leeway) == (30 * SECOND, 30 * SECOND)
    assert (settings.rate.limit, settings.rate.period) == (100, 15 * MINUTE)
    assert (settings.data_limit, settings.max_sessions, settings.cap) == (16384, None, None)
    assert (settings.sweep_every, settings.presession_lifetime) == (HOUR, HOUR)
    assert (settings.csrf_header, settings.csrf_field) == ("X-CSRF-Token", "csrf_token")
    assert (settings.issuer, settings.audience) == ("holdfast:production", "holdfast:production")
    assert settings.touch_slack == 70_000


def test_the_cookie_is_as_safe_as_browsers_allow():
    """R5, R51, R52, R54, P62: prefix, `Secure`, `Strict`, no domain."""
    cookie = Settings().cookie
    assert (cookie.name, cookie.secure, cookie.same_site) == ("__Host-session", True, "Strict")
    assert (cookie.domain, cookie.path, cookie.max_age) == (None, "/", DAY)


def test_nothing_changes_after_construction():
    """So a check that passed holds."""
    settings = Settings()
    for owner in (settings, settings.cookie, settings.rate, Limits()):
        for field in dataclasses.fields(owner):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(owner, field.name, getattr(owner, field.name))


@pytest.mark.parametrize(
    ("changes", "field", "valid"),
    [
        ({"environment": ""}, "environment", "'production'"),
        ({"environment": "a/b"}, "environment", "'production'"),
        ({"environment": "prod\n"}, "environment", "'production'"),
        ({"csrf_header": "X CSRF"}, "csrf_header", "'X-CSRF-Token'"),
        ({"csrf_header": ""}, "csrf_header", "'X-CSRF-Token'"),
        ({"data_limit": 0}, "data_limit", "16384"),
        ({"data_limit": 2**20 + 1}, "data_limit", "16384"),
        ({"max_sessions": 0}, "max_sessions", "10"),
        ({"clear_site_data": ("everything",)}, "clear_site_data", "('storage',)"),
        ({"policies": {"default": Limits()}}, "policies", "{'remember': Limits(…)}"),
        ({"policies": {"adoption": Limits()}}, "policies", "{'remember': Limits(…)}"),
        ({"policies": {"idempotency": Limits()}}, "policies", "{'remember': Limits(…)}"),
        ({"idle": timedelta(0)}, "idle", "timedelta(hours=24)"),
        ({"idle": -SECOND}, "idle", "timedelta(hours=24)"),
        ({"idle": 8 * DAY}, "absolute", "timedelta(seconds=1382400)"),
        ({"idle": 5 * MINUTE}, "touch_every", "timedelta(seconds=30)"),
        ({"touch_every": 3 * HOUR}, "touch_every", "timedelta(seconds=8640)"),
        ({"touch_every": timedelta(0)}, "touch_every", "timedelta(minutes=1)"),
        ({"flush_every": timedelta(0)}, "flush_every", "timedelta(minutes=1)"),
        ({"presession_lifetime": -SECOND}, "presession_lifetime", "timedelta(minutes=1)"),
        ({"sweep_every": timedelta(0)}, "sweep_every", "timedelta(minutes=1)"),
        ({"store_timeout": timedelta(0)}, "store_timeout", "timedelta(minutes=1)"),
        ({"access_lifetime": timedelta(0)}, "access_lifetime", "timedelta(hours=1)"),
        ({"access_lifetime": 8 * DAY}, "access_lifetime", "timedelta(hours=1)"),
        ({"refresh_grace": 6 * MINUTE}, "refresh_grace", "timedelta(seconds=30)"),
        ({"refresh_grace": -SECOND}, "refresh_grace", "timedelta(seconds=30)"),
        ({"leeway": 6 * MINUTE}, "leeway", "timedelta(seconds=30)"),
        ({"leeway": -SECOND}, "leeway", "timedelta(seconds=30)"),
        (
            {"trusted_origins": ("app.example.org",)},
            "trusted_origins",
            "('https://app.example.org',)",
        ),
        ({"trusted_origins": ("https://a/b",)}, "trusted_origins", "('https://app.example.org',)"),
        ({"trusted_origins": ("*",)}, "trusted_origins", "('https://app.example.org',)"),
        ({"trusted_proxies": ("proxy",)}, "trusted_proxies", "('10.0.0.0/8',)"),
        ({"trusted_proxies": ("10.0.0.1/8",)}, "trusted_proxies", "('10.0.0.0/8',)"),
        ({"proxy_hops": 0}, "proxy_hops", "1"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_wrong_setting_is_named_with_a_valid_value(changes, field, valid):
    """P25: at the start, and nothing is put right in silence."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(**changes)
    assert str(caught.value).startswith(f"{field}: ")
    assert str(caught.value).endswith(f"; for example {valid}")


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(idle=timedelta(0)), "policies['x'].idle"),
        (Limits(idle=2 * HOUR, absolute=HOUR), "policies['x'].absolute"),
        (Limits(idle=MINUTE, absolute=HOUR), "touch_every"),
    ],
)
def test_named_policies_are_checked_too(limits, field):
    """Each of them, by its name."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(policies={"x": limits})
    assert str(caught.value).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "cookie.name"),
        ({"name": "a b"}, "cookie.name"),
        ({"name": "a;b"}, "cookie.name"),
        ({"name": "session\n"}, "cookie.name"),
        ({"name": "x" * 65}, "cookie.name"),
        ({"secure": False}, "cookie.name"),
        ({"name": "__Secure-x", "secure": False}, "cookie.name"),
        ({"name": "__HOST-x", "secure": False}, "cookie.name"),
        ({"domain": "example.org"}, "cookie.name"),
        ({"path": "/app"}, "cookie.name"),
        ({"name": "__Secure-x", "domain": "a;b"}, "cookie.domain"),
        ({"name": "__Secure-x", "path": "app"}, "cookie.path"),
        ({"name": "__Secure-x", "path": "/a;b"}, "cookie.path"),
        ({"name": "session", "secure": False, "same_site": "None"}, "cookie.same_site"),
        ({"max_age": timedelta(0)}, "cookie.max_age"),
        ({"max_age": timedelta(days=401)}, "cookie.max_age"),
    ],
    ids=str,
)
def test_a_cookie_that_browsers_would_refuse_is_refused_here(changes, field):
    """R51, R52, R54, R57: before any browser drops it without a word."""
    with pytest.raises(ConfigurationError) as caught:
        Cookie(**changes)
    assert str(caught.value).startswith(f"{field}: ")
    assert "; for example " in str(caught.value)


def test_a_cookie_may_be_shared_on_purpose():
    """R52, R12: with another prefix; and without an age it ends with the browser."""
    shared = Cookie(name="__Secure-session", domain="example.org", path="/app", max_age=None)
    assert (shared.domain, shared.max_age) == ("example.org", None)
    assert Cookie(name="__Secure-x", same_site="None").same_site == "None"


@pytest.mark.parametrize(
    "changes", [{"limit": 0}, {"limit": -1}, {"period": timedelta(0)}], ids=str
)
def test_a_rate_that_allows_nothing_is_a_mistake(changes):
    """Or a window that no clock can tell."""
    with pytest.raises(ConfigurationError, match=r"^rate\."):
        Rate(**changes)


def test_policies_and_cap_in_the_form_of_the_engine():
    """P21: whole milliseconds; R37: what happens at the cap."""
    settings = Settings(
        policies={"remember": Limits(idle=20 * DAY, absolute=60 * DAY)},
        max_sessions=3,
        over_cap="reject",
    )
    assert settings.policy("default") == Policy("default", 86_400_000, 604_800_000)
    assert settings.policy("remember") == Policy("remember", 1_728_000_000, 5_184_000_000)
    assert settings.policy("other") is None
    assert settings.cap == Cap(3, "reject")
    assert Settings(idle=timedelta(microseconds=600_000_999)).policy("default").idle == 600_000


# Profiles


def test_development_is_chosen_and_says_so():
    """P62: plain HTTP on loopback, other keys; never the default."""
    settings = Settings.for_development(hosts=("box.local",), idle=2 * HOUR)
    assert (settings.environment, settings.issuer) == ("development", "holdfast:development")
    assert (settings.cookie.name, settings.cookie.secure) == ("session", False)
    assert (settings.plain_http_hosts, settings.idle) == (("box.local",), 2 * HOUR)
    assert Settings().plain_http_hosts == ()
    with pytest.raises(ConfigurationError):
        Settings.for_development(idle=timedelta(0))


@pytest.mark.parametrize(
    ("make", "idle", "absolute"),
    [
        (Settings.nist_aal1, 30 * DAY, 30 * DAY),
        (Settings.nist_aal2, HOUR, DAY),
        (Settings.nist_aal3, 15 * MINUTE, 12 * HOUR),
    ],
)
def test_nist_profiles_hold_their_limits(make, idle, absolute):
    """R12, R23, R24, R25: as they come, and against changes that go beyond them."""
    settings = make()
    assert (settings.idle, settings.absolute) == (idle, absolute)
    assert settings.cookie.max_age is None
    assert make(idle=10 * MINUTE, absolute=11 * HOUR).idle == 10 * MINUTE
    with pytest.raises(ConfigurationError, match=rf"absolute: {make.__name__} allows at most"):
        make(absolute=absolute + SECOND)
    if idle < absolute:
        with pytest.raises(ConfigurationError, match=rf"idle: {make.__name__} allows at most"):
            make(idle=idle + SECOND)


def test_the_asvs_profile():
    """R29: the values of an office; they may be changed."""
    settings = Settings.asvs()
    assert (settings.idle, settings.absolute) == (30 * MINUTE, 8 * HOUR)
    assert Settings.asvs(idle=15 * MINUTE).idle == 15 * MINUTE


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: Settings(idle=3600), "idle"),
        (lambda: Settings(access_lifetime="1h"), "access_lifetime"),
        (lambda: Rate(period=900), "rate.period"),
        (lambda: Limits(absolute=3600), "limits.absolute"),
        (lambda: Cookie(max_age=3600), "cookie.max_age"),
    ],
)
def test_a_duration_is_no_number(make, name):
    """Whose unit would be a guess."""
    with pytest.raises(ConfigurationError, match=f"^{name}: must be a timedelta( or None)?; for"):
        make()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: Settings(exclude_paths="/static"),
            r"exclude_paths: must be a tuple, each part text; for example \('one', 'two'\)",
        ),
        (lambda: Settings(trusted_proxies="10.0.0.0/8"), "trusted_proxies: must be a tuple"),
        (
            lambda: Settings(trusted_origins=(1,)),
            "trusted_origins: must be a tuple, each part text",
        ),
        (lambda: Settings.for_development(hosts="box.lan"), "plain_http_hosts: must be a tuple"),
        (lambda: Settings(rate=100), r"rate: must be a Rate; for example Rate\(\)"),
        (lambda: Settings(rates={"/login": 5}), "rates: must be a dict, each value a Rate or None"),
        (lambda: Settings(policies={"long": DAY}), "policies: must be a dict, each value a Limits"),
        (lambda: Settings(cookie="session"), r"cookie: must be a Cookie; for example Cookie\(\)"),
        (lambda: Settings(seal_data="no"), "seal_data: must be True or False"),
        (lambda: Settings(max_sessions=True), "max_sessions: must be a whole number or None"),
        (lambda: Settings(over_cap="evict"), "over_cap: must be 'evict_oldest' or 'reject'"),
        (
            lambda: Settings(keep_address=None),
            "keep_address: must be 'full' or 'truncated' or 'off'",
        ),
        (
            lambda: Cookie(same_site="lax"),
            "cookie.same_site: must be 'Strict' or 'Lax' or 'None'; for example 'Strict'",
        ),
        (lambda: Rate(limit="5"), "rate.limit: must be a whole number; for example 10"),
    ],
)
def test_a_value_of_another_type_is_refused_at_the_start(make, told):
    """Nobody has to run a type checker: a text would be taken for its letters, "no" for true."""
    with pytest.raises(ConfigurationError, match=f"^{told}"):
        make()


def test_a_list_does_for_a_tuple():
    """As it comes out of a configuration file."""
    assert Settings(trusted_proxies=["10.0.0.0/8"]).trusted_proxies


def test_every_field_can_be_changed_in_a_profile_and_has_its_type_there():
    """Editors and type checkers know the names by `Changes`."""
    assert get_type_hints(Changes) == get_type_hints(Settings)
