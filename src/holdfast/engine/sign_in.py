"""Sign-in: a new id, the new record first, the old one gone before the cookie is set (P4, R14).

The order matters. If the old record's deletion is not proved, the new record is deleted again and
the answer is an error: an old cookie must not stay valid behind the subject's back. Between the two
writes a parallel request may still change the old session; its change is merged into the new one.
"""

from __future__ import annotations

from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, NamedTuple

from holdfast.engine.core import ATTEMPTS
from holdfast.engine.drafting import new_record
from holdfast.errors import CapReached, Conflict, SessionEnded, StoreError
from holdfast.events import EventName, Severity
from holdfast.protocols import Admitted, Refused, Replacing
from holdfast.rules import data, secret

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.record import Record
    from holdfast.rules.intents import SignIn
    from holdfast.session import Session


class _Inserted(NamedTuple):
    """The new record, and the old one if there was one; `replaced`: it went in the same step."""

    new: Record
    old: Record | None
    replaced: bool


async def sign_in(core: Core, session: Session, intent: SignIn) -> None:
    """Make the session the subject's; see `Session.sign_in`."""
    session.pending()
    key = core.entropy(secret.SECRET_BYTES)
    inserted = await _insert(core, session, intent, key)
    try:
        await _require_still_valid(core, session, inserted, intent)
        record = await _retire(core, session, inserted, key)
    except BaseException:  # also a request that was cancelled: nobody would ever hold this record
        with suppress(StoreError):
            await core.store.delete(inserted.new.id, durable=True)
        raise
    _signed_in(core, session, record, key)


async def _insert(core: Core, session: Session, intent: SignIn, key: bytes) -> _Inserted:
    """The new record in the store; an old one in the same slot goes in the same step."""
    tag = secret.subject_tag(intent.subject, await core.store.salt())
    old, plain = session.record, session.current or data.EMPTY
    for _ in range(ATTEMPTS):
        id = core.new_id(tag)
        draft = new_record(core, session.client, id=id, key=key, plain=plain, intent=intent)
        replacing = _replacing(old, id)
        answer = await _admitted(core, draft, replacing)
        if isinstance(answer, Admitted):
            _note_evicted(core, session, intent, answer)
            return _Inserted(draft, old, replacing is not None)
        _refuse_over_cap(core, session, intent, answer)
        if answer.reason == "changed" and old is not None:
            old = (await core.fresh.get(old.id, now=core.clock())).record
            plain = plain if old is None else _merged(core, session, old, plain)
    raise Conflict("other requests kept changing this session")


async def _admitted(core: Core, draft: Record, replacing: Replacing | None) -> Admitted | Refused:
    """What the store says to a new record; if nobody waits for that any more, the record goes."""
    try:
        return await core.store.insert(
            draft, now=draft.created_at, cap=core.settings.cap, replacing=replacing
        )
    except Exception:
        raise  # an outage: to ask once more would take as long again
    except BaseException:  # a request that was cancelled
        with suppress(StoreError):
            await core.store.delete(draft.id, durable=False)
        raise


def _replacing(old: Record | None, id: str) -> Replacing | None:
    if old is None or secret.tag_of(old.id) != secret.tag_of(id):
        return None
    return Replacing(old.id, old.version)


def _note_evicted(core: Core, session: Session, intent: SignIn, answer: Admitted) -> None:
    for id in answer.evicted:
        core.auditor.emit(
            EventName.EXCESS_SESSIONS_EXCEEDED,
            session.client,
            id=id,
            subject=intent.subject,
            reason="evicted",
        )


def _refuse_over_cap(core: Core, session: Session, intent: SignIn, answer: Refused) -> None:
    if answer.reason != "cap":
        return
    core.auditor.emit(
        EventName.EXCESS_SESSIONS_EXCEEDED,
        session.client,
        subject=intent.subject,
        reason="rejected",
        severity=Severity.WARN,
    )
    raise CapReached("the subject has as many sessions as max_sessions allows")


def _carries(session: Session) -> bool:
    """Whether the old session's data are ours to carry over, and open."""
    return session.carries_data and session.current is not None


def _merged(core: Core, session: Session, old: Record, plain: bytes) -> bytes:
    """Our changes on top of what another request left in the old session."""
    if not _carries(session):
        return plain
    stored = core.opened(old, session.secret)
    if stored is None:
        raise Conflict("another request gave this session a new secret")
    return data.replay(session.loaded, stored, session.pending(), last_wins=session.last_wins)


async def _require_still_valid(
    core: Core, session: Session, inserted: _Inserted, intent: SignIn
) -> None:
    if intent.still_valid is None:
        return
    valid = intent.still_valid()
    if await valid if isawaitable(valid) else valid:
        return
    if inserted.replaced:
        session.ended = True
        session.saved(None, data.EMPTY)
    core.auditor.emit(
        EventName.AUTHN_LOGIN_FAIL,
        session.client,
        subject=intent.subject,
        reason="account_changed",
        severity=Severity.WARN,
    )
    raise SessionEnded("the account changed while this sign-in ran")


async def _retire(core: Core, session: Session, inserted: _Inserted, key: bytes) -> Record:
    """See to it that the old record is gone; what it got meanwhile goes into the new one."""
    new, old, replaced = inserted
    if old is None:
        return new
    durable = old.subject is not None
    if replaced:
        if durable:  # the insert has removed it; this proves it
            await core.store.delete(old.id, durable=True)
        return new
    for _ in range(ATTEMPTS):
        expected = old.version if _carries(session) else None
        if await core.store.delete(old.id, expected=expected, durable=durable):
            return new
        fresh = (await core.fresh.get(old.id, now=core.clock())).record
        if fresh is None:
            return new
        old, new = fresh, await _take_over(core, session, fresh, new, key)
    raise Conflict("other requests kept changing this session")


async def _take_over(core: Core, session: Session, old: Record, new: Record, key: bytes) -> Record:
    plain = _merged(core, session, old, core.opened(new, key) or data.EMPTY)
    draft = core.rewritten(new, core.clock(), data=core.packed(new.id, plain, key))
    if not await core.store.update(draft, expected=new.version):
        raise SessionEnded("the new session was ended while its sign-in ran")
    return draft


def _signed_in(core: Core, session: Session, record: Record, key: bytes) -> None:
    session.hand_out(key, secret.cookie_text(record.id, key), made=True)
    client, id, subject = session.client, record.id, record.subject
    core.auditor.emit(EventName.SESSION_CREATED, client, id=id, subject=subject)
    core.auditor.emit(EventName.AUTHN_LOGIN_SUCCESS, client, id=id, subject=subject)
    session.saved(record, core.opened(record, key) or data.EMPTY)
