"""A new secret under the same id: the old cookie is dead at once, everything else lives on."""

from datetime import timedelta

import pytest

from faces import CHROME, DAY, FIREFOX, HOUR, KEYS, MINUTE, claims_of
from holdfast import Conflict, NotDurable, Reason, SessionEnded, StoreUnavailable, UsageError
from holdfast.rules import csrf, secret


def raising(error):
    def hook():
        raise error("as the test wants it")

    return hook


def binding(session):
    return csrf.session_binding(session.record.id, session.record.secret_hash)


def increment(data):
    data["n"] = data.get("n", 0) + 1


def test_the_old_cookie_is_refused_at_once(world):
    """R14, R15, P4: the id stays, the secret is another, one read and one write."""
    old = world.login()
    world.store.calls.clear()
    session = world.begin(old.cookie, FIREFOX)
    world.rotate(session)
    assert world.store.calls == ["get", "update"]
    assert session.cookie != old.cookie
    assert secret.parse_cookie(session.cookie).id == old.id
    assert world.begin(old.cookie).reason is Reason.WRONG_SECRET
    assert world.begin(session.cookie).subject == "ada"
    assert [e.name for e in world.events if e.reason is None][-1] == "session_renewed"


def test_everything_else_lives_on(world):
    """Data, claims, tokens and the device list keep the session."""
    old = world.login(role="admin")
    tokens = world.issue_tokens(old)
    session = world.begin(old.cookie)
    session["n"] = 1
    world.rotate(session)
    found = world.begin(session.cookie)
    assert (dict(found), found.claims) == ({"n": 1}, {"role": "admin"})
    assert world.verify_token(tokens.access_token).claims
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens
    assert [record.id for record in world.sessions_of("ada").records] == [old.id]


def test_the_csrf_token_changes(world):
    """R76, P55: a token of before the rotation does not count after it."""
    session = world.begin(world.login().cookie)
    key = KEYS.derive("csrf")[0]
    token = csrf.token(key, binding(session), bytes(32))
    assert csrf.verify([key], binding(session), token)
    world.rotate(session)
    assert not csrf.verify([key], binding(session), token)
    assert not csrf.verify([key], binding(world.begin(session.cookie)), token)


def test_a_visitor_who_is_not_signed_in_may_rotate(world):
    """It is no re-authentication, and gives no claims."""
    old = world.anonymous()
    session = world.begin(old)
    world.rotate(session)
    assert world.lives(session.cookie)
    assert not world.lives(old)
    for options in ({"reauthenticated": True}, {"claims": {"role": "admin"}}):
        with pytest.raises(UsageError, match="nobody"):
            session.rotate(**options)


def test_without_a_session_there_is_nothing_to_rotate(world):
    """Also after a sign-out in the same request."""
    with pytest.raises(UsageError, match="sign_in"):
        world.begin(None).rotate()
    session = world.begin(world.login().cookie)
    session.sign_out()
    with pytest.raises(UsageError):
        session.rotate()


# Re-authentication and rights


def test_a_reauthentication_starts_both_limits_anew(world):
    """R26: idle and absolute; the sign-in is fresh, and the assurance is that of the new proof."""
    session = world.login(acr="urn:1", amr=("pwd",))
    world.clock.advance(20 * HOUR)
    found = world.begin(session.cookie)
    found.rotate(reauthenticated=True, acr="urn:2", amr=("pwd", "otp"))
    world.commit(found)
    assert found.authenticated_at == world.clock()
    assert (found.assurance.acr, found.assurance.amr) == ("urn:2", ("pwd", "otp"))
    for _ in range(13):
        world.clock.advance(12 * HOUR)
        world.commit(world.begin(found.cookie))
    world.clock.advance(12 * HOUR - 1)
    assert world.begin(found.cookie).reason is None
    world.clock.advance(1)
    assert world.begin(found.cookie).reason is Reason.ABSOLUTE


def test_a_plain_rotation_proves_nothing(world):
    """R11: time and assurance of the sign-in stay; higher ones need a re-authentication."""
    session = world.login(acr="urn:1")
    signed_in = world.clock()
    world.clock.advance(MINUTE)
    found = world.begin(session.cookie)
    for options in ({"acr": "urn:3"}, {"amr": ("otp",)}):
        with pytest.raises(UsageError, match="reauthenticated"):
            found.rotate(**options)
    world.rotate(found)
    assert (found.authenticated_at, found.assurance.acr) == (signed_in, "urn:1")


def test_a_reauthentication_without_a_level_counts_as_the_lowest(world):
    """R48: what is absent is not taken over from before."""
    session = world.login(acr="urn:3", amr=("hwk",))
    found = world.begin(session.cookie)
    world.rotate(found, reauthenticated=True)
    assert (found.assurance.acr, found.assurance.amr) == (None, ())


def test_changed_rights_replace_the_claims(world):
    """R15, R102: all of them, with a new secret; a later token has the new ones."""
    session = world.login(role="user", email="ada@example.org")
    found = world.begin(session.cookie)
    world.rotate(found, claims={"role": "admin"})
    assert world.begin(found.cookie).claims == {"role": "admin"}
    assert not world.lives(session.cookie)
    token = world.issue_tokens(found).access_token
    assert "email" not in claims_of(world, token)
    assert "authz_change" in world.names()


