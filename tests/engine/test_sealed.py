"""Sealed data: the store cannot read them, the cookie can, and nothing is lost by mistake."""

import pytest

from faces import FIREFOX, HOUR, MINUTE
from holdfast import Conflict, Reason, SessionSealed
from holdfast.record import changed


@pytest.fixture
def world(make_world):
    return make_world(seal_data=True)


def increment(data):
    data["n"] = data.get("n", 0) + 1


def test_the_store_holds_nothing_readable(world):
    """Neither the data nor its keys; the cookie opens them."""
    cookie = world.anonymous(card="4111")
    session = world.begin(cookie)
    raw = world.stored(session.id).data
    assert b"4111" not in raw
    assert b"card" not in raw
    assert session["card"] == "4111"


def test_the_same_data_look_different_each_time(world):
    """A nonce of its own for each write."""
    one, two = (world.begin(world.anonymous(n=1)) for _ in range(2))
    assert world.stored(one.id).data != world.stored(two.id).data
    before = world.stored(one.id).data
    one["n"] = 2
    world.commit(one)
    one["n"] = 1
    world.commit(one)
    assert world.stored(one.id).data != before


def test_reading_writes_nothing(world):
    """P2 holds for sealed data as well: they are compared opened."""
    cookie = world.anonymous(n=1)
    world.store.calls.clear()
    session = world.begin(cookie)
    session["n"] = 1
    world.commit(session)
    assert world.store.calls == ["get"]


def test_changes_merge(world):
    """P3: the journal is replayed on what another request has sealed."""
    cookie = world.anonymous(n=0, a=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    mine.change(increment)
    theirs.change(increment)
    theirs["a"] = 2
    world.other.commit(theirs)
    world.commit(mine)
    assert dict(world.begin(cookie)) == {"n": 2, "a": 2}


def test_a_sign_in_and_a_rotation_seal_anew(world):
    """The data move to the new secret; nothing that was stored before opens with it."""
    cookie = world.anonymous(cart=[1])
    session = world.login(cookie=cookie)
    assert world.begin(session.cookie)["cart"] == [1]
    before = world.stored(session.id).data
    world.rotate(session)
    assert world.stored(session.id).data != before
    assert world.begin(session.cookie)["cart"] == [1]


def test_a_parallel_change_is_merged_into_a_sign_in(world, apart):
    """Between our read and the end of the anonymous session."""
    cookie = world.anonymous(n=0)
    session = world.begin(cookie, FIREFOX)
    session["mine"] = 1

    def faster():
        theirs = world.other.begin(cookie)
        theirs.change(increment)
        world.other.commit(theirs)

    world.store.before("delete", faster)
    world.sign_in(session, "ada")
    assert dict(world.begin(session.cookie)) == {"n": 1, "mine": 1}


def test_a_token_opens_nothing(world):
    """Whose session it is, yes; its data only with the cookie."""
    session = world.login()
    session["n"] = 1
    world.commit(session)
    tokens = world.issue_tokens(session)
    found = world.begin_bearer(tokens.access_token)
    assert found.subject == "ada"
    for use in (
        lambda: found["n"],
        lambda: found.get("n"),
        lambda: list(found),
        lambda: found.update(n=2),
        lambda: found.change(increment),
        lambda: world.rotate(found),
    ):
        with pytest.raises(SessionSealed):
            use()
    assert world.begin(session.cookie)["n"] == 1


def test_what_tokens_do_leaves_the_data_alone(world):
    """Refresh, revocation and activity write the record and not what is sealed in it."""
    session = world.login()
    session["n"] = 1
    world.commit(session)
    tokens = world.issue_tokens(session)
    world.clock.advance(MINUTE)
    world.commit(world.begin_bearer(tokens.access_token))
    world.revoke_token(tokens.access_token)
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens
    assert world.begin(session.cookie)["n"] == 1


def test_a_new_sign_in_by_token_starts_with_nothing(world):
    """What cannot be opened cannot be carried over; the old session ends all the same."""
    session = world.login()
    session["n"] = 1
    world.commit(session)
    found = world.begin_bearer(world.issue_tokens(session).access_token)
    world.sign_in(found, "ada")
    assert world.stored(session.id) is None
    assert dict(found) == {}


def test_a_rotation_under_a_running_change_is_a_conflict(world):
    """Its data are sealed with a secret that we do not have."""
    session = world.login()
    found = world.begin(session.cookie)
    found["n"] = 1
    theirs = world.other.begin(session.cookie)
    world.store.before("update", lambda: world.other.rotate(theirs))
    with pytest.raises(Conflict):
        world.commit(found)


@pytest.mark.parametrize(
    "damage",
    [lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), lambda raw: raw[:20], lambda _: b"\x02x"],
)
def test_data_that_do_not_open_end_their_session(world, damage):
    """One critical event, and no other session is concerned."""
    broken, whole = world.login(), world.login()
    record = world.stored(broken.id)
    world.overwrite(broken.id, changed(record, data=damage(record.data)))
    assert world.begin(broken.cookie).reason is Reason.CORRUPT
    assert world.events[-1].severity == "CRITICAL"
    assert world.stored(broken.id) is None
    assert world.lives(whole.cookie)


def test_sealed_data_of_another_session_do_not_open(world):
    """They are bound to the id: who can write the store cannot move them."""
    cookie = world.anonymous(n=1)
    one, two = world.begin(cookie), world.begin(world.anonymous(n=2))
    world.overwrite(one.id, changed(world.stored(one.id), data=world.stored(two.id).data))
    assert world.begin(cookie).reason is Reason.CORRUPT


def test_turning_it_on_seals_what_was_open(make_world):
    """Open data are read, and sealed with the next change; turning it off opens them again."""
    world = make_world()
    sealing = world.elsewhere(seal_data=True)
    cookie = world.anonymous(n=1)
    session = sealing.begin(cookie)
    assert session["n"] == 1
    session["n"] = 2
    sealing.commit(session)
    assert world.stored(session.id).data[:1] != b"{"
    session = world.begin(cookie)
    assert session["n"] == 2
    session["n"] = 3
    world.commit(session)
    assert world.stored(session.id).data == b'{"n":3}'


def test_a_token_does_not_seal_what_was_open(make_world):
    """The new secret would reach nobody, and the data with it: the rotation is refused."""
    world = make_world()
    session = world.login()
    session["n"] = 1
    world.commit(session)
    token = world.issue_tokens(session).access_token
    sealing = world.elsewhere(seal_data=True)
    for use in (sealing.rotate, lambda found: found.update(n=2)):
        found = sealing.begin_bearer(token)
        assert found["n"] == 1
        with pytest.raises(SessionSealed):
            sealing.commit(use(found) or found)
    assert world.begin(session.cookie)["n"] == 1


def test_a_cookie_that_idled_out_takes_its_data_along(world):
    """A refresh ends its secret for good, so nobody can open the data any more; the session lives."""
    session = world.login()
    session["n"] = 1
    world.commit(session)
    tokens = world.issue_tokens(session)
    world.clock.advance(30 * HOUR)
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens
    assert world.begin(session.cookie).reason is Reason.WRONG_SECRET
    assert world.find(session.id).subject == "ada"
