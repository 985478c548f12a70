"""Limits: the stricter counts, on the server's clock, and the store never drops what still lives."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Reason
from holdfast.record import Policy, Record, Refresh
from holdfast.rules import policy

HOUR = 3_600_000
SLACK = 70_000
LIMITS = Policy("default", 24 * HOUR, 168 * HOUR)
T0 = 1_700_000_000_000


def record(**fields):
    given_ = {"created_at": T0, "seen_at": T0, "policy": LIMITS, **fields}
    return Record(id="x", secret_hash=b"", expires_at=0, version=0, **given_)


@dataclass
class Times:
    record: Record
    today: Policy
    now: int
    slack: int


spans = st.integers(1, 400 * HOUR)
limits = st.builds(
    lambda idle, more: Policy("default", idle, idle + more), spans, st.integers(0, HOUR)
)


@st.composite
def times(draw):
    """Any record that operations can lead to, today's limits, and a moment."""
    created = draw(st.integers(0, 2**45))
    signed_in = draw(st.none() | st.integers(0, HOUR).map(created.__add__))
    family = draw(st.none() | spans)
    seen = created + draw(st.integers(0, 300 * HOUR))
    found = record(
        created_at=created,
        authenticated_at=signed_in,
        seen_at=seen,
        policy=draw(limits),
        refresh=family and Refresh("f", 0, 0, created + family),
    )
    now = created + draw(st.integers(0, 900 * HOUR))
    return Times(found, draw(limits), now, draw(st.integers(0, HOUR)))


# The two limits


def test_idle_ends_at_the_very_ms():
    """R21: activity starts it anew; the slack of noted activity is granted, and no more."""
    found = record(seen_at=T0 + 5)
    end = T0 + 5 + 24 * HOUR + SLACK
    assert policy.idle_end(found, LIMITS, SLACK) == end
    assert policy.cookie_ended(found, LIMITS, end - 1, SLACK) is None
    assert policy.cookie_ended(found, LIMITS, end, SLACK) is Reason.IDLE
    assert policy.record_ended(found, LIMITS, end, SLACK) is Reason.IDLE


def test_absolute_ends_at_the_very_ms():
    """R22, R30: however busy, and without slack: it is judged by times that are exact."""
    found = record(seen_at=T0 + 168 * HOUR - 1)
    end = T0 + 168 * HOUR
    assert policy.record_ended(found, LIMITS, end - 1, SLACK) is None
    assert policy.record_ended(found, LIMITS, end, SLACK) is Reason.ABSOLUTE
    assert policy.cookie_ended(found, LIMITS, end, SLACK) is Reason.ABSOLUTE


def test_reauthentication_starts_the_absolute_limit_anew():
    """R26; a sign-in that lies before the record's creation does not shorten it."""
    assert policy.absolute_end(record(authenticated_at=T0 + HOUR), LIMITS) == T0 + 169 * HOUR
    assert policy.absolute_end(record(authenticated_at=T0 - HOUR), LIMITS) == T0 + 168 * HOUR


def test_a_refresh_family_keeps_the_record_and_not_the_cookie():
    """R113: until the family ends; the absolute limit holds for it as well."""
    found = record(refresh=Refresh("f", 0, 0, T0 + 100 * HOUR))
    idle = T0 + 30 * HOUR
    assert policy.cookie_ended(found, LIMITS, idle, SLACK) is Reason.IDLE
    assert policy.record_ended(found, LIMITS, idle, SLACK) is None
    assert policy.record_ended(found, LIMITS, T0 + 100 * HOUR - 1, SLACK) is None
    assert policy.record_ended(found, LIMITS, T0 + 100 * HOUR, SLACK) is Reason.IDLE
    long = record(refresh=Refresh("f", 0, 0, T0 + 900 * HOUR))
    assert policy.record_ended(long, LIMITS, T0 + 168 * HOUR, SLACK) is Reason.ABSOLUTE


