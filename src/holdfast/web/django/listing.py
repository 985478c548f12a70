"""The sessions that the admin shows: one page of everybody's, or of one user's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import get_user_model

from holdfast.errors import UsageError
from holdfast.protocols import Page
from holdfast.rules import policy
from holdfast.rules.intents import subject_text
from holdfast.rules.secret import valid_id
from holdfast.web.django import introduction

if TYPE_CHECKING:
    from holdfast.assembly import Assembly
    from holdfast.record import Record

LIMIT = 50
"""Sessions on one page."""


class Row(NamedTuple):
    """One session as the admin shows it; `user` is None where the subject names nobody here."""

    id: str
    subject: str | None
    user: Any
    created_at: datetime
    seen_at: datetime
    address: str | None
    user_agent: str | None
    own: bool


class Listed(NamedTuple):
    """Some rows; `after` continues, None ends."""

    rows: list[Row]
    after: str | None


def listed(
    assembly: Assembly, subject: str, after: str | None, *, now: int, own: str | None
) -> Listed:
    """A page of living sessions: of this subject, or everybody's if it is empty.

    What is no subject, or no place to continue from, has none.

    Raises:
        StoreError: the store cannot answer.
    """
    if after is not None and not valid_id(after):
        return Listed([], None)
    page = _page(assembly, subject, after)
    records = [record for record in page.records if not _ended(assembly, record, now)]
    users = _users({record.subject for record in records if record.subject is not None})
    return Listed([_row(record, users, own) for record in records], page.after)


def _page(assembly: Assembly, subject: str, after: str | None) -> Page:
    if not subject:
        return assembly.blocking_store.page(None, after=after, limit=LIMIT)
    try:
        return assembly.blocking.sessions_of(subject_text(subject), after=after, limit=LIMIT)
    except UsageError:
        return Page((), None)


def _ended(assembly: Assembly, record: Record, now: int) -> bool:
    settings = assembly.settings
    limits = policy.stricter(record.policy, settings.policy(record.policy.name))
    return policy.record_ended(record, limits, now, settings.touch_slack) is not None


def _users(subjects: set[str]) -> dict[str, Any]:
    """The users of a page in one query."""
    if not introduction.users_exist():
        return {}
    ids = [subject for subject in subjects if introduction.may_be_user(subject)]
    found = get_user_model()._default_manager.in_bulk(ids)  # noqa: SLF001 - Django's documented name
    return {str(id): user for id, user in found.items()}


def _row(record: Record, users: dict[str, Any], own: str | None) -> Row:
    return Row(
        record.id,
        record.subject,
        users.get(record.subject or ""),
        _moment(record.created_at),
        _moment(record.seen_at),
        record.address,
        record.client.user_agent,
        record.id == own,
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