def test_intents_show_at_once(world):
    """Claims and assurance are what they will be; the time of proof only after the commit."""
    session = world.login(role="user")
    world.clock.advance(MINUTE)
    found = world.begin(session.cookie)
    found.rotate(reauthenticated=True, acr="urn:2", claims={"role": "admin"})
    assert (found.claims, found.assurance.acr) == ({"role": "admin"}, "urn:2")
    assert found.authenticated_at == world.clock() - MINUTE


def test_two_rotations_in_one_request_are_one(world):
    """And nothing of either is lost."""
    found = world.begin(world.login().cookie)
    found.rotate(reauthenticated=True, acr="urn:2")
    found.rotate(claims={"role": "admin"})
    world.store.calls.clear()
    world.commit(found)
    assert world.store.calls == ["update"]
    assert (found.claims, found.assurance.acr) == ({"role": "admin"}, "urn:2")


def test_a_bearer_gets_no_cookie(world):
    """Its client lives by tokens; the cookie of the same session ends all the same."""
    session = world.login()
    found = world.begin_bearer(world.issue_tokens(session).access_token)
    world.rotate(found, claims={"role": "admin"})
    assert (found.cookie, found.via) == (None, "bearer")
    assert not world.lives(session.cookie)


# Races


def test_a_rotation_that_races_a_change_loses_neither(world):
    """The other request's change stays, ours is replayed, the new secret counts."""
    session = world.login()
    found = world.begin(session.cookie)
    found.change(increment)
    found.rotate()

    def faster():
        theirs = world.other.begin(session.cookie)
        theirs.change(increment)
        world.other.commit(theirs)

    world.store.before("update", faster)
    world.commit(found)
    assert world.begin(found.cookie)["n"] == 2
    assert not world.lives(session.cookie)


def test_a_change_that_races_a_rotation_is_saved_and_sends_no_old_cookie(world):
    """The other way round: it is replayed under the new secret, which it does not know."""
    session = world.login()
    found = world.begin(session.cookie)
    found["n"] = 1
    theirs = world.other.begin(session.cookie)
    world.store.before("update", lambda: world.other.rotate(theirs))
    world.commit(found)
    assert found.cookie is None
    assert world.begin(theirs.cookie)["n"] == 1
    assert not world.lives(session.cookie)


def test_of_two_rotations_the_first_wins(world):
    """Only one answer can reach the browser last, so the second is told."""
    session = world.login()
    found = world.begin(session.cookie)
    theirs = world.other.begin(session.cookie)
    world.store.before("update", lambda: world.other.rotate(theirs))
    with pytest.raises(Conflict):
        world.rotate(found)
    assert found.cookie is None
    assert world.lives(theirs.cookie)


@pytest.mark.parametrize("how", ["revoke", "all", "everyone", "expire"])
def test_a_revocation_that_races_a_rotation_wins(world, how):
    """P1: no rotation brings a session back."""
    session = world.login()
    found = world.begin(session.cookie)

    def end():
        if how == "revoke":
            world.other.revoke(session.id)
        elif how == "all":
            world.other.revoke_all("ada")
        elif how == "everyone":
            world.other.revoke_everyone()
        else:
            theirs = world.other.begin(session.cookie)
            theirs["n"] = 1
            world.other.commit(theirs)
            world.clock.advance(8 * DAY)

    world.store.before("update", end)
    with pytest.raises(SessionEnded):
        world.rotate(found)
    assert found.cookie is None
    assert found.subject is None
    assert world.sessions_of("ada").records == ()


def test_a_rotation_that_is_not_proved_still_reaches_its_client(world):
    """P13: the old cookie is dead, so the new one goes out with the 503; the log says "unproved"."""
    session = world.login()
    found = world.begin(session.cookie)
    world.store.after("update", raising(NotDurable))
    with pytest.raises(NotDurable):
        world.rotate(found)
    event = world.events[-1]
    assert (event.name, event.detail) == ("session_renewed", {"durability": "unproved"})
    assert world.lives(found.cookie)
    assert not world.lives(session.cookie)


def test_a_rotation_that_did_not_happen_changes_nothing(world):
    """P9: the old cookie counts, the intent is still there, and a repeat rotates."""
    session = world.login()
    found = world.begin(session.cookie)
    world.store.before("update", raising(StoreUnavailable))
    with pytest.raises(StoreUnavailable):
        world.rotate(found)
    assert found.cookie is None
    assert world.lives(session.cookie)
    world.commit(found)
    assert world.lives(found.cookie)
    assert not world.lives(session.cookie)


def test_who_cannot_keep_up_is_told(world):
    """409 after 16 attempts, and the old cookie still counts."""
    session = world.login()
    found = world.begin(session.cookie)

    def faster():
        theirs = world.other.begin(session.cookie)
        theirs.change(increment)
        world.other.commit(theirs)

    world.store.before("update", faster, times=16)
    with pytest.raises(Conflict):
        world.rotate(found)
    assert world.lives(session.cookie)


def test_a_rotated_session_has_the_policy_of_its_sign_in(make_world):
    """Neither a rotation nor a re-authentication changes the limits."""
    world = make_world(idle=timedelta(hours=2), absolute=timedelta(hours=5))
    session = world.begin(world.login(client=CHROME).cookie)
    world.rotate(session, reauthenticated=True)
    record = world.stored(session.id)
    assert (record.policy.idle, record.policy.absolute) == (2 * HOUR, 5 * HOUR)
    assert record.client.user_agent == CHROME.user_agent
