"""Tokens are views of a session: minted while it lives, refused as soon as it does not."""

import os
import secrets
from datetime import timedelta

import pytest

from faces import (
    CHROME,
    DAY,
    FIREFOX,
    HOUR,
    KEYS,
    MINUTE,
    SECOND,
    World,
    claims_of,
)
from holdfast import KeyRing, Limits, Rate, Reason, SessionEnded, StoreUnavailable, UsageError
from holdfast.record import changed
from holdfast.rules import jose
from holdfast.rules import refresh as rules
from holdfast.session import Session

MALFORMED = ["", ".", "..", "a.b.c", "x" * 9000, "é.é.é", "\0", "a.b.c\r\nX: y", "a" * 1_000_000]


def down():
    raise StoreUnavailable("away")


def resigned(world, token, kind="access", **claims):
    """The same token with other claims, signed with the right key."""
    return jose.sign(world.keys, kind, {**claims_of(world, token, kind), **claims})


# Issue


def test_a_pair_is_issued(world):
    """What a token client gets, and what it says (R96)."""
    session = world.login(role="admin", email="ada@example.org", acr="urn:2", amr=("pwd", "otp"))
    tokens = world.issue_tokens(session)
    now_s = world.clock() // 1000
    assert tokens.as_dict() == {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_in": 3600,
        "token_type": "Bearer",
    }
    access = dict(claims_of(world, tokens.access_token))
    assert rules.parse_access_jti(access.pop("jti")) == session.id
    assert access == {
        "iss": "holdfast:production",
        "aud": "holdfast:production",
        "sub": "ada",
        "sid": session.id,
        "type": "access",
        "iat": now_s,
        "exp": now_s + 3600,
        "auth_time": now_s,
        "acr": "urn:2",
        "amr": ["pwd", "otp"],
        "role": "admin",
        "email": "ada@example.org",
    }
    refresh = dict(claims_of(world, tokens.refresh_token, "refresh"))
    assert rules.parse_jti(refresh.pop("jti")).generation == 0
    assert refresh == {
        "iss": "holdfast:production",
        "aud": "holdfast:production",
        "sub": "ada",
        "sid": session.id,
        "type": "refresh",
        "iat": now_s,
        "exp": now_s + 7 * 24 * 3600,
    }


def test_tokens_show_nothing_in_a_log(world):
    """Neither the pair nor a verdict prints a token or a claim (R158)."""
    tokens = world.tokens(email="ada@example.org")
    verified = world.verify_token(tokens.access_token)
    shown = f"{tokens!r} {verified!r} {world.refresh(tokens.refresh_token, FIREFOX).tokens!r}"
    assert tokens.access_token not in shown
    assert tokens.refresh_token not in shown
    assert "ada" not in shown


def test_nobody_gets_no_tokens(world):
    """Tokens are for somebody who is signed in (R10)."""
    for cookie in (None, world.anonymous()):
        with pytest.raises(UsageError, match="nobody"):
            world.issue_tokens(world.begin(cookie))


def test_an_unsaved_sign_in_is_saved_first(world):
    """Pending intents are committed, and the tokens are for the new session."""
    session = world.begin(world.anonymous())
    session.sign_in("ada", role="admin")
    tokens = world.issue_tokens(session)
    assert claims_of(world, tokens.access_token)["sid"] == session.id
    assert world.lives(session.cookie)


@pytest.mark.parametrize("how", ["revoked", "revoked while writing", "expired"])
def test_no_tokens_for_an_ended_session(world, how):
    """P17: every path that mints checks that the session lives."""
    session = world.login()
    if how == "revoked":
        world.other.revoke(session.id)
    elif how == "expired":
        world.clock.advance(8 * DAY)
    else:
        world.store.before("update", lambda: world.other.revoke(session.id))
    with pytest.raises(SessionEnded):
        world.issue_tokens(session)
    assert world.stored(session.id) is None or how == "expired"


