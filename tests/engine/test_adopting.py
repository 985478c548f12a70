"""Moving in: an old session becomes one of ours, once, and nobody is signed out by it."""

import hashlib
import hmac

import pytest

from faces import FIREFOX, KEYS, SECOND
from holdfast import KeyRing, StoreUnavailable
from holdfast.engine.adopting import GRACE
from holdfast.rules import secret
from old_library import OldLibrary

KEY = "k1"


@pytest.fixture
def old():
    return OldLibrary(k1=("ada", {"cart": [1]}))


def sessions(world):
    """The records that are sessions; a claim is none."""
    page = world.raw.page().records
    return [record for record in page if record.policy.name != "adoption"]


def test_the_same_subject_and_data_under_a_new_id(world, old):
    """The old session is gone; its key is no part of the new cookie, and nowhere in the store."""
    session = world.adopt(old, KEY, FIREFOX)
    assert (session.subject, dict(session), session.via) == ("ada", {"cart": [1]}, "cookie")
    assert old.sessions == {}
    assert world.begin(session.cookie).subject == "ada"
    (record,) = sessions(world)
    assert (record.id, record.subject, record.authenticated_at) == (session.id, "ada", None)
    assert [each.id for each in world.sessions_of("ada").records] == [record.id]


def test_it_is_audited(world, old):
    """As a session that was made, and not as a sign-in: nobody has proved who they are."""
    session = world.adopt(old, KEY, FIREFOX)
    (event,) = world.events
    assert (event.name, event.reason, event.subject) == ("session_created", "adopted", "ada")
    assert (event.address, dict(event.detail)) == (FIREFOX.address, {"library": "old"})
    assert event.session == getattr(world.engine, "engine", world.engine).auditor.session_hash(
        session.id
    )


def test_a_visitors_data_without_a_subject(world):
    """A cart of somebody who is not signed in goes on as well."""
    session = world.adopt(OldLibrary(k1=(None, {"cart": [1]})), KEY)
    assert (session.subject, session["cart"]) == (None, [1])


@pytest.mark.parametrize("found", [(None, {}), ("", {}), (["ada"], {}), (True, {}), ("a\0b", {})])
def test_what_names_nobody_stays_where_it_is(world, found):
    """Nothing is stored, nothing removed (P60)."""
    old = OldLibrary(k1=found)
    assert world.adopt(old, KEY) is None
    assert (world.raw.page().records, list(old.sessions)) == ((), [KEY])


def test_a_number_is_a_subject(world):
    """Many libraries keep the primary key of a table."""
    assert world.adopt(OldLibrary(k1=(7, {})), KEY).subject == "7"


def test_what_is_no_json_is_left_behind(world, caplog):
    """The rest comes along; the log names the key, and not the value."""
    old = OldLibrary(k1=("ada", {"cart": [1], "photo": b"s3cret", 7: "x", "odd": {1: 2}}))
    session = world.adopt(old, KEY)
    assert dict(session) == {"cart": [1]}
    assert "'photo'" in caplog.text
    assert "s3cret" not in caplog.text


def test_data_over_the_limit_are_left_behind(make_world):
    """An error at each request would be worse than an empty cart."""
    world = make_world(data_limit=100)
    session = world.adopt(OldLibrary(k1=("ada", {"cart": "x" * 200})), KEY)
    assert (session.subject, dict(session)) == ("ada", {})


def test_no_session_under_the_key(world):
    """Nothing is stored; the price is one read of each store."""
    assert world.adopt(OldLibrary(), KEY) is None
    assert world.store.calls == ["get"]
    assert world.events == []


def test_a_repeated_request_gets_the_same_cookie(world, old):
    """The answer was lost on its way: nobody is signed out by that."""
    first = world.adopt(old, KEY)
    world.clock.advance(GRACE - 1)
    again = world.adopt(old, KEY)
    assert (again.cookie, again.subject, dict(again)) == (first.cookie, "ada", {"cart": [1]})
    assert len(sessions(world)) == 1


def test_after_the_grace_the_old_cookie_is_worth_nothing(world, old):
    """Also for a thief."""
    world.adopt(old, KEY)
    world.clock.advance(GRACE)
    assert world.adopt(old, KEY) is None


def test_after_a_log_out_the_old_cookie_is_worth_nothing(world, old):
    """Also inside the grace: the session that it stands for has ended (P1)."""
    session = world.adopt(old, KEY)
    world.sign_out(session)
    assert world.adopt(old, KEY) is None
    assert sessions(world) == []


def test_after_a_rotation_the_old_cookie_is_worth_nothing(world, old):
    """It stands for the first secret only (R14)."""
    session = world.adopt(old, KEY)
    world.rotate(session)
    assert world.adopt(old, KEY) is None
    assert world.lives(session.cookie)


@pytest.mark.parametrize("moment", ["read", "remove"])
def test_two_at_the_old_store(world, old, moment):
    """Both read the old session; one makes the new one, and both get its cookie."""
    others = []
    old.before(moment, lambda: others.append(world.other.adopt(old, KEY)))
    mine = world.adopt(old, KEY)
    assert (mine.cookie, mine.subject) == (others[0].cookie, "ada")
    assert ([each.id for each in sessions(world)], old.sessions) == ([mine.id], {})


