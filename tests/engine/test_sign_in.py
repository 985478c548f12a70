"""Sign-in: a new id, the new record first, the old one gone, only then the cookie."""

import asyncio
from dataclasses import replace

import pytest

from faces import CHROME, FIREFOX, HOUR
from holdfast import (
    CapReached,
    Conflict,
    NotDurable,
    NotSerializable,
    SessionEnded,
    StoreUnavailable,
    TooLarge,
    UsageError,
)
from holdfast.protocols import Replacing
from holdfast.record import Client
from holdfast.rules import secret


def raising(error):
    def hook():
        raise error("as the test wants it")

    return hook


def same_slot(world, monkeypatch):
    """Let every id have one tag, so that old and new record live in one slot."""
    monkeypatch.setattr(secret, "subject_tag", lambda *_: 7)
    monkeypatch.setattr(secret, "random_tag", lambda _: 7)


@pytest.fixture(params=["other slot", "same slot"])
def slots(request, monkeypatch):
    """Whether the anonymous session and the signed-in one live in the same slot."""
    monkeypatch.setattr(secret, "random_tag", lambda _: 7)
    same = request.param == "same slot"
    monkeypatch.setattr(secret, "subject_tag", lambda *_: 7 if same else 8)
    return request.param


def test_a_sign_in_makes_a_new_id_and_ends_the_old_one(world, slots):
    """The cookie from before is refused, the new one is the subject's (P4, R14, R2)."""
    old = world.anonymous(cart=[1])
    session = world.login(cookie=old, email="ada@example.org")
    assert session.id != secret.parse_cookie(old).id
    assert not world.lives(old)
    found = world.begin(session.cookie)
    assert (found.subject, found.claims) == ("ada", {"email": "ada@example.org"})
    assert found.authenticated_at == world.clock()
    assert found["cart"] == [1]


def test_the_record_tells_what_the_owner_needs_to_know(world):
    """User agent, address, label and assurance are kept for people; times are the server's."""
    session = world.login(label="my\x1b laptop", acr="urn:2", amr=("pwd", "otp"))
    record = world.stored(session.id)
    assert record.client == Client(FIREFOX.user_agent, "my laptop")
    assert (record.address, record.created_at) == (FIREFOX.address, world.clock())
    assert (record.assurance.acr, record.assurance.amr) == ("urn:2", ("pwd", "otp"))


@pytest.mark.parametrize(
    ("keep", "kept"), [("full", "192.0.2.7"), ("truncated", "192.0.2.0"), ("off", None)]
)
def test_what_is_kept_of_the_client_can_be_less(make_world, keep, kept):
    """Address and user agent can each be off, the address cut."""
    world = make_world(keep_address=keep, keep_user_agent=False)
    record = world.stored(world.login().id)
    assert (record.address, record.client.user_agent) == (kept, None)


def test_a_sign_in_costs_three_trips(world, slots):
    """Read, insert, delete; in the same slot insert does both (promise 5). The salt is no trip."""
    cookie = world.anonymous()
    world.store.calls.clear()
    world.login(cookie=cookie)
    trips = [verb for verb in world.store.calls if verb != "salt"]
    assert trips == (["get", "insert"] if slots == "same slot" else ["get", "insert", "delete"])


def test_signing_in_again_proves_that_the_old_session_is_gone(world, monkeypatch):
    """A signed-in record that the insert replaces is gone durably before there is a new cookie (P12)."""
    session = world.login()
    again = world.begin(session.cookie)
    again.sign_in("ada")
    world.store.calls.clear()
    world.commit(again)
    assert world.store.calls == ["salt", "insert", "delete"]
    third = world.begin(again.cookie)
    third.sign_in("ada")
    world.store.before("delete", raising(NotDurable))
    with pytest.raises(NotDurable):
        world.commit(third)
    assert third.cookie is None
    assert not world.lives(again.cookie)


def test_the_same_subject_keeps_its_data(world):
    """Signing in again as the same subject carries the data over."""
    session = world.login()
    session["cart"] = [1]
    world.commit(session)
    assert world.login(cookie=session.cookie)["cart"] == [1]


def test_data_are_left_behind_if_the_application_says_so(world, slots):
    """`keep_data=False` forgets what was there before, and keeps what is set afterwards."""
    cookie = world.anonymous(cart=[1])
    session = world.begin(cookie)
    session["before"] = 1
    session.sign_in("ada", keep_data=False)
    session["after"] = 1
    world.commit(session)
    assert dict(world.begin(session.cookie)) == {"after": 1}