def test_issuing_wins_a_race_without_losing_the_other_change(world):
    """A change of another request stays, and the family is there."""
    session = world.login()

    def faster():
        theirs = world.other.begin(session.cookie)
        theirs["n"] = 1
        world.other.commit(theirs)

    world.store.before("update", faster)
    tokens = world.issue_tokens(session)
    assert world.stored(session.id).data == b'{"n":1}'
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens


def test_a_second_pair_ends_the_first_family(world):
    """One live family per session; the older refresh token is a normal event, no alarm."""
    session = world.login()
    first, second = world.issue_tokens(session), world.issue_tokens(session)
    refused = world.refresh(first.refresh_token, FIREFOX)
    assert (refused.tokens, refused.reason) == (None, Reason.SUPERSEDED)
    assert world.events[-1].severity == "INFO"
    assert "authn_token_reuse" not in world.names()
    assert world.refresh(second.refresh_token, FIREFOX).tokens
    assert world.verify_token(first.access_token).claims


# Verify


def test_a_token_counts_for_its_session(world):
    """One look-up, and the record comes along (R85, R95, R97)."""
    session = world.login(role="admin")
    tokens = world.issue_tokens(session)
    world.store.calls.clear()
    verified = world.verify_token(tokens.access_token, client=FIREFOX)
    assert (verified.reason, verified.claims["sub"]) == (None, "ada")
    assert verified.record.id == session.id
    assert world.store.calls == ["get"]


def test_a_bearer_session_is_the_same_session(world):
    """Data, claims and identity are those of the cookie's session."""
    session = world.login(role="admin")
    session["n"] = 1
    world.commit(session)
    found = world.begin_bearer(world.issue_tokens(session).access_token, FIREFOX)
    assert (found.subject, found.claims, dict(found)) == ("ada", {"role": "admin"}, {"n": 1})
    assert (found.via, found.id, found.token_claims["sid"]) == ("bearer", session.id, session.id)
    found["n"] = 2
    world.commit(found)
    assert world.begin(session.cookie)["n"] == 2
    assert found.cookie is None


def test_token_claims_are_changed_for_no_other_request(world):
    """A handler that changes what a token says, also deep inside, gives the next request no right."""
    token = world.issue_tokens(world.login(role=["user"])).access_token
    for _ in range(3):  # read from the token, then from the cache
        world.begin_bearer(token).token_claims["role"].append("admin")
        world.verify_token(token).claims["role"].append("admin")
    assert world.begin_bearer(token).token_claims["role"] == ["user"]
    assert world.verify_token(token).claims["role"] == ["user"]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_what_is_no_token_is_not_looked_up(world, text, kind):
    """R89, P37: a reason, no store call, no exception; audited."""
    verified = world.verify_token(text, kind, client=FIREFOX)
    assert (verified.claims, verified.reason) == (None, Reason.MALFORMED)
    assert world.begin_bearer(text).subject is None
    assert world.refresh(text, FIREFOX) == (None, Reason.MALFORMED, None)
    assert world.revoke_token(text) is False
    assert world.store.calls == []
    assert set(world.names()) == {"authz_fail"}


