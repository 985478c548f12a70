"""From settings, a secret and a URL to a running engine; what is wrong is told at the start."""

import asyncio
import json
import logging
import secrets
from datetime import timedelta

import pytest

from holdfast import ConfigurationError, KeyRing, Settings
from holdfast.assembly import assemble, now_ms
from holdfast.stores import open_both
from holdfast.testing import FakeClock

NAMES = ("HOLDFAST_SECRET", "HOLDFAST_SECRET_PREVIOUS", "HOLDFAST_STORE")


def new_secret():
    return secrets.token_urlsafe(32)


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """No variable of ours in the environment, and an empty working directory."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make():
    made = []

    def make(settings=None, **options):
        made.append(assemble(settings or Settings(), **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def signs(assembly):
    return assembly.keys.signer("access").kid


def test_both_faces_are_one(make):
    """A session that threads begin is there for coroutines; events go to the logger by default."""
    assembly = make(secret=new_secret(), store="memory://")
    session = assembly.blocking.begin(None)
    assembly.blocking.sign_in(session, "ada")
    found = asyncio.run(assembly.sessions.begin(session.cookie))
    assert found.subject == "ada"


def test_the_default_log(make, caplog):
    """`holdfast.audit`, unless sinks are given."""
    events = []
    with caplog.at_level(logging.INFO, "holdfast.audit"):
        for audit in (None, [events.append], ()):
            blocking = make(secret=new_secret(), store="memory://", audit=audit).blocking
            blocking.sign_in(blocking.begin(None), "ada")
    assert [record.name for record in caplog.records] == ["holdfast.audit"] * 2
    assert json.loads(caplog.records[0].getMessage())["event"] == "session_created"
    assert [event.name for event in events] == ["session_created", "authn_login_success"]


# Secrets


def test_without_a_secret_nothing_starts():
    """R169, P25, P62: no default; the message has the command that makes one."""
    with pytest.raises(ConfigurationError, match="export HOLDFAST_SECRET=") as caught:
        assemble(Settings(), store="memory://")
    assert "token_urlsafe(32)" in str(caught.value)


@pytest.mark.parametrize("secret", ["", "short", "changeme" * 8, "a" * 64, ["", ""], []])
def test_an_unfit_secret_is_refused(secret):
    """R91: given in the call or in the environment."""
    with pytest.raises(ConfigurationError):
        assemble(Settings(), secret=secret, store="memory://")


def test_a_secret_of_the_environment(make, monkeypatch):
    """With the one before it, while it is being rotated: that one verifies, and does not sign (R105)."""
    old, new = new_secret(), new_secret()
    monkeypatch.setenv("HOLDFAST_SECRET", old)
    before = make(store="memory://")
    monkeypatch.setenv("HOLDFAST_SECRET", new)
    monkeypatch.setenv("HOLDFAST_SECRET_PREVIOUS", old)
    after = make(store="memory://")
    assert signs(after) != signs(before)
    assert after.keys.find("access", signs(before)) is not None
    given = make(secret=[old, new], store="memory://")
    assert signs(given) == signs(before)


def test_the_secret_before_alone_is_a_mistake(monkeypatch):
    """P25, P35: an old secret does not quietly become the one that signs."""
    monkeypatch.setenv("HOLDFAST_SECRET", "")
    monkeypatch.setenv("HOLDFAST_SECRET_PREVIOUS", new_secret())
    for settings in (Settings(), Settings.for_development()):
        with pytest.raises(ConfigurationError, match="HOLDFAST_SECRET"):
            assemble(settings, store="memory://")


def test_a_ring_of_another_environment_is_refused():
    """P36: with the setting that would fit."""
    ring = KeyRing.from_secrets([new_secret()], environment="staging")
    with pytest.raises(ConfigurationError, match=r"Settings\(environment='staging'\)"):
        assemble(Settings(), keys=ring, store="memory://")


def test_development_makes_its_own_keys(make, tmp_path):
    """Beside the database, for its owner alone; the next start finds them."""
    url = f"sqlite:///{tmp_path}/data.db"
    first = make(Settings.for_development(), store=url)
    assert (tmp_path / "holdfast.keys.json").stat().st_mode & 0o777 == 0o600
    assert signs(make(Settings.for_development(), store=url)) == signs(first)
    with pytest.raises(ConfigurationError, match="secret: none is set"):
        assemble(Settings(environment="staging"), store=url)


# Stores


def test_the_store_is_the_one_that_is_named(make, monkeypatch, tmp_path):
    """By the call, else by `HOLDFAST_STORE`, else SQLite in the working directory."""
    secret = new_secret()
    monkeypatch.setenv("HOLDFAST_STORE", f"sqlite:///{tmp_path}/variable.db")
    for options, file in (
        ({"store": f"sqlite:///{tmp_path}/call.db"}, "call.db"),
        ({}, "variable.db"),
    ):
        make(secret=secret, **options).blocking_store.salt()
        assert (tmp_path / file).exists()
    monkeypatch.delenv("HOLDFAST_STORE")
    make(secret=secret).blocking_store.salt()
    assert (tmp_path / "holdfast.db").stat().st_mode & 0o777 == 0o600


def test_an_open_store_is_used_as_it_is(make):
    """Both faces of one that the application has opened itself."""
    opened = open_both("memory://")
    assembly = make(secret=new_secret(), store=opened)
    assert assembly.blocking_store is opened.blocking
    assert assembly.store is opened.asynchronous


def test_a_wrong_store_is_told_at_the_start():
    """P25: no other is taken in its place."""
    with pytest.raises(ConfigurationError, match="store"):
        assemble(Settings(), secret=new_secret(), store="mysql://localhost/x")


# Together


def test_activity_goes_through_the_background(make):
    """A request does not wait for it; closing sends it."""
    clock = FakeClock()
    assembly = make(secret=new_secret(), store="memory://", clock=clock)
    blocking = assembly.blocking
    session = blocking.begin(None)
    blocking.sign_in(session, "ada")
    clock.advance(60_000)
    blocking.commit(blocking.begin(session.cookie))
    stored = assembly.blocking_store.get(session.id, now=clock()).record
    assert stored.seen_at == clock() - 60_000
    assembly.background.close()
    stored = assembly.blocking_store.get(session.id, now=clock()).record
    assert stored.seen_at == clock()


def test_the_time_limit_of_the_settings_is_the_stores(make, tmp_path):
    """`store_timeout` bounds each call."""
    assembly = make(
        Settings(store_timeout=timedelta(seconds=2)),
        secret=new_secret(),
        store=f"sqlite:///{tmp_path}/data.db",
    )
    assert assembly.blocking_store.core._timeout == 2.0


def test_now_is_a_whole_number_of_ms():
    """P21."""
    assert isinstance(now_ms(), int)
    assert 1_700_000_000_000 < now_ms() < 5_000_000_000_000
