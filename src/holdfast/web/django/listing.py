"""The sessions that the admin shows: one page of everybody's, or of one user's."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError

from holdfast.errors import UsageError
from holdfast.protocols import Page
from holdfast.rules.shown import shown
from holdfast.web.django import introduction

if TYPE_CHECKING:
    from holdfast.assembly import Assembly
    from holdfast.blocking import Sessions
    from holdfast.record import Record

LIMIT = 50
"""Sessions on one page."""


class Row(NamedTuple):
    """One session as the admin shows it; `name` is the subject where that is no user here."""

    id: str
    subject: str | None
    name: str
    created_at: datetime
    seen_at: datetime
    address: str | None
    user_agent: str | None
    own: bool


class Listed(NamedTuple):
    """Some rows; `after` continues, None ends."""

    rows: list[Row]
    after: str | None


def listed(assembly: Assembly, subject: str, after: str | None, *, own: str | None) -> Listed:
    """A page of living sessions: of this subject, or everybody's if it is empty.

    What is no subject, or no place to continue from, has none.

    Raises:
        StoreError: the store cannot answer.
    """
    page = _page(assembly.blocking, subject, after)
    users = _users({record.subject for record in page.records if record.subject is not None})
    return Listed([_row(record, users, own) for record in page.records], page.after)


def subject_of(assembly: Assembly, text: str) -> str:
    """Whose sessions are meant by what somebody searches for: a user's ID, or else a user's name.

    Raises:
        StoreError: the store cannot answer.
    """
    if not text or _users({text}) or _page(assembly.blocking, text, None).records:
        return text
    return _named(text) or text


def _named(name: str) -> str | None:
    if not introduction.users_exist() or not name.isprintable():
        return None
    model: Any = get_user_model()
    with suppress(ValidationError, ValueError):  # as where names are numbers
        found = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()  # noqa: SLF001 - as below
        return None if found is None else str(found.pk)
    return None


def _page(sessions: Sessions, subject: str, after: str | None) -> Page:
    if not subject:
        return sessions.sessions_of_everyone(after=after, limit=LIMIT)
    try:
        return sessions.sessions_of(subject, after=after, limit=LIMIT)
    except UsageError:
        return Page((), None)


def _users(subjects: set[str]) -> dict[str, Any]:
    """The users of a page in one query."""
    if not introduction.users_exist():
        return {}
    ids = [subject for subject in subjects if introduction.may_be_user(subject)]
    found = get_user_model()._default_manager.in_bulk(ids)  # noqa: SLF001 - Django's documented name
    return {str(id): user for id, user in found.items()}


def _row(record: Record, users: dict[str, Any], own: str | None) -> Row:
    subject = record.subject or ""
    return Row(
        record.id,
        record.subject,
        shown(str(users.get(subject, "")) or subject),
        _moment(record.created_at),
        _moment(record.seen_at),
        record.address,
        record.client.user_agent,
        record.id == own,
    )


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