def test_the_two_kinds_never_stand_in_for_each_other(world):
    """R94: neither at verification nor at refresh nor as a bearer."""
    tokens = world.tokens()
    assert world.verify_token(tokens.refresh_token).reason is not None
    assert world.verify_token(tokens.access_token, "refresh").reason is not None
    assert world.begin_bearer(tokens.refresh_token).subject is None
    assert world.refresh(tokens.access_token, FIREFOX).tokens is None
    wrong = jose.sign(KEYS, "access", dict(claims_of(world, tokens.refresh_token, "refresh")))
    assert world.verify_token(wrong).reason is Reason.WRONG_TYPE
    assert world.verify_token(tokens.access_token).claims


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "holdfast:staging"}, Reason.WRONG_ISSUER),
        ({"iss": "holdfast:production "}, Reason.WRONG_ISSUER),
        ({"aud": "holdfast:production.evil"}, Reason.WRONG_AUDIENCE),
        ({"aud": ["other"]}, Reason.WRONG_AUDIENCE),
        ({"exp": 1}, Reason.TOKEN_EXPIRED),
        ({"nbf": 2**40}, Reason.NOT_YET_VALID),
        ({"exp": "9999999999"}, Reason.MALFORMED),
        ({"sid": "x"}, Reason.MALFORMED),
        ({"sid": "' OR 1=1"}, Reason.MALFORMED),
        ({"jti": "x"}, Reason.MALFORMED),
        ({"jti": f"{'a' * 25}.AAAAAAAAAAAA"}, Reason.MALFORMED),
    ],
)
def test_a_signed_token_with_a_wrong_claim_is_refused(world, claims, reason):
    """R93, R95, R97, P33, P34: by its reason and without a look-up."""
    token = resigned(world, world.tokens().access_token, **claims)
    world.store.calls.clear()
    assert world.verify_token(token).reason is reason
    assert world.store.calls == []


def test_a_token_names_its_own_session(world):
    """A `sid` of another session than the `jti` leads to is refused: its revocation would be missed."""
    mine, theirs = world.tokens("ada"), world.login("bob")
    token = resigned(world, mine.access_token, sid=theirs.id)
    assert world.verify_token(token).reason is Reason.MALFORMED


def test_another_environment_verifies_nothing(world, tmp_path):
    """P36: a secret copied from staging makes no token that counts here."""
    keys = KeyRing.generate(lambda size: bytes(range(size)), environment="staging")
    staging = World("threads", "memory", tmp_path, keys=keys, environment="staging")
    token = staging.tokens().access_token
    assert world.verify_token(token).reason is Reason.UNKNOWN_KEY
    forged = jose.sign(keys, "access", dict(claims_of(world, world.tokens().access_token)))
    assert world.verify_token(forged).reason is Reason.UNKNOWN_KEY
    staging.close()


def test_a_token_ends_to_the_second(world):
    """R93: at `exp` plus the leeway, not before and not later."""
    token = world.tokens().access_token
    world.clock.advance(HOUR + 30 * SECOND - 1)
    assert world.verify_token(token).claims
    world.clock.advance(1)
    assert world.verify_token(token).reason is Reason.TOKEN_EXPIRED
    assert (world.events[-1].name, world.events[-1].severity) == (
        "session_use_after_expire",
        "INFO",
    )


def test_no_token_outlives_its_session(make_world):
    """`exp` is at most the absolute end (P18), and a live check would see the end in any case."""
    world = make_world(absolute=timedelta(hours=24), idle=timedelta(hours=24))
    session = world.login()
    world.clock.advance(23 * HOUR + 30 * MINUTE)
    world.commit(world.begin(session.cookie, FIREFOX))
    tokens = world.issue_tokens(world.begin(session.cookie, FIREFOX))
    assert tokens.expires_in == 1800
    assert claims_of(world, tokens.access_token)["exp"] * 1000 == world.clock() + 30 * MINUTE
    world.clock.advance(30 * MINUTE)
    assert world.verify_token(tokens.access_token).reason is Reason.ABSOLUTE


@pytest.mark.parametrize("end", ["sign out", "revoke", "revoke all", "everyone", "sign in again"])
def test_every_end_of_the_session_ends_its_tokens(world, end):
    """R31, R102, P18: at once, for the access token, the refresh token and the bearer session."""
    session = world.login()
    tokens = world.issue_tokens(session)
    assert world.verify_token(tokens.access_token).claims
    if end == "sign out":
        world.sign_out(world.begin(session.cookie))
    elif end == "revoke":
        assert world.revoke(session.id)
    elif end == "revoke all":
        assert world.revoke_all("ada") == 1
    elif end == "everyone":
        world.revoke_everyone()
    else:
        world.login("bob", cookie=session.cookie)
    assert world.verify_token(tokens.access_token, client=FIREFOX).reason is Reason.UNKNOWN
    assert world.begin_bearer(tokens.access_token).subject is None
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.UNKNOWN
    assert world.begin(session.cookie).reason is Reason.UNKNOWN
    assert world.verify_token(tokens.access_token, stateless=True).claims


