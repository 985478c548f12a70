"""The quota in the database is `holdfast.rules.quota`, step by step (R148, P59)."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.protocols import Take, Taken
from holdfast.rules import quota
from holdfast.testing.contracts.samples import said

HOUR = 3_600_000
NOW = 1_700_000_000_000

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 7, 60, 63, 250, 1000, 1063, 5000, -200, -5000]), st.booleans()
    ),
    min_size=1,
    max_size=40,
)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(limit=st.integers(0, 4), period=st.sampled_from([1, 16, 100, 1000]), steps=STEPS)
def test_it_follows_the_rule(server, schema, limit, period, steps):
    """The same answers and the same ends for any times, also when the clock is put back."""
    state, now, then = None, NOW, []
    for step, _ in steps:
        now += step
        then.append(now)
    calls = [
        f"SELECT * INTO v FROM {schema}.spend_1(n, c, {limit}, {period}, {each});"
        " n := v.newest; c := v.counts; RETURN NEXT v; "
        for each in then
    ]
    server.sql(
        f"CREATE OR REPLACE FUNCTION {schema}.steps() RETURNS SETOF record LANGUAGE plpgsql AS"
        f" $$ DECLARE n bigint := 0; c bigint[] := array_fill(0::bigint, ARRAY[17]); v record;"
        f" BEGIN {''.join(calls)} END $$",
    )
    found = server.sql(
        f"SELECT * FROM {schema}.steps() AS (newest bigint, counts bigint[], allowed boolean,"
        " remaining bigint, retry_after bigint)"
    )
    for each, (newest, counts, *answer) in zip(then, found, strict=True):
        state, taken = quota.take(state, limit=limit, period=period, now=each)
        assert Taken(*answer) == taken
        if state is not None:
            assert quota.ends_at(state, period) == -(-(newest + 17) * period // 16)
            assert sum(counts) >= 1


def test_a_refusal_writes_nothing(store, server, schema, clock):
    """A client that is out of budget costs no row version and no lock."""
    for _ in range(3):
        store.take("key", limit=2, period=HOUR, now=clock())
    before = server.sql(f"SELECT xmin, xmax FROM {schema}.quotas")
    assert not store.take("key", limit=2, period=HOUR, now=clock()).allowed
    assert server.sql(f"SELECT xmin, xmax FROM {schema}.quotas") == before


def test_a_damaged_record_gets_its_quota_back(store, samples, clock):
    """Only Python sees that a record is damaged; what was spent on the way is returned."""
    damaged = samples.stored(tokens_not_before="damaged")
    for _ in range(3):
        reading = store.get(damaged.id, now=clock(), take=Take("key", 1, HOUR))
        assert said(reading) == (None, None, True)
    assert store.take("key", limit=1, period=HOUR, now=clock()).allowed


def test_the_clock_of_the_server_counts(open_store, samples, clock):
    """Two processes whose clocks are five seconds apart, and more, share one quota (§5)."""
    one, other = open_store(), open_store()
    assert one.take("key", limit=1, period=1000, now=clock() - 5000).allowed
    assert not other.take("key", limit=1, period=1000, now=clock() + 5000).allowed
    assert not one.take("key", limit=1, period=1000, now=clock() + HOUR).allowed
    record = samples.stored(expires_at=clock() + 3000)
    assert other.purge(now=clock() + 5000) == 0
    assert one.get(record.id, now=clock()).record == record
    clock.advance(3000)
    assert one.purge(now=clock() - 5000) >= 1
    assert other.get(record.id, now=clock()).record is None
