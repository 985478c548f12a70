"""Django's settings: honoured, or refused with the reason; and what `manage.py check` says."""

from datetime import timedelta
from secrets import token_urlsafe

import pytest
from django.apps import apps
from django.conf import settings
from django.core.checks import run_checks
from django.core.management.utils import get_random_secret_key
from django.test import override_settings

from holdfast.errors import ConfigurationError
from holdfast.rules.keys import KeyRing
from holdfast.settings import Cookie, Settings
from holdfast.web.django import assembly
from holdfast.web.django.configuration import settings_of
from holdfast.web.django.provisions import secrets_of
from web_django import project

SID = {"SESSION_COOKIE_NAME": "sid"}
PICKLES = "web_django.pickles.PickleSerializer"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
DJANGOS_CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def made(**changes):
    with override_settings(**changes):
        return settings_of(settings)


def said(**changes):
    with override_settings(**changes):
        return {message.id: f"{message.msg} {message.hint}" for message in run_checks()}


def test_what_the_project_did_not_set_stays_safe():
    """Django's own defaults (no `Secure`, `Lax`, two weeks) do not count."""
    assert made() == Settings()
    assert made().cookie == Cookie()


@pytest.mark.parametrize(
    ("changes", "cookie"),
    [
        (SID, {"name": "sid"}),
        ({"SESSION_COOKIE_SAMESITE": "Lax"}, {"same_site": "Lax"}),
        ({"SESSION_COOKIE_SAMESITE": "lax"}, {"same_site": "Lax"}),
        (SID | {"SESSION_COOKIE_SECURE": False}, {"name": "sid", "secure": False}),
        (SID | {"SESSION_COOKIE_DOMAIN": "example.org"}, {"domain": "example.org"}),
        (SID | {"SESSION_COOKIE_PATH": "/app"}, {"path": "/app"}),
        ({"SESSION_COOKIE_AGE": 86_400 * 3}, {"max_age": timedelta(days=3)}),
        ({"SESSION_EXPIRE_AT_BROWSER_CLOSE": True}, {"max_age": None}),
        ({"SESSION_COOKIE_AGE": 7200, "SESSION_EXPIRE_AT_BROWSER_CLOSE": True}, {"max_age": None}),
    ],
)  # fmt: skip
def test_cookie_settings_are_honoured(changes, cookie):
    """Each of them, beside what `HOLDFAST` says."""
    found = made(HOLDFAST=Settings(idle=timedelta(hours=2)), **changes)
    assert {name: getattr(found.cookie, name) for name in cookie} == cookie
    age = changes.get("SESSION_COOKIE_AGE", 7200)
    assert found.idle == timedelta(seconds=age)


def test_trusted_origins_are_honoured():
    """Beside those of `HOLDFAST`."""
    base = Settings(trusted_origins=("https://a.example",))
    found = made(HOLDFAST=base, CSRF_TRUSTED_ORIGINS=["https://b.example"])
    assert found.trusted_origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"SESSION_COOKIE_HTTPONLY": False}, ("SESSION_COOKIE_HTTPONLY", "True")),
        ({"SESSION_COOKIE_SAMESITE": False}, ("SESSION_COOKIE_SAMESITE", "'Strict'")),
        ({"SESSION_COOKIE_SAMESITE": None}, ("SESSION_COOKIE_SAMESITE", "'Strict'")),
        ({"SESSION_COOKIE_SAMESITE": "Loose"}, ("SESSION_COOKIE_SAMESITE",)),
        ({"SESSION_COOKIE_SECURE": False}, ("SESSION_COOKIE_SECURE", "cookie.name", "'session'")),
        ({"SESSION_COOKIE_DOMAIN": "example.org"}, ("SESSION_COOKIE_DOMAIN", "__Host-")),
        ({"SESSION_COOKIE_NAME": "a b"}, ("SESSION_COOKIE_NAME", "not a cookie name")),
        ({"SESSION_COOKIE_AGE": 86_400 * 14}, ("SESSION_COOKIE_AGE", "absolute")),
        ({"SESSION_COOKIE_AGE": 60}, ("SESSION_COOKIE_AGE", "touch_every")),
        ({"SESSION_COOKIE_AGE": 0}, ("SESSION_COOKIE_AGE", "above 0")),
        ({"CSRF_USE_SESSIONS": False}, ("CSRF_USE_SESSIONS", "True")),
        ({"CSRF_TRUSTED_ORIGINS": ["https://*.example.org"]}, ("CSRF_TRUSTED_ORIGINS", "wildcard")),
        ({"SESSION_SERIALIZER": PICKLES}, ("SESSION_SERIALIZER", "JSONSerializer")),
        ({"HOLDFAST": {"idle": 3}}, ("HOLDFAST", "Settings()")),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_with_the_reason(changes, words):
    """The message names Django's setting and a valid value; `check` says the same."""
    with pytest.raises(ConfigurationError) as refused:
        made(**changes)
    messages = str(refused.value), said(**changes)["holdfast.E001"]
    assert [word in message for message in messages for word in words] == [True] * 2 * len(words)