def test_the_stateless_mode_asks_nobody(world):
    """For readers that accept tokens of ended sessions until they expire; all else is judged."""
    tokens = world.tokens()
    world.store.calls.clear()
    verified = world.verify_token(tokens.access_token, stateless=True)
    assert (verified.claims["sub"], verified.record) == ("ada", None)
    assert world.store.calls == []
    wrong = resigned(world, tokens.access_token, iss="x")
    assert world.verify_token(wrong, stateless=True).reason is Reason.WRONG_ISSUER
    world.clock.advance(2 * HOUR)
    assert world.verify_token(tokens.access_token, stateless=True).reason is Reason.TOKEN_EXPIRED


def test_a_warm_token_costs_no_signature_and_still_one_look_up(world, monkeypatch):
    """The cache spares the cryptography, never the question whether the session lives."""
    session = world.login()
    tokens = world.issue_tokens(session)
    assert world.verify_token(tokens.access_token).claims
    monkeypatch.setattr(jose, "verify", lambda *_, **__: pytest.fail("verified again"))
    world.store.calls.clear()
    assert world.verify_token(tokens.access_token).claims
    assert world.store.calls == ["get"]
    world.other.revoke(session.id)
    assert world.verify_token(tokens.access_token).reason is Reason.UNKNOWN


def test_a_warm_token_does_not_outlive_its_end(world):
    """The cache is no second clock."""
    token = world.tokens().access_token
    for kind in ("access", "refresh"):
        world.verify_token(token, kind)
    world.clock.advance(HOUR + 30 * SECOND)
    assert world.verify_token(token, stateless=True).reason is Reason.TOKEN_EXPIRED
    assert world.verify_token(token).reason is Reason.TOKEN_EXPIRED


def test_a_warm_token_does_not_outlive_its_key(make_world, tmp_path):
    """An engine with another ring has another cache: a retired key verifies nothing any more (P35)."""
    older = KeyRing.generate(os.urandom, environment="production")
    newer = older.rotated(secrets.token_urlsafe(32))
    worlds = [make_world(keys=ring) for ring in (older, newer, newer.retired(older.masters[0].kid))]
    token = worlds[0].tokens().access_token
    assert worlds[0].verify_token(token, stateless=True).claims
    assert worlds[1].verify_token(token, stateless=True).claims
    assert worlds[2].verify_token(token, stateless=True).reason is Reason.UNKNOWN_KEY


def test_a_session_that_idled_out_has_no_tokens_but_for_its_family(world):
    """R113: while a refresh family lives the record lives; without one it ends with the idle limit."""
    session = world.login()
    tokens = world.issue_tokens(session)
    world.clock.advance(30 * HOUR)
    assert world.begin(session.cookie).reason is Reason.IDLE
    fresh = world.refresh(tokens.refresh_token, FIREFOX).tokens
    assert world.verify_token(fresh.access_token).claims
    bare = world.login("bob")
    token = world.issue_tokens(bare).access_token
    record = world.stored(bare.id)
    assert world.raw.update(changed(record, refresh=None, version=1), expected=record.version)
    world.clock.advance(HOUR)
    assert world.verify_token(token).claims
    world.clock.advance(24 * HOUR)
    assert world.verify_token(token, stateless=True).reason is Reason.TOKEN_EXPIRED


