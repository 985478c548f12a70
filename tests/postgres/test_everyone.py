"""Everybody's sessions end in constant work: one row changes, and no session is looked at."""

import psycopg
import pytest


@pytest.mark.parametrize("sessions", [3, 300])
def test_one_row_changes_whatever_there_is(server, store, samples, schema, sessions):
    samples.several(sessions, "alice")
    counts = """SELECT relname, n_tup_ins + n_tup_upd + n_tup_del, seq_tup_read
        + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables WHERE schemaname = %s"""
    with psycopg.connect(server.url) as connection:
        connection.execute(f"SELECT {schema}.bump_epoch_1('1s')")
        found = {name: work for name, *work in connection.execute(counts, (schema,))}
    assert found["state"][0] == 1
    assert found["sessions"] == [0, 0]
    assert store.page("alice").records == ()
