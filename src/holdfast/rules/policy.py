"""How long a session lives: every limit, from `created_at` and `seen_at`, on the server (R30).

A session has two limits, and whichever comes first ends it (R21, R22, R26):

- absolute: from its creation, or its latest re-authentication, however busy it is;
- idle: from the last activity. Activity is noted at most once per `touch_every` and sent in the
  background, so `seen_at` may lag by `slack`; idle is judged that much later, never earlier.

The limits are the stricter of those fixed at sign-in and today's of the same name: tightening a
setting takes effect at once, loosening it never revives. A live refresh family keeps the record
idle-alive for as long as its refresh token may live; the idle limit then applies to the cookie
alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import Reason
from holdfast.record import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.record import Record

EVICTION_MARGIN = 3_600_000
"""Ms between a record's latest possible end and the moment a store may drop it, at least."""

_STEP = 900_000
"""Ms by which the eviction hint moves: in steps, so that most writes need not touch its index."""


def stricter(fixed: Policy, today: Policy | None) -> Policy:
    """The limits that hold: the smaller of each pair; the fixed ones if today has no such name."""
    if today is None:
        return fixed
    if today.idle <= fixed.idle and today.absolute <= fixed.absolute:
        return today
    return Policy(fixed.name, min(fixed.idle, today.idle), min(fixed.absolute, today.absolute))


def in_force(today: Mapping[str, Policy], fixed: Policy) -> Policy:
    """The limits that hold now, by those of today's settings, for a session that has `fixed`."""
    return stricter(fixed, today.get(fixed.name))


def absolute_end(record: Record, policy: Policy) -> int:
    """When the session ends, however active, in Unix ms; re-authentication starts anew (R26)."""
    begun, proved = record.created_at, record.authenticated_at
    return (begun if proved is None or proved < begun else proved) + policy.absolute


def idle_end(record: Record, policy: Policy, slack: int) -> int:
    """When the session's cookie ends if nothing happens, in Unix ms."""
    return record.seen_at + policy.idle + slack


def record_ended(record: Record, policy: Policy, now: int, slack: int) -> Reason | None:
    """Why the record is over for every credential, or None while it lives."""
    if now >= absolute_end(record, policy):
        return Reason.ABSOLUTE
    if now >= idle_end(record, policy, slack) and not family_lives(record, now):
        return Reason.IDLE
    return None


def cookie_ended(record: Record, policy: Policy, now: int, slack: int) -> Reason | None:
    """Why the cookie is over, or None; a live refresh family does not keep it."""
    begun, proved = record.created_at, record.authenticated_at
    if now >= (begun if proved is None or proved < begun else proved) + policy.absolute:
        return Reason.ABSOLUTE  # as `absolute_end`, spelled out: this is asked at every request
    return Reason.IDLE if now >= record.seen_at + policy.idle + slack else None


def ends_at(record: Record, policy: Policy, slack: int, *, cookie: bool) -> int:
    """When the record, or with `cookie` its cookie, ends if nothing happens, in Unix ms."""
    family_end = record.refresh.ends_at if record.refresh and not cookie else 0
    return min(absolute_end(record, policy), max(idle_end(record, policy, slack), family_end))


def family_lives(record: Record, now: int) -> bool:
    """Whether a refresh token of this record may still be used."""
    return record.refresh is not None and now < record.refresh.ends_at


def expires_at(record: Record, slack: int) -> int:
    """The store's eviction hint: the latest possible end and an hour, rounded up to a step."""
    return expires_at_if_seen(record, record.seen_at, slack)


def expires_at_if_seen(record: Record, seen_at: int, slack: int) -> int:
    """`expires_at` as it will be after activity at `seen_at`."""
    family_end = record.refresh.ends_at if record.refresh else 0
    latest = max(seen_at + record.policy.idle + slack, family_end)
    end = min(latest, absolute_end(record, record.policy)) + EVICTION_MARGIN
    return -(-end // _STEP) * _STEP


def touch_due(record: Record, now: int, every: int) -> bool:
    """Whether activity has to be noted; `seen_at` never moves back."""
    return now - record.seen_at >= every


def cookie_renewal_due(record: Record, now: int, max_age: int) -> bool:
    """Whether this activity sends the cookie again: once in each quarter of its Max-Age.

    Rare on purpose: an answer that is overtaken by a rotation must not often carry the old cookie.
    A quarter leaves two more chances if an answer is lost.
    """
    quarter = max(max_age // 4, 1)
    return (now - record.created_at) // quarter > (record.seen_at - record.created_at) // quarter