def test_the_data_of_another_subject_are_never_carried(world, slots):
    """A change of subject starts with nothing, also after a sign-out in the same request."""
    mine = world.login("ada")
    mine["secret"] = 1
    world.commit(mine)
    taken = world.begin(mine.cookie)
    assert taken["secret"] == 1
    world.sign_in(taken, "bob")
    assert dict(world.begin(taken.cookie)) == {}
    assert not world.lives(mine.cookie)
    world.commit(taken)
    again = world.begin(taken.cookie)
    again["more"] = 1
    again.sign_out()
    again.sign_in("bob")
    world.commit(again)
    assert dict(world.begin(again.cookie)) == {}
    assert again.ended is False


def test_the_last_of_two_sign_ins_counts(world):
    """Two sign-ins in one request: the second subject, and nothing of the first."""
    session = world.begin(None, FIREFOX)
    session.sign_in("ada", role="admin")
    session["ada"] = 1
    session.sign_in("bob")
    world.commit(session)
    found = world.begin(session.cookie)
    assert (found.subject, found.claims, dict(found)) == ("bob", {}, {})


def test_a_rotation_after_a_sign_in_adds_to_it(world):
    """The new id serves as the new secret; claims and assurance of the rotation are not lost."""
    session = world.begin(world.anonymous())
    session.sign_in("ada", role="user", amr=("pwd",))
    session.rotate(reauthenticated=True, amr=("pwd", "otp"), claims={"role": "admin"})
    assert session.claims == {"role": "admin"}
    world.commit(session)
    record = world.stored(session.id)
    assert (record.claims, record.assurance.amr) == ({"role": "admin"}, ("pwd", "otp"))


def test_signing_in_and_out_again_is_signing_out(world):
    """The last word counts, and the anonymous session ends."""
    cookie = world.anonymous()
    session = world.begin(cookie)
    session.sign_in("ada")
    session.sign_out()
    assert session.subject is None
    world.commit(session)
    assert (session.ended, session.cookie) == (True, None)
    assert not world.lives(cookie)


def test_intents_show_at_once(world):
    """Until the commit a handler sees what it asked for, and never the assurance of somebody else."""
    old = world.login("ada", role="admin", acr="urn:3")
    session = world.begin(old.cookie)
    session.sign_in("bob", role="user")
    assert (session.subject, session.claims) == ("bob", {"role": "user"})
    assert (session.authenticated_at, session.assurance.acr) == (None, None)
    session.sign_out()
    assert (session.subject, session.claims, session.assurance.acr) == (None, {}, None)
    assert session.authenticated_at is None


@pytest.mark.parametrize(
    "subject", ["", " ", None, True, b"ada", "a\nb", "a\0b", "\ud800", "x" * 513]
)
def test_an_unfit_subject_is_refused(world, subject):
    """Nobody becomes the account "None"; empty and unprintable names are refused (P60)."""
    session = world.begin(None)
    with pytest.raises(UsageError, match="subject"):
        session.sign_in(subject)
    for call in (world.revoke_all, world.sessions_of):
        with pytest.raises(UsageError):
            call(subject)
    assert world.store.calls == []


def test_a_whole_number_is_a_subject(world):
    """`sign_in(42)` and `revoke_all(42)` mean the same account."""
    cookie = world.login(42).cookie
    assert world.begin(cookie).subject == "42"
    assert world.revoke_all(42) == 1


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"sub": "eve"}, UsageError),
        ({"exp": 1}, UsageError),
        ({"scope": "all"}, UsageError),
        ({"role": {1, 2}}, NotSerializable),
        ({"role": "x" * 5000}, TooLarge),
        ({"acr": 2}, UsageError),
        ({"amr": "pwd"}, UsageError),
        ({"amr": (1,)}, UsageError),
        ({"label": 7}, UsageError),
    ],
)
def test_unfit_claims_are_refused_where_they_are_given(world, options, error):
    """A reserved, unserialisable or oversized claim, or an assurance of a wrong type."""
    session = world.begin(None)
    with pytest.raises(error):
        session.sign_in("ada", **options)
    assert session.intent is None