@pytest.mark.parametrize(
    ("today", "both"),
    [
        (None, LIMITS),
        (LIMITS, LIMITS),
        (Policy("default", 1, 2), Policy("default", 1, 2)),
        (Policy("default", 10**12, 10**12), LIMITS),
        (Policy("default", 1, 10**12), Policy("default", 1, 168 * HOUR)),
        (Policy("default", 10**12, 5), Policy("default", 24 * HOUR, 5)),
    ],
)
def test_the_stricter_of_then_and_now_counts(today, both):
    """Each limit for itself; a policy that is gone leaves those of the sign-in."""
    assert policy.stricter(LIMITS, today) == both


@given(times(), st.integers(0, 100 * HOUR))
def test_nothing_comes_back_by_waiting(found, later):
    """Once over, always over; and with the record the cookie is over."""
    args = (found.record, found.today)
    ended = policy.record_ended(*args, found.now, found.slack)
    if ended:
        assert policy.cookie_ended(*args, found.now, found.slack)
        assert policy.record_ended(*args, found.now + later, found.slack)
    if policy.cookie_ended(*args, found.now, found.slack):
        assert policy.cookie_ended(*args, found.now + later, found.slack)


@given(times())
def test_the_fixed_limits_are_never_exceeded(found):
    """Loosening a setting never revives; tightening it takes effect at once."""
    both = policy.stricter(found.record.policy, found.today)
    for judge in (policy.record_ended, policy.cookie_ended):
        strict = judge(found.record, both, found.now, found.slack)
        for each in (found.record.policy, found.today):
            if judge(found.record, each, found.now, found.slack):
                assert strict


@given(times())
def test_the_store_never_drops_what_lives(found):
    """R42: the eviction hint is an hour or more behind the end by today's limits, also after a touch."""
    both = policy.stricter(found.record.policy, found.today)
    hint = policy.expires_at(found.record, found.slack)
    if hint - policy.EVICTION_MARGIN <= found.now:
        assert policy.record_ended(found.record, both, found.now, found.slack)
    assert policy.expires_at_if_seen(found.record, found.record.seen_at + 5, found.slack) >= hint


def test_the_eviction_hint():
    """The latest possible end and an hour, up to the next quarter (P21: whole numbers)."""
    quarter = HOUR // 4

    def up(end):
        return -(-end // quarter) * quarter

    assert policy.expires_at(record(), SLACK) == up(T0 + 25 * HOUR + SLACK)
    family = record(refresh=Refresh("f", 0, 0, T0 + 100 * HOUR))
    assert policy.expires_at(family, SLACK) == up(T0 + 101 * HOUR)
    busy = record(seen_at=T0 + 160 * HOUR)
    assert policy.expires_at(busy, SLACK) == up(T0 + 169 * HOUR)
    hints = {policy.expires_at(record(seen_at=T0 + each), SLACK) for each in range(0, HOUR, 60_000)}
    assert len(hints) <= 5


# Activity


def test_activity_is_noted_at_most_once_in_a_while():
    """And never for a time that lies back."""
    assert not policy.touch_due(record(), T0 + 59_999, 60_000)
    assert policy.touch_due(record(), T0 + 60_000, 60_000)
    assert not policy.touch_due(record(), T0 - HOUR, 60_000)


@given(st.integers(1, 10**9), st.lists(st.integers(60_000, 4 * HOUR), max_size=60))
def test_a_cookie_that_is_used_is_renewed_before_it_ends(max_age, pauses):
    """R27: no gap between two sendings is longer than half its Max-Age, unless nobody came."""
    now = sent = seen = T0
    for pause in pauses:
        now += pause
        if policy.cookie_renewal_due(record(seen_at=seen), now, max_age):
            sent = now
        else:
            assert now - sent < max(max_age // 4, 1) * 2
        seen = now


def test_a_cookie_is_renewed_rarely():
    """Four times in its Max-Age, however busy: an answer that is overtaken by a rotation is rare."""
    seen, renewals = T0, 0
    for now in range(T0, T0 + 24 * HOUR, 60_000):
        renewals += policy.cookie_renewal_due(record(seen_at=seen), now, 24 * HOUR)
        seen = now
    assert renewals == 3
    assert policy.cookie_renewal_due(record(seen_at=seen), T0 + 24 * HOUR, 24 * HOUR)
    assert not policy.cookie_renewal_due(record(seen_at=T0 + HOUR), T0, 24 * HOUR)
