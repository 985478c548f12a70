"""Which reads a near cache may answer: it may admit, and never refuses, writes or mints."""

import os

import pytest

from faces import DAY, FACES, KEYS, Face
from holdfast import AsyncSessions, Sessions, Settings
from holdfast.errors import Reason
from holdfast.protocols import Reading
from holdfast.settings import Rate
from holdfast.stores.memory import MemoryStore
from holdfast.testing import FakeClock


class Remembering:
    """A near cache at its worst: what it has read once, it answers for ever."""

    def __init__(self, store):
        self._store = store
        self._known = {}
        self.hits = 0

    def get(self, id, *, now, take=None):
        if take is None and id in self._known:
            self.hits += 1
            return Reading(self._known[id], cached=True)
        reading = self._store.get(id, now=now, take=take)
        if reading.record is not None:
            self._known[id] = reading.record
        return reading

    def __getattr__(self, name):
        return getattr(self._store, name)


class Asynchronous:
    """A blocking store as one for coroutines."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        found = getattr(self._store, name)

        async def call(*args, **kwargs):
            return found(*args, **kwargs)

        return call


class World:
    """`here` reads through the cache, `elsewhere` is another process."""

    def __init__(self, face):
        self.clock = FakeClock()
        self.store = MemoryStore()
        self.cache = Remembering(self.store)
        self.here = self._engine(face, self.cache)
        self.elsewhere = self._engine("threads", self.store)

    def _engine(self, face, store):
        parts = {"clock": self.clock, "entropy": os.urandom}
        if face == "threads":
            return Sessions(store, Settings(), KEYS, fresh=self.store, **parts)
        import asyncio

        fresh = Asynchronous(self.store)
        engine = AsyncSessions(Asynchronous(store), Settings(), KEYS, fresh=fresh, **parts)
        self.loop = asyncio.new_event_loop()
        return Face(engine, self.loop)

    def login(self):
        """The cookie of somebody who is signed in, and whom the cache knows."""
        session = self.elsewhere.begin(None)
        self.elsewhere.sign_in(session, "ada")
        assert self.here.begin(session.cookie).subject == "ada"
        return session.cookie


@pytest.fixture(params=FACES)
def world(request):
    world = World(request.param)
    yield world
    if hasattr(world, "loop"):
        world.loop.close()


def test_the_cache_admits(world):
    """That is what it is for: a session that it knows costs no trip."""
    cookie = world.login()
    assert world.here.begin(cookie).subject == "ada"
    assert world.cache.hits == 1


def test_fresh_asks_the_store(world):
    """A route that cannot wait for the bound."""
    cookie = world.login()
    world.elsewhere.sign_out(world.elsewhere.begin(cookie))
    assert world.here.begin(cookie).subject == "ada"
    assert world.here.begin(cookie, fresh=True).reason is Reason.UNKNOWN


def test_a_quota_asks_the_store(world):
    """What spends a budget is never answered from memory."""
    cookie = world.login()
    world.elsewhere.sign_out(world.elsewhere.begin(cookie))
    assert world.here.begin(cookie, rate=Rate()).reason is Reason.UNKNOWN


def test_a_secret_that_was_rotated_elsewhere_counts_at_once(world):
    """The cache knows the old one; that is no ground to refuse the new one."""
    session = world.elsewhere.begin(world.login())
    world.elsewhere.rotate(session)
    assert world.here.begin(session.cookie).subject == "ada"


def test_activity_elsewhere_keeps_a_session_alive(world):
    """Touches tell nobody, so the cache may take a busy session for an idle one."""
    cookie = world.login()
    for _ in range(4):
        world.clock.advance(DAY // 4 + 1)
        world.elsewhere.commit(world.elsewhere.begin(cookie))
    assert world.here.begin(cookie).subject == "ada"


def test_activity_elsewhere_keeps_its_tokens_alive(world):
    """The same for bearer tokens."""
    cookie = world.login()
    for _ in range(4):
        world.clock.advance(DAY // 4 + 1)
        session = world.elsewhere.begin(cookie)
        world.elsewhere.commit(session)
    access = world.elsewhere.issue_tokens(session).access_token
    world.cache._known[session.id] = world.cache._known[session.id]
    assert world.here.begin_bearer(access).subject == "ada"


def test_a_refusal_of_the_store_is_a_refusal(world):
    """A wrong secret is asked about once more and refused; it costs one look-up."""
    cookie = world.login()
    forged = cookie[:-4] + ("AAAA" if cookie[-4:] != "AAAA" else "BBBA")
    assert world.here.begin(forged).reason in {Reason.WRONG_SECRET, Reason.MALFORMED}


def test_a_bearer_token_may_be_judged_by_the_cache(world):
    """And is asked about at the store if that is wanted."""
    session = world.elsewhere.begin(world.login())
    access = world.elsewhere.issue_tokens(session).access_token
    world.elsewhere.sign_out(session)
    assert world.here.begin_bearer(access).subject == "ada"
    assert world.here.begin_bearer(access, fresh=True).reason is Reason.UNKNOWN


def test_a_refresh_never_believes_the_cache(world):
    """A token of a session that was ended is exchanged for nothing, nor called valid."""
    session = world.elsewhere.begin(world.login())
    refresh = world.elsewhere.issue_tokens(session).refresh_token
    world.here.begin(session.cookie or "")
    world.elsewhere.sign_out(session)
    assert world.here.refresh(refresh).reason is Reason.UNKNOWN
    assert world.here.verify_token(refresh, "refresh").reason is Reason.UNKNOWN


def test_a_write_finds_what_others_wrote(world):
    """A change that began with a stale record is replayed on the one that is stored."""
    cookie = world.login()
    other = world.elsewhere.begin(cookie)
    other["theirs"] = 1
    world.elsewhere.commit(other)
    session = world.here.begin(cookie)
    session["ours"] = 2
    world.here.commit(session)
    assert dict(world.elsewhere.begin(cookie)) == {"theirs": 1, "ours": 2}


def test_no_token_is_minted_for_a_session_that_is_gone(world):
    """Every path that mints asks the store (P17)."""
    from holdfast.errors import SessionEnded

    cookie = world.login()
    world.elsewhere.sign_out(world.elsewhere.begin(cookie))
    session = world.here.begin(cookie)
    assert session.subject == "ada"
    with pytest.raises(SessionEnded):
        world.here.issue_tokens(session)


def test_what_is_found_is_what_is_stored(world):
    """`find` and `revoke_token` are asked outside of requests, and never of the cache."""
    session = world.elsewhere.begin(world.login())
    access = world.elsewhere.issue_tokens(session).access_token
    world.elsewhere.sign_out(session)
    assert world.here.find(session.id or "") is None
    assert not world.here.revoke_token(access)