def test_the_refresh_token_can_be_looked_at_without_being_used(world):
    """`verify_token(kind="refresh")` counts only the current generation, and spends nothing."""
    tokens = world.tokens()
    for _ in range(2):
        assert world.verify_token(tokens.refresh_token, "refresh").claims
    world.refresh(tokens.refresh_token, FIREFOX)
    assert world.verify_token(tokens.refresh_token, "refresh").reason is Reason.SUPERSEDED
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens


def test_a_quota_rides_along(world):
    """R148: spent by a token that is right, in the same trip; the same quota as the cookie's."""
    session, rate = world.login(), Rate(limit=3)
    token = world.issue_tokens(session).access_token
    world.store.calls.clear()
    taken = [world.verify_token(token, rate=rate).taken for _ in range(2)]
    taken += [world.begin(session.cookie, rate=rate).taken for _ in range(2)]
    assert [each.allowed for each in taken] == [True, True, True, False]
    assert world.store.calls == ["get"] * 4
    assert world.begin_bearer(token, rate=rate).taken.allowed is False


def test_an_outage_is_not_a_wrong_token(world):
    """R153, P20: "cannot know" is raised, for verification and refresh alike."""
    tokens = world.tokens()
    for call in (
        lambda: world.verify_token(tokens.access_token),
        lambda: world.begin_bearer(tokens.access_token),
        lambda: world.refresh(tokens.refresh_token, FIREFOX),
        lambda: world.revoke_token(tokens.access_token),
    ):
        world.store.before("get", down)
        with pytest.raises(StoreUnavailable):
            call()
    assert world.verify_token(tokens.access_token).claims


# Activity and rights


def test_requests_with_a_token_are_activity(world):
    """A bearer request that was looked up keeps the session from idling out."""
    session = world.login()
    tokens = world.issue_tokens(session)
    world.clock.advance(30 * MINUTE)
    world.commit(world.begin_bearer(tokens.access_token, CHROME))
    assert world.stored(session.id).seen_at == world.clock()
    assert world.stored(session.id).address == CHROME.address


@pytest.mark.parametrize("act", ["read", "write", "issue", "rotate"])
def test_a_token_never_revives_a_cookie(make_world, act):
    """After the idle limit tokens work on, and the cookie stays dead, whatever they do."""
    world = make_world(idle=timedelta(minutes=10), touch_every=timedelta(seconds=30))
    session = world.login()
    token = world.issue_tokens(session).access_token
    world.clock.advance(20 * MINUTE)
    assert world.begin(session.cookie).reason is Reason.IDLE
    found = world.begin_bearer(token, FIREFOX)
    assert found.subject == "ada"
    if act == "write":
        found["n"] = 1
    elif act == "rotate":
        found.rotate(claims={"role": "user"})
    elif act == "issue":
        world.issue_tokens(found)
    world.commit(found)
    assert world.begin(session.cookie).reason in {Reason.IDLE, Reason.WRONG_SECRET}
    assert world.stored(session.id).seen_at == world.clock() - 20 * MINUTE


def test_changed_rights_are_in_the_record_at_once(world):
    """R102: the session of a token has today's claims; the token says what it said."""
    session = world.login(role="user")
    token = world.issue_tokens(session).access_token
    world.rotate(world.begin(session.cookie), claims={"role": "admin"})
    found = world.begin_bearer(token)
    assert (found.claims["role"], found.token_claims["role"]) == ("admin", "user")


def test_tokens_of_an_empty_session_are_never_made(world):
    """`issue_tokens` of a session that nobody has begun."""
    with pytest.raises(UsageError):
        world.issue_tokens(Session())


def test_a_named_policy_bounds_its_tokens(make_world):
    """The stricter limits of a policy hold for every credential (R28)."""
    world = make_world(
        policies={"short": Limits(idle=timedelta(minutes=15), absolute=timedelta(minutes=20))}
    )
    tokens = world.tokens(policy="short")
    assert tokens.expires_in == 20 * 60
    world.clock.advance(20 * MINUTE)
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.ABSOLUTE
