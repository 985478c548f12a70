"""Processes whose clocks are five seconds apart share one store: nobody is signed out for it (§5)."""

import pytest

import postgresql
import redis_servers
from holdfast import Settings
from holdfast.assembly import assemble, now_ms
from holdfast.record import changed

APART_MS = 5_000
SECRET = "tests only: kelp 4 seven otters 0291, nine herons"
HOUR = 3_600_000


@pytest.fixture
def redis_url(tmp_path):
    redis_servers.require_program()
    servers = redis_servers.Servers(tmp_path / "redis")
    yield servers.start().url
    servers.close()


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/sessions.db"


@pytest.fixture
def postgres_url():
    schemas = postgresql.Schemas(postgresql.server())
    yield schemas.url()
    schemas.release()


@pytest.fixture(params=["sqlite", "redis", "postgres"])
def processes(request):
    """One whose clock is behind, and one whose clock is ahead by five seconds of it."""
    url = request.getfixturevalue(f"{request.param}_url")
    made = [
        assemble(Settings(), secret=SECRET, store=url, audit=[], clock=clock)
        for clock in (now_ms, lambda: now_ms() + APART_MS)
    ]
    yield made
    for each in made:
        each.close()


@pytest.fixture(params=["behind", "ahead"])
def pair(request, processes):
    """The process that signs in, and the other."""
    return processes if request.param == "behind" else processes[::-1]


def signed_in(parts):
    session = parts.blocking.begin(None)
    parts.blocking.sign_in(session, "ada")
    return session


def test_sessions_and_tokens_count_in_both(pair):
    """Cookie, access token and refresh token, also those of what is the future here."""
    one, other = pair
    session = signed_in(one)
    assert other.blocking.begin(session.cookie).subject == "ada"
    tokens = one.blocking.issue_tokens(session)
    assert other.blocking.verify_token(tokens.access_token).reason is None
    successor = other.blocking.refresh(tokens.refresh_token).tokens
    assert one.blocking.verify_token(successor.access_token).reason is None
    assert one.blocking.refresh(successor.refresh_token).tokens is not None


def test_a_retry_in_the_other_is_no_reuse(pair):
    """Inside the grace: the same successor, whatever the clock there says (promise 3)."""
    one, other = pair
    tokens = one.blocking.issue_tokens(signed_in(one))
    first = one.blocking.refresh(tokens.refresh_token).tokens
    again = other.blocking.refresh(tokens.refresh_token).tokens
    assert again.refresh_token == first.refresh_token


def test_a_revocation_counts_in_the_other(pair):
    """At once; the time of a revocation decides nothing."""
    one, other = pair
    session = signed_in(one)
    tokens = one.blocking.issue_tokens(session)
    assert other.blocking.revoke_token(tokens.access_token)
    assert one.blocking.verify_token(tokens.access_token).reason is not None
    assert other.blocking.revoke_all("ada") == 1
    assert one.blocking.begin(session.cookie).subject is None
    newer = signed_in(one)
    other.blocking.revoke_everyone()
    assert one.blocking.begin(newer.cookie).subject is None


def test_activity_never_goes_back(processes):
    """The later of two moments stays, and a change by the clock that is behind keeps it."""
    behind, ahead = processes
    session = signed_in(behind)
    record = ahead.blocking_store.get(session.id, now=now_ms()).record
    late, early = now_ms() + APART_MS, now_ms()
    for seen_at in (late, early):
        behind.blocking_store.touch(session.id, seen_at=seen_at, expires_at=record.expires_at)
    draft = changed(record, seen_at=early, version=record.version ^ 1)
    assert behind.blocking_store.update(draft, expected=record.version)
    assert ahead.blocking_store.get(session.id, now=early).record.seen_at == late


def test_a_quota_is_one(processes):
    """Never more than the limit over both."""
    allowed = 0
    for number in range(40):
        parts = processes[number % 2]
        now = now_ms() + APART_MS * (number % 2)
        allowed += parts.blocking_store.take("key", limit=10, period=HOUR, now=now).allowed
    assert allowed == 10


def test_nothing_that_lives_is_swept(processes):
    """A sweep by the clock that is ahead removes what has ended, an hour after its end."""
    behind, ahead = processes
    session = signed_in(behind)
    ahead.background.sweep()
    assert behind.blocking.begin(session.cookie).subject == "ada"
