"""The configuration of the service from environment variables."""

from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.service.environment import load, variable_names
from holdfast.service.texts import duration, reader_for
from holdfast.settings import Rate


def loaded(**variables):
    return load({f"HOLDFAST_{name}": value for name, value in variables.items()} | {"PATH": "/bin"})


def test_the_defaults():
    """Production on loopback, SQLite in `.holdfast`."""
    found = loaded()
    assert (found.profile, found.host, found.port, found.workers) == (
        "production",
        "127.0.0.1",
        8080,
        1,
    )
    assert (found.home, found.store) == (Path(".holdfast"), "sqlite:///.holdfast/holdfast.db")
    assert found.settings.cookie.name == "__Host-session"
    assert found.settings.clear_site_data == ("cache", "cookies", "storage")
    assert found.settings.issuer == "holdfast:production"
    assert "/login" in found.settings.exclude_paths
    assert found.secrets == ()


def test_values_of_all_kinds():
    """Durations with units, lists, rates, words, none."""
    found = loaded(
        IDLE="2h",
        ABSOLUTE="3d",
        REFRESH_GRACE="0",
        RATE="50/10m",
        MAX_SESSIONS="5",
        OVER_CAP="reject",
        SEAL_DATA="yes",
        TRUSTED_ORIGINS="https://a.example, https://b.example",
        TRUSTED_PROXIES="10.0.0.0/8",
        COOKIE_SAME_SITE="Lax",
        COOKIE_MAX_AGE="none",
        FRESH_FOR="90",
        SIGN_IN_FAILURES="5/1h",
    )
    settings, options = found.settings, found.options
    assert (settings.idle, settings.absolute) == (timedelta(hours=2), timedelta(days=3))
    assert settings.refresh_grace == timedelta(0)
    assert settings.rate == Rate(limit=50, period=timedelta(minutes=10))
    assert (settings.max_sessions, settings.over_cap, settings.seal_data) == (5, "reject", True)
    assert settings.trusted_origins == ("https://a.example", "https://b.example")
    assert (settings.cookie.same_site, settings.cookie.max_age) == ("Lax", None)
    assert settings.cookie.name == "__Host-session"
    assert options.fresh_for == timedelta(seconds=90)
    assert options.sign_in_failures == Rate(limit=5, period=timedelta(hours=1))


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"IDLE": "soon"}, r"HOLDFAST_IDLE: .*for example 15m"),
        ({"IDLE": "-5m"}, r"HOLDFAST_IDLE: .*15m"),
        ({"RATE": "100"}, r"HOLDFAST_RATE: .*100/15m"),
        ({"RATE": "0/15m"}, r"HOLDFAST_RATE: .*at least 1"),
        ({"SEAL_DATA": "maybe"}, r"HOLDFAST_SEAL_DATA: .*yes"),
        ({"MAX_SESSIONS": "many"}, r"HOLDFAST_MAX_SESSIONS: .*10"),
        ({"OVER_CAP": "ignore"}, r"HOLDFAST_OVER_CAP: .*evict_oldest"),
        ({"PORT": "0"}, r"HOLDFAST_PORT: .*8080"),
        ({"PORT": "70000"}, r"HOLDFAST_PORT: .*65535"),
        ({"WORKERS": "x"}, r"HOLDFAST_WORKERS: .*1"),
        ({"PROFILE": "prod"}, r"HOLDFAST_PROFILE: .*production"),
        ({"TOUCH_EVERY": "1h", "IDLE": "2h"}, r"HOLDFAST_TOUCH_EVERY: .*tenth.*720s"),
        ({"COOKIE_SECURE": "no"}, r"HOLDFAST_COOKIE_NAME: .*secure"),
        ({"LOCK_AFTER": "1000"}, r"HOLDFAST_LOCK_AFTER: .*100"),
        ({"PASSWORD_MIN_LENGTH": "3"}, r"HOLDFAST_PASSWORD_MIN_LENGTH: .*15"),
        ({"INTROSPECTION_KEY": "short"}, r"HOLDFAST_INTROSPECTION_KEY: .*32"),
        ({"TRUSTED_PROXIES": "proxy"}, r"HOLDFAST_TRUSTED_PROXIES: .*10\.0\.0\.0/8"),
        ({"PROFILE": "nist_aal3", "ABSOLUTE": "2d"}, r"HOLDFAST_ABSOLUTE: .*12"),
    ],
)
def test_wrong_values_name_the_variable_and_a_valid_one(variables, told):
    """Not the field of a class, not the syntax of Python."""
    with pytest.raises(ConfigurationError, match=told) as refused:
        loaded(**variables)
    assert "timedelta" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "near"),
    [("IDEL", "IDLE"), ("TRUSTED_PROXY", "TRUSTED_PROXIES"), ("SECRETS", "SECRET")],
)
def test_unknown_names_are_refused(name, near):
    """A misspelt limit is not silently none."""
    with pytest.raises(ConfigurationError, match=f"HOLDFAST_{name}: .*HOLDFAST_{near}$"):
        loaded(**{name: "1"})


