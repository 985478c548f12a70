"""What a session store does with the store of record: each once, for threads and coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.sessions.backends.base import CreateError, UpdateError

from holdfast.errors import SessionEnded
from holdfast.rules import secret
from holdfast.web.django.view import KEPT

if TYPE_CHECKING:
    from holdfast.engine import AsyncSessions
    from holdfast.web.django.sessions import SessionStore


async def save(store: SessionStore, sessions: AsyncSessions, *, must_create: bool = False) -> None:
    """Commit now; a session without anything to keep is kept for its key.

    Raises:
        UpdateError: it was ended meanwhile.
        CreateError: `must_create`, and it exists.
    """
    session = await store.source.read(sessions)
    if must_create and session.record is not None:
        raise CreateError
    await store.view.settle(sessions)
    if session.record is None and session.intent is None and not session:
        store.view[KEPT] = True
    try:
        await sessions.commit(session)
    except SessionEnded as error:
        raise UpdateError from error


async def create(store: SessionStore, sessions: AsyncSessions) -> None:
    """Make a session that exists, or give the one that does a new secret."""
    session = await store.source.read(sessions)
    if session.record is None:
        await save(store, sessions, must_create=True)
    else:
        await cycle(store, sessions)


async def delete(store: SessionStore, sessions: AsyncSessions, key: str | None) -> None:
    """End this session at the commit, or the one of another key at once."""
    session = await store.source.read(sessions)
    id = None if key is None else _id_of(key)
    if key is None or (id is not None and id == session.id):
        store.view.end()
        store.accessed = store.modified = True
        if store.source.alone:
            await sessions.commit(session)
    elif id is not None:
        await sessions.revoke(id)


async def cycle(store: SessionStore, sessions: AsyncSessions) -> None:
    """Ask for a new secret; a session that is not stored has none to renew."""
    session = await store.source.read(sessions)
    if session.record is not None and session.intent != "sign_out":
        store.view.rotate()
    store.accessed = store.modified = True


async def exists(sessions: AsyncSessions, key: str) -> bool:
    """Whether there is a living session of this id or cookie text."""
    id = _id_of(key)
    return id is not None and await sessions.find(id) is not None


def _id_of(key: str) -> str | None:
    """The public id in a key of either kind; None: it is neither."""
    token = secret.parse_cookie(key)
    if token is not None:
        return token.id
    return key if secret.valid_id(key) else None