def test_an_unknown_policy_is_refused_before_anything_is_written(world):
    """The anonymous session lives on."""
    cookie = world.anonymous()
    session = world.begin(cookie)
    with pytest.raises(UsageError, match="policy"):
        world.sign_in(session, "ada", policy="forever")
    assert world.lives(cookie)
    assert world.revoke_all("ada") == 0


def test_unserialisable_data_are_refused_before_anything_is_written(world):
    """A value that JSON cannot hold stops the sign-in, though our encoder would take it."""
    session = world.begin(None)
    session["raw"] = b"bytes"
    with pytest.raises(NotSerializable):
        world.sign_in(session, "ada")
    assert "insert" not in world.store.calls


# Races


def test_a_parallel_change_of_the_anonymous_session_is_merged(world, slots):
    """What another request saved between our read and the end of the old session goes along (P3)."""
    cookie = world.anonymous(cart=[1], n=0)
    session = world.begin(cookie, FIREFOX)
    session["mine"] = 1

    def faster():
        theirs = world.other.begin(cookie)
        theirs["cart"] = [1, 2]
        world.other.commit(theirs)

    world.store.before("insert" if slots == "same slot" else "delete", faster)
    world.sign_in(session, "ada")
    assert dict(world.begin(session.cookie)) == {"cart": [1, 2], "n": 0, "mine": 1}
    assert dict(session) == {"cart": [1, 2], "n": 0, "mine": 1}
    assert not world.lives(cookie)


def test_a_parallel_change_of_the_same_key_takes_the_sign_in_back(world, slots):
    """A conflict that cannot merge: no new session is left behind, the old one lives."""
    cookie = world.anonymous(n=0)
    session = world.begin(cookie)
    session["n"] = 1

    def faster():
        theirs = world.other.begin(cookie)
        theirs["n"] = 2
        world.other.commit(theirs)

    world.store.before("insert" if slots == "same slot" else "delete", faster)
    with pytest.raises(Conflict):
        world.sign_in(session, "ada")
    assert session.cookie is None
    assert world.lives(cookie)
    assert world.sessions_of("ada").records == ()


def test_who_cannot_keep_up_takes_the_sign_in_back(world, slots):
    """After 16 attempts the sign-in gives up and leaves nothing behind."""
    cookie = world.anonymous(n=0)
    session = world.begin(cookie)

    def faster():
        theirs = world.other.begin(cookie)
        theirs["n"] += 1
        world.other.commit(theirs)

    verb = "insert" if slots == "same slot" else "delete"
    world.store.before(verb, faster, times=16)
    with pytest.raises(Conflict):
        world.sign_in(session, "ada")
    assert world.sessions_of("ada").records == ()


def test_an_anonymous_session_that_is_gone_is_no_obstacle(world, slots):
    """Swept or ended meanwhile: the sign-in goes on."""
    cookie = world.anonymous(n=0)
    session = world.begin(cookie)
    world.raw.delete(session.id)
    world.sign_in(session, "ada")
    assert world.begin(session.cookie)["n"] == 0


def test_no_cookie_before_the_old_session_is_gone(world):
    """If the old session's deletion is not proved, the new session is taken back (P12, P13)."""
    old = world.login("ada")
    session = world.begin(old.cookie)
    world.store.before("delete", raising(NotDurable))
    with pytest.raises(NotDurable):
        world.sign_in(session, "bob")
    assert session.cookie is None
    assert world.sessions_of("bob").records == ()


def test_an_outage_in_the_middle_leaves_the_old_session(world, apart):
    """The delete fails: the new session is taken back, the old cookie still counts."""
    cookie = world.anonymous()
    session = world.begin(cookie)
    world.store.before("delete", raising(StoreUnavailable))
    with pytest.raises(StoreUnavailable):
        world.sign_in(session, "ada")
    assert world.lives(cookie)
    assert world.sessions_of("ada").records == ()


def test_any_failure_takes_the_new_session_back(world):
    """Also one that is not ours: nobody would ever hold that session's secret."""
    session = world.begin(world.anonymous())

    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.sign_in(session, "ada", still_valid=broken)
    assert world.sessions_of("ada").records == ()


def test_who_hangs_up_while_the_session_is_made_leaves_none(world, slots):
    """Cancelled after the store has it, before anybody knows: no list shows a session of nobody's."""
    session = world.begin(world.anonymous())
    world.store.after("insert", raising(asyncio.CancelledError))
    with pytest.raises(asyncio.CancelledError):
        world.sign_in(session, "ada")
    assert world.sessions_of("ada").records == ()


