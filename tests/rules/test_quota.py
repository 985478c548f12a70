"""The sliding window: exact in what it allows, honest in what it promises."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.errors import UsageError
from holdfast.protocols import Taken
from holdfast.rules import quota

NOW = 1_700_000_000_000
PERIODS = st.integers(1, 5_000) | st.sampled_from([15, 16, 17, 60_000, 900_000])
LIMITS = st.integers(1, 12)


def spend(times, limit, period):
    """The times at which one was allowed, of these."""
    state, allowed = None, []
    for now in times:
        state, taken = quota.take(state, limit=limit, period=period, now=now)
        if taken.allowed:
            allowed.append(now)
    return state, allowed


@st.composite
def arrivals(draw):
    """A period and increasing times that are dense around it."""
    period = draw(PERIODS)
    steps = draw(
        st.lists(st.integers(0, period // 8 + 1) | st.integers(0, 2 * period), max_size=60)
    )
    times = [NOW + draw(st.integers(0, 10_000))]
    for step in steps:
        times.append(times[-1] + step)
    return period, times


@given(arrivals(), LIMITS)
def test_never_more_than_the_limit_in_any_window(periodical, limit):
    """Wherever a window of one period begins, at most `limit` lie in it, both ends included."""
    period, times = periodical
    _, allowed = spend(times, limit, period)
    for start in allowed:
        assert sum(start <= each <= start + period for each in allowed) <= limit


@given(PERIODS, st.integers(1, 200), st.integers(0, 10_000))
def test_the_full_burst_is_allowed_from_rest(period, limit, shift):
    """At one moment exactly `limit` are allowed, however that moment lies to the buckets."""
    _, allowed = spend([NOW + shift] * (limit + 3), limit, period)
    assert len(allowed) == limit


@given(arrivals(), LIMITS)
def test_retry_after_is_honest(periodical, limit):
    """At now + `retry_after` one is allowed, and one millisecond earlier none is."""
    period, times = periodical
    state, _ = spend(times, limit, period)
    while (answer := quota.take(state, limit=limit, period=period, now=times[-1]))[1].allowed:
        state = answer[0]
    wait = answer[1].retry_after
    assert 0 < wait <= period * 17 // 16 + 1
    later = times[-1] + wait
    assert quota.take(state, limit=limit, period=period, now=later)[1].allowed
    assert not quota.take(state, limit=limit, period=period, now=later - 1)[1].allowed


@given(arrivals(), LIMITS)
def test_a_refusal_costs_no_write(periodical, limit):
    """The state of a refusal is the very same object."""
    period, times = periodical
    state = None
    for now in times:
        old = state
        state, taken = quota.take(old, limit=limit, period=period, now=now)
        assert (state is old) == (not taken.allowed)


@given(arrivals(), LIMITS)
def test_from_its_end_a_quota_may_be_dropped(periodical, limit):
    """At `ends_at` the state answers as none would; one millisecond earlier it still counts."""
    period, times = periodical
    state, _ = spend(times, limit, period)
    end = quota.ends_at(state, period)
    fresh = quota.take(None, limit=limit, period=period, now=end)[1]
    assert quota.take(state, limit=limit, period=period, now=end)[1] == fresh
    assert quota.take(state, limit=limit, period=period, now=end - 1)[1] != fresh


@given(PERIODS, LIMITS, st.integers(0, 10**9))
def test_a_clock_that_goes_back_frees_nothing_and_locks_nobody_out(period, limit, back):
    """What was spent stays spent, and one is available again within two periods."""
    state, _ = spend([NOW + 10**9] * limit, limit, period)
    now = NOW + 10**9 - back
    state, taken = quota.take(state, limit=limit, period=period, now=now)
    assert not taken.allowed
    assert taken.retry_after <= period * 17 // 16 * 2 + 2
    later = now + taken.retry_after
    assert quota.take(state, limit=limit, period=period, now=later)[1].allowed


@given(PERIODS, st.integers(1, 12), st.integers(0, 12))
def test_a_changed_limit_goes_on_with_what_was_spent(period, before, after):
    """Raising a limit gives the difference, lowering it waits until enough has left."""
    state, _ = spend([NOW] * before, before, period)
    allowed = 0
    while (answer := quota.take(state, limit=after, period=period, now=NOW))[1].allowed:
        state, allowed = answer[0], allowed + 1
    assert allowed == max(after - before, 0)
    assert answer[1].retry_after > 0


def test_the_remaining_ones_are_counted_down():
    """`remaining` is what may still be taken at this moment."""
    state, left = None, []
    for _ in range(3):
        state, taken = quota.take(state, limit=3, period=1000, now=NOW)
        left.append(taken.remaining)
    assert left == [2, 1, 0]


def test_a_used_up_bucket_comes_back_as_a_whole():
    """The units of one sixteenth of the period are available again at the same moment."""
    state, _ = spend([NOW] * 4, 4, 1600)
    later = NOW + quota.take(state, limit=4, period=1600, now=NOW)[1].retry_after
    assert quota.take(state, limit=4, period=1600, now=later)[1].remaining == 3


@example(b"")
@given(st.binary(max_size=200).filter(lambda raw: len(raw) != 76))
def test_a_state_of_another_shape_is_rest(raw):
    """Foreign bytes under the key are no error."""
    assert quota.take(raw, limit=1, period=1000, now=NOW)[1].allowed


@given(st.binary(min_size=76, max_size=76), LIMITS, PERIODS)
def test_any_state_is_answered(raw, limit, period):
    """Whatever the bytes say, there is an answer, and a refusal ends."""
    state, taken = quota.take(raw, limit=limit, period=period, now=NOW)
    assert taken.allowed or taken.retry_after > 0
    assert state is not None


def test_a_limit_of_none_never_allows():
    """A limit of 0 refuses and names the period."""
    assert quota.take(None, limit=0, period=1000, now=NOW) == (
        None,
        Taken(allowed=False, remaining=0, retry_after=1000),
    )


@pytest.mark.parametrize("period", [0, -1])
def test_a_period_of_nothing_is_a_mistake(period):
    """A window needs a length."""
    with pytest.raises(UsageError) as error:
        quota.take(None, limit=1, period=period, now=NOW)
    assert error.value.code == "usage_error"


def test_a_name_carries_strategy_and_period():
    """Another strategy or period is another quota, and never misread (P59)."""
    assert quota.name("login:alice", 60_000) == "w16:60000:login:alice"


def test_what_is_no_state_counts_for_nothing():
    """Damage is a quota at rest, also for who asks when it may be dropped."""
    assert quota.ends_at(b"short", 1000) == 0
    state, taken = quota.take(b"short", limit=2, period=1000, now=NOW)
    assert taken.remaining == 1
    assert quota.ends_at(state, 1000) > NOW
