"""Everybody's sessions end in constant work: one row changes, and no plan looks at sessions."""

import pytest

from holdfast.stores.sqlite import sql, verbs


@pytest.mark.parametrize("sessions", [3, 300])
def test_one_row_changes_whatever_there_is(core, store, samples, sessions):
    samples.several(sessions, "alice")

    def bump(conn):
        before = conn.total_changes
        verbs.bump_epoch(conn)
        return conn.total_changes - before

    assert core.write(bump) == 1
    assert store.page("alice").records == ()


def test_the_plan_looks_at_no_session(core):
    plan = core.write(lambda conn: conn.execute(f"EXPLAIN QUERY PLAN {sql.BUMP}").fetchall())
    assert not any("sessions" in str(row) for row in plan)
