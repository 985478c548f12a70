"""The races once more, undirected: real threads over two handles of one SQLite file."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from faces import FIREFOX, KEYS, MINUTE, claims_of
from holdfast import Conflict, Reason, SessionEnded, Sessions, Settings
from holdfast.rules import refresh as rules
from holdfast.stores import open_both
from holdfast.testing import FakeClock

THREADS = 6
ROUNDS = 8


class Crowd:
    """Two engines as two processes have them, and many threads that begin at the same moment."""

    def __init__(self, folder):
        self.clock = FakeClock()
        self.events = []
        self.stores = [open_both(f"sqlite:///{folder}/sessions.db").blocking for _ in range(2)]
        self.engines = [
            Sessions(
                store,
                Settings(),
                KEYS,
                clock=self.clock,
                entropy=os.urandom,
                sinks=[self.events.append],
            )
            for store in self.stores
        ]

    def all_at_once(self, act):
        """What `act(engine, number)` gave or raised, in each of the threads."""
        barrier = Barrier(THREADS)

        def one(number):
            barrier.wait()
            try:
                return act(self.engines[number % 2], number)
            except (Conflict, SessionEnded) as error:
                return error

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(one, range(THREADS)))

    def login(self):
        session = self.engines[0].begin(None, FIREFOX)
        self.engines[0].sign_in(session, "ada")
        return session


@pytest.fixture
def crowd(tmp_path):
    crowd = Crowd(tmp_path)
    yield crowd
    for store in crowd.stores:
        store.close()


def test_all_get_the_same_successor(crowd):
    """R109, promise 3: parallel exchanges of one token count one generation, and alarm nobody."""
    token = crowd.engines[0].issue_tokens(crowd.login()).refresh_token
    for number in range(1, ROUNDS + 1):
        crowd.clock.advance(MINUTE)
        answers = crowd.all_at_once(lambda engine, _, old=token: engine.refresh(old, FIREFOX))
        (token,) = {answer.tokens.refresh_token for answer in answers}
        jti = rules.parse_jti(claims_of(crowd.engines[0], token, "refresh")["jti"])
        assert jti.generation == number
    assert "authn_token_reuse" not in {event.name for event in crowd.events}


def test_reuse_in_parallel_ends_the_session_once_and_for_all(crowd):
    """Whoever comes with the old token or the new one at that moment has nothing afterwards."""
    for _ in range(ROUNDS):
        session = crowd.login()
        old = crowd.engines[0].issue_tokens(session).refresh_token
        fresh = crowd.engines[0].refresh(old, FIREFOX).tokens.refresh_token
        crowd.clock.advance(MINUTE)
        answers = crowd.all_at_once(
            lambda engine, number, old=old, fresh=fresh: engine.refresh(
                (old, fresh)[number % 3 == 0]
            )
        )
        assert Reason.REUSED in {answer.reason for answer in answers}
        for engine in crowd.engines:
            assert engine.begin(session.cookie).reason is Reason.UNKNOWN
            for answer in answers:
                if answer.tokens:
                    assert engine.verify_token(answer.tokens.access_token).claims is None
                    assert engine.refresh(answer.tokens.refresh_token).tokens is None


def test_no_increment_is_lost(crowd):
    """P3, promise 2: what was acknowledged is there."""
    session = crowd.login()

    def act(engine, _):
        done = 0
        for _ in range(ROUNDS):
            found = engine.begin(session.cookie)
            found.change(lambda data: data.update(n=data.get("n", 0) + 1))
            try:
                engine.commit(found)
            except Conflict:
                continue
            done += 1
        return done

    acknowledged = sum(crowd.all_at_once(act))
    assert crowd.engines[1].begin(session.cookie)["n"] == acknowledged > 0


def test_no_write_brings_a_session_back(crowd):
    """P1, promise 1: one thread ends it while the others write, rotate, mint and refresh."""
    for _ in range(ROUNDS):
        session = crowd.login()
        tokens = crowd.engines[0].issue_tokens(session)

        def act(engine, number, session=session, tokens=tokens):
            if number == 0:
                return engine.revoke(session.id)
            found = engine.begin(session.cookie, FIREFOX)
            if found.record is None:
                return None
            if number == 1:
                return engine.rotate(found)
            if number == 2:
                return engine.issue_tokens(found)
            if number == 3:
                return engine.refresh(tokens.refresh_token, FIREFOX)
            found["n"] = number
            return engine.commit(found)

        assert crowd.all_at_once(act)[0] is True
        for engine in crowd.engines:
            assert engine.find(session.id) is None
            assert engine.begin(session.cookie).reason is Reason.UNKNOWN
            assert engine.verify_token(tokens.access_token).reason is Reason.UNKNOWN
        assert crowd.engines[0].sessions_of("ada").records == ()


def test_of_parallel_rotations_one_cookie_lives(crowd):
    """R14: the winner's, and no other."""
    for _ in range(ROUNDS):
        session = crowd.login()

        def act(engine, _, session=session):
            found = engine.begin(session.cookie)
            if found.record is not None:
                engine.rotate(found)
            return found.cookie

        cookies = [each for each in crowd.all_at_once(act) if isinstance(each, str)]
        assert len(cookies) == 1
        assert crowd.engines[1].begin(cookies[0]).subject == "ada"
        assert crowd.engines[1].begin(session.cookie).reason is Reason.WRONG_SECRET


def test_parallel_sign_ins_with_one_anonymous_session(crowd):
    """P4: its id is dead afterwards, and each new session that was handed out is its own."""
    for _ in range(ROUNDS):
        visitor = crowd.engines[0].begin(None, FIREFOX)
        visitor["cart"] = [1]
        crowd.engines[0].commit(visitor)

        def act(engine, _, cookie=visitor.cookie):
            session = engine.begin(cookie, FIREFOX)
            engine.sign_in(session, "ada")
            return session.cookie

        cookies = [each for each in crowd.all_at_once(act) if isinstance(each, str)]
        assert len(set(cookies)) == len(cookies) > 0
        assert crowd.engines[1].begin(visitor.cookie).reason is Reason.UNKNOWN
        assert all(crowd.engines[1].begin(cookie).subject == "ada" for cookie in cookies)
        assert crowd.engines[0].revoke_all("ada") == len(cookies)
