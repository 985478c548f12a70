"""Carrying out what a request did to its session: one commit, before the first byte of the answer.

A request that changed nothing writes nothing, except that activity is noted at most once per
`touch_every`. Everything else is one conditional write, or an insert and a delete at sign-in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.engine.core import ATTEMPTS, Touch
from holdfast.engine.drafting import kept_address, new_record
from holdfast.engine.ending import end
from holdfast.engine.sign_in import sign_in
from holdfast.errors import Conflict, NotDurable, SessionEnded, SessionSealed
from holdfast.events import EventName
from holdfast.protocols import Admitted
from holdfast.record import Record
from holdfast.rules import data, policy, secret
from holdfast.rules.intents import Rotate, SignIn

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.session import Session


async def commit(core: Core, session: Session) -> None:
    """Carry out the intents of a session; see `AsyncSessions.commit`."""
    if session.intent == "sign_out":
        await _sign_out(core, session)
    elif isinstance(session.intent, SignIn):
        await sign_in(core, session, session.intent)
    elif session.record is None:
        if session.changed:
            await _create(core, session)
    elif session.intent is not None or session.changed:
        await _update(core, session, session.record, session.intent)
    else:
        await _touch(core, session, session.record)


async def _sign_out(core: Core, session: Session) -> None:
    """The client is cleared whatever the store says; after an error the same call proves again."""
    session.ended = True
    session.cookie = None
    record = session.record
    if record is not None:
        await end(core, record.id, session.client, subject=record.subject)
    session.saved(None, data.EMPTY)


async def _create(core: Core, session: Session) -> None:
    """An anonymous session: only now, when there is something to keep (P5)."""
    plain = session.current or data.EMPTY
    key = core.entropy(secret.SECRET_BYTES)
    for _ in range(ATTEMPTS):
        record = new_record(core, session.client, id=core.new_id(), key=key, plain=plain)
        if isinstance(await core.store.insert(record, now=record.created_at), Admitted):
            core.auditor.emit(EventName.SESSION_CREATED, session.client, id=record.id)
            session.hand_out(key, secret.cookie_text(record.id, key), made=True)
            session.saved(record, plain)
            return
    raise Conflict("there is no free id; the source of randomness repeats itself")


class _Draft(msgspec.Struct, frozen=True):
    """What an update writes: the record, its data as JSON, and the new secret if it gets one."""

    record: Record
    plain: bytes | None
    key: bytes | None


async def _update(core: Core, session: Session, record: Record, rotate: Rotate | None) -> None:
    """One conditional write; a lost race is replayed on the record as the winner left it."""
    loaded, plain = session.loaded, session.current
    key = core.entropy(secret.SECRET_BYTES) if rotate else None
    if rotate is not None:
        _require_open_data(core, session, plain)
    for _ in range(ATTEMPTS):
        now = core.clock()
        fields = _rotated(rotate, key, now)
        if plain is not None:
            fields["data"] = core.packed(record.id, plain, key or session.secret)
        draft = _Draft(core.used(record, now, **fields), plain, key)
        if await _written(core, session, draft, record.version):
            return _updated(core, session, draft, record, now)
        record = await _reload(core, session, record, rotate)
        plain = _replayed(core, session, record, loaded)
    raise Conflict("other requests kept changing this session")


def _require_open_data(core: Core, session: Session, plain: bytes | None) -> None:
    """Data can move under a new secret only if it is open, and that secret can reach its owner."""
    unreachable = core.settings.seal_data and session.via == "bearer"
    if plain is None or unreachable:
        raise SessionSealed("rotate: sealed session data needs the session's cookie")


def _rotated(rotate: Rotate | None, key: bytes | None, now: int) -> dict[str, Any]:
    if rotate is None or key is None:
        return {}
    fields: dict[str, Any] = {"secret_hash": secret.digest(key)}
    if rotate.claims is not None:
        fields["claims"] = rotate.claims
    if rotate.reauthenticated:
        fields |= {"authenticated_at": now, "assurance": rotate.assurance}
    return fields


async def _written(core: Core, session: Session, draft: _Draft, expected: int) -> bool:
    record, key = draft.record, draft.key
    if key is None:
        return await core.store.update(record, expected=expected)
    who = {"id": record.id, "subject": record.subject}
    try:
        with core.auditor.unproved(EventName.SESSION_RENEWED, session.client, **who):
            return await core.store.update(record, expected=expected, durable=True)
    except NotDurable:  # the old cookie is dead; without the new one the client is signed out
        _renew(session, record, key)
        session.saved(record, draft.plain)
        raise


async def _reload(core: Core, session: Session, record: Record, rotate: Rotate | None) -> Record:
    """The record as another request left it.

    A new secret is another request's rotation: its cookie wins, since only one of two can reach the
    browser last, and sealed data can no longer be written by us.
    """
    now = core.clock()
    fresh = (await core.fresh.get(record.id, now=now)).record
    if fresh is None or core.record_ended(fresh, now):
        session.saved(None, data.EMPTY)
        raise SessionEnded("the session ended while this request ran")
    rotated = not _unrotated(session, fresh)
    if rotated and (rotate is not None or core.settings.seal_data):
        raise Conflict("another request gave this session a new secret")
    return fresh


def _replayed(core: Core, session: Session, fresh: Record, loaded: bytes) -> bytes | None:
    stored = core.opened(fresh, session.secret)
    if stored is None:
        return None
    return data.replay(loaded, stored, session.pending(), last_wins=session.last_wins)


def _updated(core: Core, session: Session, draft: _Draft, old: Record, now: int) -> None:
    record = draft.record
    if isinstance(session.intent, Rotate):
        _renew(session, record, draft.key)
        _note_rotated(core, session, record, session.intent)
    elif _renewal_due(core, session, old, now) and _unrotated(session, old):
        _renew(session, record, session.secret)
    session.saved(record, draft.plain)


def _unrotated(session: Session, written: Record) -> bool:
    """Whether the record that was just written still has the secret that this request came with."""
    began = session.record
    return began is not None and secret.matches(began.secret_hash, written.secret_hash)


def _note_rotated(core: Core, session: Session, record: Record, rotate: Rotate) -> None:
    client, id, subject = session.client, record.id, record.subject
    core.auditor.emit(EventName.SESSION_RENEWED, client, id=id, subject=subject)
    if rotate.reauthenticated:
        name = EventName.AUTHN_LOGIN_SUCCESS
        core.auditor.emit(name, client, id=id, subject=subject, reason="reauthenticated")
    if rotate.claims is not None:
        core.auditor.emit(EventName.AUTHZ_CHANGE, client, id=id, subject=subject)


def _renew(session: Session, record: Record, key: bytes | None) -> None:
    if key is not None:
        session.hand_out(key, secret.cookie_text(record.id, key))


async def _touch(core: Core, session: Session, record: Record) -> None:
    now = core.clock()
    if not policy.touch_due(record, now, core.times.touch_every):
        return
    if core.cookie_ended(record, now):
        return  # used through a token; activity would revive the cookie
    if _renewal_due(core, session, record, now) and await _still_ours(core, record, now):
        _renew(session, record, session.secret)
    ends = policy.expires_at_if_seen(record, now, core.times.slack)
    touch = Touch(record.id, now, ends, kept_address(core, session.client))
    if core.collect is not None:
        core.collect(touch)
    else:
        await touch.noted_in(core.store)


def _renewal_due(core: Core, session: Session, record: Record, now: int) -> bool:
    """Whether to send the cookie again, so that Max-Age does not end it in a busy browser."""
    max_age = core.times.cookie_max_age
    if session.via != "cookie" or max_age is None:
        return False
    return policy.cookie_renewal_due(record, now, max_age)


async def _still_ours(core: Core, record: Record, now: int) -> bool:
    """Whether no rotation has replaced the secret meanwhile; asked a few times per Max-Age only."""
    fresh = (await core.fresh.get(record.id, now=now)).record
    return fresh is not None and secret.matches(fresh.secret_hash, record.secret_hash)
