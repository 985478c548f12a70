"""Moving in: a live session of another library becomes one of ours, once, under a new id (P4).

    read the old one      there is none: perhaps a moment ago there was, see `_standing`
    insert the new one    with an id of its own, which nobody knows yet
    claim                 insert a record whose id comes from the old key: only one can
    read the old one      once more: if it is there now, nobody had taken it before
    remove the old one    and only now hand out the cookie

Requests of one browser come together. Who does not get the claim takes back its own new record, and
goes on with the one that the claim names. It removes the old one, too, since the other may have
died before; so it first notes on the claim that the old one was there.

The secret is derived from the old key, which only the browser has, and from a key of ours, so all of
them get the same cookie and none is signed out. So does who repeats a request whose answer was lost.
After `GRACE` the old cookie is worth nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.engine.core import ATTEMPTS
from holdfast.engine.drafting import new_record
from holdfast.errors import Conflict, DataError, NotSerializable, UsageError
from holdfast.events import EventName
from holdfast.protocols import Admitted
from holdfast.record import Policy, Record, changed
from holdfast.rules import data, intents, secret
from holdfast.rules.intents import SignIn
from holdfast.session import Session

if TYPE_CHECKING:
    from holdfast.engine.core import Core
    from holdfast.protocols import ClientFacts, OldSession, OldSessions

GRACE = 60_000
"""Ms in which the old cookie still leads to the new session."""

_CLAIM = Policy("adoption", GRACE, GRACE)
_log = logging.getLogger("holdfast")


class _Draft(NamedTuple):
    """A new session that nobody has yet, with the secret of its cookie."""

    record: Record
    key: bytes


async def adopt(core: Core, old: OldSessions, key: str, client: ClientFacts) -> Session | None:
    """The session that the old one under `key` has become; None: there is nothing to take over.

    Raises:
        StoreError: one of the two stores cannot answer. Nothing is lost; the same request again
            goes on where this one stopped.
    """
    claim = _claim_id(old, key)
    found = await old.read(key)
    if found is None:
        return await _followed(core, claim, key, client)
    draft = await _drafted(core, old, found, key, client)
    if draft is None:
        return None
    await core.store.insert(draft.record, now=draft.record.created_at)
    if not await _claimed(core, claim, draft.record.id):
        await core.store.delete(draft.record.id, durable=False)
        if await old.read(key) is not None and await _witness(core, claim):
            await old.remove(key)
        return await _followed(core, claim, key, client)
    if await old.read(key) is None and not await _witnessed(core, claim):
        await core.store.delete(draft.record.id, durable=True)
        return None
    await old.remove(key)
    _note(core, old, draft.record, client)
    return _handed_out(core, draft, client)


def _claim_id(old: OldSessions, key: str) -> str:
    """The id of the claim on an old session; no credential, and nobody's session."""
    digest = hashlib.sha256(f"holdfast/1/adoption\0{old.name}\0{key}".encode()).digest()
    return secret.new_id(secret.random_tag(digest), digest[-secret.ID_BYTES :])


async def _claimed(core: Core, claim: str, id: str) -> bool:
    """Whether the session of this id now stands for the old one; False: another was faster."""
    for _ in range(ATTEMPTS):
        now = core.clock()
        draft = Record(
            id=claim,
            secret_hash=core.entropy(secret.SECRET_BYTES),  # no cookie leads here
            data=data.encode({"to": id}),
            created_at=now,
            seen_at=now,
            expires_at=now + GRACE,
            policy=_CLAIM,
            version=0,
        )
        if isinstance(await core.store.insert(draft, now=now), Admitted):
            return True
        if await _standing(core, claim) is not None:
            return False
        await core.store.delete(claim, durable=False)  # it is over, and was not swept yet
    raise Conflict("other requests kept adopting this session")


async def _standing(core: Core, claim: str) -> Record | None:
    """The claim; None: there is none, or its time is over."""
    now = core.clock()
    record = (await core.fresh.get(claim, now=now)).record
    if record is None or record.policy.name != _CLAIM.name or now >= record.created_at + GRACE:
        return None
    return record


async def _witness(core: Core, claim: str) -> bool:
    """Note that the old session was there when the claim stood; False: it stands no more."""
    standing = await _standing(core, claim)
    if standing is None:
        return False
    noted = changed(
        standing,
        data=data.encode({**data.decode(standing.data), "witnessed": True}),
        version=int.from_bytes(core.entropy(8), "big"),
    )
    return await core.store.update(noted, expected=standing.version) or await _witnessed(
        core, claim
    )


async def _witnessed(core: Core, claim: str) -> bool:
    standing = await _standing(core, claim)
    return standing is not None and "witnessed" in data.decode(standing.data)


async def _followed(core: Core, claim: str, key: str, client: ClientFacts) -> Session | None:
    """The session that another request has made of the old one, if it still has its first secret."""
    standing = await _standing(core, claim)
    if standing is None:
        return None
    id: str = data.decode(standing.data)["to"]
    now = core.clock()
    record = (await core.fresh.get(id, now=now)).record
    if record is None or core.cookie_ended(record, now):
        return None
    for own in _secrets(core, key, id):
        if secret.matches(secret.digest(own), record.secret_hash):
            return _handed_out(core, _Draft(record, own), client)
    return None


def _secrets(core: Core, key: str, id: str) -> list[bytes]:
    """The first secret of a session that an old one becomes, by each key of ours; newest first."""
    text = f"{id}\0{key}".encode()
    return [hmac.digest(each, text, "sha256") for each in core.keys.derive("adoption")]


async def _drafted(
    core: Core, old: OldSessions, found: OldSession, key: str, client: ClientFacts
) -> _Draft | None:
    """What the old session becomes; None: it holds nothing, or names nobody that we can know."""
    kept = _kept(found.data)
    try:
        intent = None if found.subject is None else _intent(found.subject)
    except UsageError as error:
        _log.warning("a session of %s was left behind: %s", old.name, error)
        return None
    if intent is None and not kept:
        return None
    tag = None if intent is None else secret.subject_tag(intent.subject, await core.store.salt())
    id = core.new_id(tag)
    own = _secrets(core, key, id)[0]
    try:
        record = new_record(core, client, id=id, key=own, plain=data.encode(kept), intent=intent)
    except DataError as error:
        _log.warning("the data of a session of %s were left behind: %s", old.name, error)
        record = new_record(core, client, id=id, key=own, plain=data.EMPTY, intent=intent)
    # Nobody has proved here who they are, so no check of a recent sign-in passes (R36).
    return _Draft(changed(record, authenticated_at=None), own)


def _intent(subject: Any) -> SignIn:
    return SignIn(subject=intents.subject_text(subject), claims={})


def _kept(values: dict[str, Any]) -> dict[str, Any]:
    """What of the old data is JSON; the rest is left behind, and named in the log."""
    kept: dict[str, Any] = {}
    for name, value in values.items():
        try:
            data.require_key(name)
            data.require_json(value, "session")
        except NotSerializable:
            _log.warning("session[%r] was left behind: it is no JSON", name)
        else:
            kept[name] = value
    return kept


def _note(core: Core, old: OldSessions, record: Record, client: ClientFacts) -> None:
    core.auditor.emit(
        EventName.SESSION_CREATED,
        client,
        id=record.id,
        subject=record.subject,
        reason="adopted",
        library=old.name,
    )


def _handed_out(core: Core, draft: _Draft, client: ClientFacts) -> Session:
    record, own = draft
    plain = core.opened(record, own)
    session = Session(record, via="cookie", secret=own, plain=plain, client=client)
    session.hand_out(own, secret.cookie_text(record.id, own))
    return session