def test_a_sound_project_has_no_message():
    """Neither of ours nor of Django's admin, which looks for its session middleware."""
    assert said() == {}


@pytest.mark.parametrize(
    ("changes", "id", "word"),
    [
        ({"SESSION_ENGINE": "django.contrib.sessions.backends.db"}, "E002", "holdfast.web.django.sessions"),
        ({"MIDDLEWARE": project.MIDDLEWARE[:1] + project.MIDDLEWARE[2:]}, "E003", "HoldfastMiddleware"),
        ({"MIDDLEWARE": [DJANGOS, *project.MIDDLEWARE]}, "E004", "in its place"),
        ({"MIDDLEWARE": [*project.MIDDLEWARE, DJANGOS_CSRF]}, "E005", "csrf_exempt"),
        ({"SESSION_SAVE_EVERY_REQUEST": True}, "W001", "does nothing"),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, "W002", "trusted_proxies"),
        ({"USE_X_FORWARDED_HOST": True}, "W002", "trusted_proxies"),
    ],
)  # fmt: skip
def test_the_checks(changes, id, word):
    """Each contradiction, with what to do."""
    assert word in said(**changes)[f"holdfast.{id}"]


def test_a_cookie_without_a_name_of_its_own(monkeypatch):
    """Django's test client would look for 'sessionid'."""
    monkeypatch.setitem(vars(settings), "is_overridden", lambda _name: False)
    hints = {message.id: message.hint for message in run_checks()}
    assert hints["holdfast.E006"] == "SESSION_COOKIE_NAME = '__Host-session'"


def test_an_application_that_opens_sessions_by_noted_keys_is_named(monkeypatch):
    """Its page would list none, and its 'sign out everywhere else' would end none."""
    known = apps.is_installed
    names = {"allauth.usersessions"}
    monkeypatch.setattr(apps, "is_installed", lambda name: name in names or known(name))
    assert "ends nothing" in said()["holdfast.W003"]


def test_secrets(monkeypatch):
    """The setting, the environment, and then Django's own secret with those it is rotated from."""
    monkeypatch.setenv("HOLDFAST_SECRET", "x")
    assert secrets_of(settings) is None
    with override_settings(HOLDFAST_SECRET="one"):
        assert secrets_of(settings) == ["one"]
    with override_settings(HOLDFAST_SECRET=("new", "old")):
        assert secrets_of(settings) == ["new", "old"]
    monkeypatch.delenv("HOLDFAST_SECRET")
    new, old = token_urlsafe(), token_urlsafe()
    with override_settings(SECRET_KEY=new, SECRET_KEY_FALLBACKS=[old]):
        assert secrets_of(settings) == [new, old]


JUST_MADE = "django-insecure-" + get_random_secret_key()


@pytest.mark.parametrize("name", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_the_secret_of_a_new_project_is_for_development(monkeypatch, name):
    """With it the first steps work; where `DEBUG` is off, `check` and the start say what to set."""
    monkeypatch.delenv("HOLDFAST_SECRET", raising=False)
    made = {name: JUST_MADE if name == "SECRET_KEY" else [JUST_MADE]}
    with override_settings(DEBUG=True, **made):
        assert JUST_MADE.removeprefix("django-insecure-") in secrets_of(settings)
        assert "holdfast.E001" not in said()
        assert assembly()
    with override_settings(DEBUG=False, **made):
        for refused in (lambda: secrets_of(settings), assembly):
            with pytest.raises(ConfigurationError, match=r"^SECRET_KEY: .* HOLDFAST_SECRET"):
                refused()
        assert "HOLDFAST_SECRET" in said()["holdfast.E001"]


def test_override_settings_reaches_the_parts(monkeypatch):
    """As tests of applications expect; the keys are those of Django's secret."""
    monkeypatch.delenv("HOLDFAST_SECRET", raising=False)
    with override_settings(HOLDFAST=Settings(idle=timedelta(hours=3))):
        assert assembly().settings.idle == timedelta(hours=3)
        own = KeyRing.from_secrets([settings.SECRET_KEY], environment="production")
        assert assembly().keys.derive("csrf") == own.derive("csrf")
    assert assembly().settings.idle == timedelta(hours=24)
    assert apps.get_app_config("holdfast").assembly is assembly()