def test_an_account_that_changed_meanwhile_is_not_signed_in(world, slots):
    """`still_valid` is asked after the session exists, and takes it back (R32)."""
    cookie = world.anonymous()
    session = world.begin(cookie)
    seen = []

    def still_valid():
        seen.append(len(world.other.sessions_of("ada").records))
        return False

    with pytest.raises(SessionEnded):
        world.sign_in(session, "ada", still_valid=still_valid)
    assert seen == [1]
    assert world.sessions_of("ada").records == ()
    assert world.events[-1].name == "authn_login_fail"
    assert "authn_login_success" not in world.names()
    # In the same slot the old session went with the insert, and this very request ended it.
    assert session.ended is (slots == "same slot")
    assert world.lives(cookie) is (slots == "other slot")


def test_a_new_session_that_is_revoked_while_it_is_made_stays_revoked(world, apart):
    """Log-out-everywhere between insert and merge wins."""
    cookie = world.anonymous(n=0)
    session = world.begin(cookie)

    def both():
        theirs = world.other.begin(cookie)
        theirs["n"] = 1
        world.other.commit(theirs)
        world.other.revoke_all("ada")

    world.store.before("delete", both)
    with pytest.raises(SessionEnded):
        world.sign_in(session, "ada")
    assert world.sessions_of("ada").records == ()


# Caps


def test_the_oldest_sessions_make_room(make_world):
    """At the cap the oldest go, and each is in the log (R37)."""
    world = make_world(max_sessions=2)
    cookies = []
    for _ in range(4):
        world.clock.advance(1000)
        cookies.append(world.login().cookie)
    assert [world.lives(cookie) for cookie in cookies] == [False, False, True, True]
    evicted = [e for e in world.events if e.name == "excess_sessions_exceeded"]
    assert [(e.reason, e.subject) for e in evicted] == [("evicted", "ada")] * 2


def test_one_too_many_can_be_refused(make_world):
    """With "reject" the newcomer is refused, the anonymous session lives, others are not affected."""
    world = make_world(max_sessions=1, over_cap="reject")
    first, cookie = world.login(), world.anonymous()
    with pytest.raises(CapReached):
        world.login(cookie=cookie)
    assert world.lives(first.cookie)
    assert world.lives(cookie)
    assert (world.events[-1].reason, world.events[-1].severity) == ("rejected", "WARN")
    world.login("bob")


def test_signing_in_again_counts_once(make_world):
    """The session that is replaced does not count for the cap."""
    world = make_world(max_sessions=1, over_cap="reject")
    session = world.login()
    again = world.login(cookie=session.cookie)
    assert world.lives(again.cookie)


def test_expired_sessions_do_not_count(make_world):
    """Room that is free is given."""
    world = make_world(max_sessions=1, over_cap="reject")
    world.login()
    world.clock.advance(26 * HOUR)
    world.login()


def test_an_id_that_exists_is_not_overwritten(world, monkeypatch):
    """A repeated id is refused by the store; another one is taken (P1)."""
    first = world.login()
    ids = iter([first.id, secret.new_id(3, bytes(16))])
    monkeypatch.setattr(secret, "new_id", lambda *_: next(ids))
    second = world.login("bob")
    assert second.id != first.id
    assert world.begin(first.cookie).subject == "ada"


def test_randomness_that_repeats_itself_ends_in_an_error(world, monkeypatch):
    """No endless loop, and nobody gets somebody else's session."""
    cookie = world.anonymous()
    id = secret.parse_cookie(cookie).id
    monkeypatch.setattr(secret, "new_id", lambda *_: id)
    with pytest.raises(Conflict):
        world.anonymous()
    with pytest.raises(Conflict):
        world.login()


def test_the_client_may_differ_from_before(world):
    """Facts of the sign-in request are kept, those of the anonymous session go."""
    cookie = world.anonymous()
    session = world.login(cookie=cookie, client=CHROME)
    assert world.stored(session.id).client.user_agent == CHROME.user_agent


def test_replacing_names_the_version(world):
    """The store is asked to replace exactly what was read."""
    assert Replacing("a", 1)._fields == ("id", "version")
    assert replace  # the record itself is never edited in place