def test_what_the_routes_depend_on_cannot_be_set():
    """Which paths the chain leaves alone is the service's own business."""
    with pytest.raises(ConfigurationError, match="there is no such setting"):
        loaded(EXCLUDE_PATHS="/api/me")


def test_empty_is_not_set():
    """As shells and compose files write it."""
    assert loaded(IDLE="", SECRET="  ").settings.idle == timedelta(hours=24)


def test_profiles():
    """Each is the one of `Settings`; the development one trusts loopback only."""
    assert loaded(PROFILE="nist_aal2").settings.absolute == timedelta(hours=24)
    assert loaded(PROFILE="asvs").settings.idle == timedelta(minutes=30)
    development = loaded(PROFILE="development")
    assert development.development
    assert development.settings.cookie.name == "session"
    assert development.settings.issuer == "holdfast:development"


def test_an_environment_has_its_own_issuer():
    """A token of staging is none in production (P36)."""
    assert loaded(ENVIRONMENT="staging").settings.audience == "holdfast:staging"
    assert loaded(ENVIRONMENT="staging", ISSUER="https://id.example").settings.issuer == (
        "https://id.example"
    )


def test_secrets_newest_first():
    """For rotation."""
    assert loaded(SECRET_PREVIOUS="old", SECRET="new").secrets == ("new", "old")


def test_nothing_secret_is_shown():
    """What a stack trace or a debugger prints of a configuration signs nobody in (R164)."""
    secret = "s3cret" * 8
    places = {"STORE": f"redis://:{secret}@h/0", "USERS": f"postgresql://u:{secret}@h/db"}
    keys = ("SECRET", "METRICS_KEY", "INTROSPECTION_KEY", "AUTHENTICATOR_KEY", "ADOPT_SECRET")
    found = loaded(**places, **dict.fromkeys(keys, secret))
    assert found.secrets == (secret,)
    assert secret not in repr(found)


def test_the_secret_before_alone_is_a_mistake():
    """P25, P35: an old secret does not quietly become the one that signs."""
    with pytest.raises(ConfigurationError, match="HOLDFAST_SECRET_PREVIOUS"):
        loaded(SECRET_PREVIOUS="old", SECRET=" ")


def test_every_simple_setting_has_a_variable():
    """Those that have none are listed, so that a new one is not forgotten."""
    names = set(variable_names())
    assert {"IDLE", "COOKIE_NAME", "FRESH_FOR", "STORE_TIMEOUT", "KEEP_ADDRESS"} <= names
    assert not {"POLICIES", "COOKIE", "EXCLUDE_PATHS", "RATES"} & names


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800), ("0", 0)],
)
def test_durations(text, seconds):
    """With and without a unit."""
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "1.5h", "-1s", "1 h", "1y", "9" * 20, "1h30m", "٣s"])
def test_what_is_no_duration(text):
    """Refused."""
    with pytest.raises(ValueError):
        duration(text)


def test_some_types_have_no_form_in_one_text():
    """No reader for them."""
    assert reader_for(dict[str, int]) is None