@pytest.mark.parametrize("verb", ["insert", "get", "delete"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_two_at_ours(world, old, verb, when, nth):
    """Wherever the other comes in between: one session, one cookie."""
    others = []
    hook = getattr(world.store, when)
    if nth == 2:
        hook(verb, lambda: None)
    hook(verb, lambda: others.append(world.other.adopt(old, KEY)))
    mine = world.adopt(old, KEY)
    others.append(world.other.adopt(old, KEY))
    assert {each.cookie for each in others} == {mine.cookie}
    assert [each.id for each in sessions(world)] == [mine.id]
    assert old.sessions == {}


def test_many_at_once_of_a_subject_with_a_cap(make_world, old):
    """What they make and take back for a moment counts for no cap: no session is evicted."""
    world = make_world(max_sessions=1)
    elsewhere = world.login("ada")
    old.before("read", lambda: world.other.adopt(old, KEY))
    session = world.adopt(old, KEY)
    assert world.lives(session.cookie)
    assert world.lives(elsewhere.cookie)


def test_a_log_out_elsewhere_between_two_steps(world, old):
    """A request that has read the old session brings nothing back after the log-out (P1)."""

    def adopt_and_log_out():
        world.other.sign_out(world.other.adopt(old, KEY))

    world.store.before("insert", adopt_and_log_out)
    assert world.adopt(old, KEY) is None
    assert sessions(world) == []


def test_a_request_that_slept_longer_than_the_claim(world, old):
    """It read the old session, which others have adopted and ended long ago: nothing comes back."""

    def long_ago():
        world.other.sign_out(world.other.adopt(old, KEY))
        world.clock.advance(GRACE)

    world.store.before("insert", long_ago)
    assert world.adopt(old, KEY) is None
    assert sessions(world) == []


@pytest.mark.parametrize("verb", ["insert", "get", "delete"])
def test_our_store_fails(world, old, verb):
    """An error, and the old session is adopted by the next request."""

    def fail():
        raise StoreUnavailable("as the test wishes")

    world.store.before(verb, fail)
    if verb == "delete":
        world.store.before("insert", lambda: world.other.adopt(old, KEY))
    elif verb == "get":
        old.sessions, kept = {}, old.sessions
    with pytest.raises(StoreUnavailable):
        world.adopt(old, KEY)
    if verb == "get":
        old.sessions = kept
    assert world.adopt(old, KEY).subject == "ada"


@pytest.mark.parametrize("call", ["read", "remove"])
def test_the_old_store_fails(world, old, call):
    """An error: until it is proved that the old session is gone, there is no new one for anybody."""

    def fail():
        raise StoreUnavailable("as the test wishes")

    old.before(call, fail)
    with pytest.raises(StoreUnavailable):
        world.adopt(old, KEY)
    assert list(old.sessions) == [KEY]
    world.clock.advance(SECOND)
    assert world.adopt(old, KEY).subject == "ada"
    assert (len(sessions(world)), old.sessions) == (1, {})


def test_a_claim_that_led_to_nothing(world, old):
    """The process died after it; when the claim is over, the old session can still move."""

    def die():
        raise StoreUnavailable("as the test wishes")

    old.before("remove", die)
    with pytest.raises(StoreUnavailable):
        world.adopt(old, KEY)
    world.clock.advance(GRACE)
    assert world.adopt(old, KEY).subject == "ada"
    assert old.sessions == {}


def test_a_claim_is_nobodys_session(world, old):
    """Its id can be worked out from the old key; no cookie leads to it, and it is swept."""
    world.adopt(old, KEY)
    (claim,) = (each for each in world.raw.page().records if each.policy.name == "adoption")
    assert (claim.subject, b"ada" in claim.data) == (None, False)
    world.clock.advance(GRACE)
    assert world.sweep() == 1


def test_a_claim_is_in_no_list(world, old):
    """The list of everybody's sessions has the new one, and not the record that leads to it."""
    session = world.adopt(old, KEY)
    assert [record.id for record in world.sessions_of_everyone().records] == [session.id]


def test_formats_are_frozen(world, old):
    """Processes of two releases serve one browser while an upgrade is rolled out."""
    session = world.adopt(old, KEY)
    digest = hashlib.sha256(b"holdfast/1/adoption\0old\0k1").digest()
    claim = secret.new_id(int.from_bytes(digest[:2], "big") % 1024, digest[-16:])
    assert world.stored(claim).data == b'{"to":"%s"}' % session.id.encode()
    own = hmac.digest(KEYS.derive("adoption")[0], f"{session.id}\0k1".encode(), "sha256")
    assert session.cookie == secret.cookie_text(session.id, own)


def test_another_key_ring_gives_another_cookie(world, old, tmp_path):
    """Who has both stores, and not our secret, cannot make the cookie."""
    session = world.adopt(old, KEY)
    thief = type(world)(
        "threads",
        "memory",
        tmp_path,
        keys=KeyRing.generate(lambda size: bytes(range(1, size + 1)), environment="production"),
    )
    for record in world.raw.page().records:
        thief.raw.insert(record, now=world.clock())
    assert thief.adopt(old, KEY) is None
    thief.close()
    assert KEYS.derive("adoption")[0] not in session.cookie.encode()


def test_while_our_secret_is_rotated(world, old):
    """Who repeats a request meets a process with a newer secret, and gets the same cookie."""
    first = world.adopt(old, KEY)
    world.keys = KEYS.rotated("a newer secret of 32 letters or more: 4f9Kq")
    assert world.elsewhere().adopt(old, KEY).cookie == first.cookie


def test_sealed_data(make_world, old):
    """They are sealed under the new cookie's secret."""
    world = make_world(seal_data=True)
    session = world.adopt(old, KEY)
    assert b"cart" not in world.stored(session.id).data
    assert world.begin(session.cookie)["cart"] == [1]
    assert world.adopt(old, KEY)["cart"] == [1]
