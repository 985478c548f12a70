"""The exchange of a refresh token: one successor, a bounded grace, and an alarm for reuse."""

from datetime import timedelta

import pytest

from faces import CHROME, DAY, FIREFOX, HOUR, MINUTE, SECOND, claims_of
from holdfast import ClientFacts, Conflict, NotDurable, Rate, Reason, StoreUnavailable
from holdfast.record import changed
from holdfast.rules import jose
from holdfast.rules import refresh as rules
from holdfast.rules.refresh import RefreshId

FIREFOX_LATER = ClientFacts("198.51.100.1", FIREFOX.user_agent.replace("140", "141"), "r-9")


def generation(world, token):
    return rules.parse_jti(claims_of(world, token, "refresh")["jti"]).generation


def raising(error):
    def hook():
        raise error("as the test wants it")

    return hook


def exchange(world, token, client=FIREFOX):
    """The successor of a token."""
    found = world.refresh(token, client)
    assert found.reason is None
    return found.tokens


def forged(world, token, generation, **claims):
    """What a store that lost writes would still have to accept: signed by us."""
    known = claims_of(world, token, "refresh")
    jti = rules.parse_jti(known["jti"])
    later = RefreshId(jti.sid, jti.family, generation)
    return jose.sign(world.keys, "refresh", {**known, "jti": str(later), **claims})


# Rotation


def test_each_exchange_gives_the_next_generation(world):
    """R107, R108: a new pair each time, of the same session and family."""
    tokens = world.tokens()
    seen = [tokens.refresh_token]
    for number in range(1, 5):
        world.clock.advance(MINUTE)
        tokens = exchange(world, tokens.refresh_token)
        seen.append(tokens.refresh_token)
        assert generation(world, tokens.refresh_token) == number
        assert claims_of(world, tokens.access_token)["exp"] == world.clock() // 1000 + 3600
    assert len(set(seen)) == 5
    families = {rules.parse_jti(claims_of(world, each, "refresh")["jti"])[:2] for each in seen}
    assert len(families) == 1


def test_an_exchange_costs_one_read_and_one_durable_write(world, monkeypatch):
    """P6: check and mark are one conditional write."""
    token = world.tokens().refresh_token
    world.store.calls.clear()
    exchange(world, token)
    assert world.store.calls == ["get", "update"]


def test_claims_assurance_and_subject_survive(world):
    """R47, R115: `auth_time`, `acr`, `amr` stay those of the sign-in, e-mail and role are kept."""
    tokens = world.tokens(role="admin", email="ada@example.org", acr="urn:2", amr=("pwd", "otp"))
    first = claims_of(world, tokens.access_token)
    world.clock.advance(2 * HOUR)
    later = claims_of(world, exchange(world, tokens.refresh_token).access_token)
    for name in ("sub", "sid", "role", "email", "acr", "amr", "auth_time"):
        assert later[name] == first[name]
    assert later["jti"] != first["jti"]


def test_new_rights_reach_the_next_access_token(world):
    """R102: claims are those of the record at the exchange."""
    session = world.login(role="user")
    tokens = world.issue_tokens(session)
    world.rotate(world.begin(session.cookie), claims={"role": "admin"})
    fresh = exchange(world, tokens.refresh_token)
    assert claims_of(world, fresh.access_token)["role"] == "admin"


def test_a_family_never_lives_longer_than_its_end(world):
    """R111, R112, P40: constant exchange moves nothing; the last one lasts as long as the rest."""
    tokens = world.tokens()
    first = claims_of(world, tokens.refresh_token, "refresh")["exp"]
    for _ in range(13):
        world.clock.advance(12 * HOUR)
        tokens = exchange(world, tokens.refresh_token)
        assert claims_of(world, tokens.refresh_token, "refresh")["exp"] == first
    world.clock.advance(12 * HOUR - 1)
    tokens = exchange(world, tokens.refresh_token)
    assert tokens.expires_in <= 1
    world.clock.advance(1)
    refused = world.refresh(tokens.refresh_token, FIREFOX)
    assert refused.reason in {Reason.ABSOLUTE, Reason.TOKEN_EXPIRED}


def test_a_family_of_a_short_life_ends_before_its_session(make_world):
    """The leeway is for other clocks, not for the family's end."""
    world = make_world(refresh_lifetime=timedelta(hours=2))
    session = world.login()
    tokens = world.issue_tokens(session)
    world.clock.advance(2 * HOUR - 1)
    tokens = exchange(world, tokens.refresh_token)
    world.clock.advance(1)
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.TOKEN_EXPIRED
    assert world.names()[-1] == "session_use_after_expire"
    assert world.lives(session.cookie)


def test_an_exchange_is_activity(world):
    """It moves the idle limit of a cookie that lives, and ends one that does not, for good."""
    session = world.login()
    tokens = world.issue_tokens(session)
    world.clock.advance(20 * HOUR)
    tokens = exchange(world, tokens.refresh_token)
    world.clock.advance(20 * HOUR)
    assert world.begin(session.cookie).reason is None
    world.clock.advance(10 * HOUR)
    exchange(world, tokens.refresh_token)
    assert world.begin(session.cookie).reason is Reason.WRONG_SECRET


# The grace


def test_a_retry_inside_the_grace_gets_the_same_successor(world):
    """R110, P7, promise 3: the same refresh token to the letter, a fresh access token."""
    old = world.tokens().refresh_token
    first = exchange(world, old)
    world.clock.advance(30 * SECOND - 1)
    world.store.calls.clear()
    again = exchange(world, old)
    assert again.refresh_token == first.refresh_token
    assert again.access_token != first.access_token
    assert world.store.calls == ["get", "update"]
    assert world.verify_token(again.access_token).claims
    event = world.events[-1]
    assert (event.name, event.reason, event.severity) == ("authn_token_created", "repeated", "WARN")
    assert event.detail == {"generation": 0}


def test_each_generation_has_its_own_grace(world):
    """A client that exchanges twice and retries the first gets the current token, not the middle one."""
    first = world.tokens().refresh_token
    second = exchange(world, first).refresh_token
    world.clock.advance(10 * SECOND)
    third = exchange(world, second).refresh_token
    assert exchange(world, first).refresh_token == third
    assert exchange(world, second).refresh_token == third
    world.clock.advance(20 * SECOND)
    assert exchange(world, second).refresh_token == third
    assert world.refresh(first, FIREFOX).reason is Reason.REUSED


def test_a_retry_does_not_prolong_the_grace(world):
    """It is anchored at the exchange."""
    old = world.tokens().refresh_token
    exchange(world, old)
    for _ in range(2):
        world.clock.advance(14 * SECOND)
        exchange(world, old)
    world.clock.advance(2 * SECOND)
    assert world.refresh(old, FIREFOX).reason is Reason.REUSED


def test_an_update_of_the_browser_is_no_other_client(world):
    """The family of the user agent is compared, without its version; addresses change all day (P61)."""
    old = world.tokens().refresh_token
    first = exchange(world, old)
    assert exchange(world, old, FIREFOX_LATER).refresh_token == first.refresh_token


@pytest.mark.parametrize(
    "client", [CHROME, ClientFacts("192.0.2.7", None, None)], ids=["chrome", "none"]
)
def test_another_kind_of_client_inside_the_grace_is_a_theft(world, client):
    """The session ends, and the alarm names the case."""
    session = world.login()
    old = world.issue_tokens(session).refresh_token
    fresh = exchange(world, old)
    world.clock.advance(SECOND)
    assert world.refresh(old, client) == (None, Reason.WRONG_CLIENT, None)
    event = world.events[-1]
    assert (event.name, event.reason, event.severity) == (
        "authn_token_reuse",
        "wrong_client",
        "CRITICAL",
    )
    assert world.refresh(fresh.refresh_token, FIREFOX).reason is Reason.UNKNOWN
    assert not world.lives(session.cookie)


def test_a_client_that_is_not_kept_is_not_compared(make_world):
    """Without a kept user agent there is nothing to tell them apart by."""
    world = make_world(keep_user_agent=False)
    old = world.tokens().refresh_token
    first = exchange(world, old)
    assert exchange(world, old, CHROME).refresh_token == first.refresh_token


def test_without_a_grace_every_repeat_is_reuse(make_world):
    """`refresh_grace=0` turns it off, at the same ms."""
    world = make_world(refresh_grace=timedelta(0))
    session = world.login()
    old = world.issue_tokens(session).refresh_token
    exchange(world, old)
    assert world.refresh(old, FIREFOX).reason is Reason.REUSED
    assert not world.lives(session.cookie)


def test_a_retry_does_not_revive_an_ended_session(world):
    """P8: the grace asks whether the session lives."""
    session = world.login()
    old = world.issue_tokens(session).refresh_token
    exchange(world, old)
    world.other.revoke(session.id)
    assert world.refresh(old, FIREFOX).reason is Reason.UNKNOWN


def test_revoked_tokens_stay_revoked_over_a_retry(world):
    """A retry after "all tokens so far" gives a token that counts, and the old ones do not."""
    session = world.login()
    old = world.issue_tokens(session)
    exchange(world, old.refresh_token)
    for number in range(17):
        world.revoke_jti(f"{session.id}.AAAAAAAAAA{number:02}")
    assert world.verify_token(old.access_token).reason is Reason.REVOKED
    assert world.verify_token(exchange(world, old.refresh_token).access_token).claims


# Reuse


def test_reuse_ends_everything_and_raises_an_alarm(world):
    """R107, promise 3: every credential of that session, no other session, one critical event."""
    session, bystander = world.login(), world.login("ada")
    tokens = world.issue_tokens(session)
    fresh = exchange(world, tokens.refresh_token)
    world.clock.advance(30 * SECOND)
    world.events.clear()
    assert world.refresh(tokens.refresh_token, CHROME) == (None, Reason.REUSED, None)
    (event,) = world.events
    assert (event.name, event.reason, event.severity) == ("authn_token_reuse", "reused", "CRITICAL")
    assert (event.subject, event.address, event.user_agent) == (
        "ada",
        CHROME.address,
        CHROME.user_agent,
    )
    assert event.detail == {"generation": 0, "current": 1}
    assert world.verify_token(fresh.access_token).reason is Reason.UNKNOWN
    assert world.verify_token(tokens.access_token).reason is Reason.UNKNOWN
    assert world.refresh(fresh.refresh_token, FIREFOX).reason is Reason.UNKNOWN
    assert not world.lives(session.cookie)
    assert world.lives(bystander.cookie)


@pytest.mark.parametrize("error", [NotDurable, StoreUnavailable])
def test_the_alarm_comes_even_if_the_store_does_not_answer(world, error):
    """It is true before the session is gone; the answer is 503 and a repeat ends it."""
    tokens = world.tokens()
    exchange(world, tokens.refresh_token)
    world.clock.advance(MINUTE)
    world.store.before("delete", raising(error))
    with pytest.raises(error):
        world.refresh(tokens.refresh_token, FIREFOX)
    assert world.events[-1].name == "authn_token_reuse"
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.REUSED
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.UNKNOWN


def test_a_reuse_that_was_not_proved_is_proved_by_a_repeat(world):
    """P13: the session is gone, and no answer claims it before the store has proved it."""
    tokens = world.tokens()
    exchange(world, tokens.refresh_token)
    world.clock.advance(MINUTE)
    world.store.after("delete", raising(NotDurable), times=2)
    for _ in range(2):
        with pytest.raises(NotDurable):
            world.refresh(tokens.refresh_token, FIREFOX)
    world.store.calls.clear()
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.UNKNOWN
    assert world.store.calls == ["get", "take", "delete"]


def test_a_dead_token_has_only_so_many_proofs(world):
    """Each is a write that waits for the disk, and whoever signed out still has such a token (promise 7)."""
    session = world.login()
    token = world.issue_tokens(session).refresh_token
    world.revoke(session.id)
    world.store.calls.clear()
    for _ in range(50):
        assert world.refresh(token, CHROME).reason is Reason.UNKNOWN
    assert world.store.calls.count("delete") == 8
    world.clock.advance(2 * 60 * MINUTE)
    world.refresh(token, CHROME)
    assert world.store.calls.count("delete") == 9


def test_the_end_after_reuse_is_durable(world, monkeypatch):
    """P12: it is on disk before anybody hears of it."""
    tokens = world.tokens()
    exchange(world, tokens.refresh_token)
    world.clock.advance(MINUTE)
    asked = []
    delete = world.raw.delete
    monkeypatch.setattr(
        world.raw,
        "delete",
        lambda key, **options: asked.append(options.get("durable")) or delete(key, **options),
    )
    world.other.refresh(tokens.refresh_token, FIREFOX)
    assert asked == [True]


def test_a_token_of_an_older_family_is_no_alarm(world):
    """`issue_tokens` has started another; 401 and a normal event, the session lives."""
    session = world.login()
    old = world.issue_tokens(session).refresh_token
    exchange(world, old)
    world.issue_tokens(session)
    world.clock.advance(MINUTE)
    assert world.refresh(old, CHROME).reason is Reason.SUPERSEDED
    assert (world.events[-1].name, world.events[-1].severity) == (
        "session_use_after_expire",
        "INFO",
    )
    assert world.lives(session.cookie)


# A store that lost writes


def test_a_later_generation_rolls_forward(world):
    """A failover lost exchanges that clients have seen: nobody is signed out, it is audited."""
    session = world.login()
    tokens = world.issue_tokens(session)
    before = world.stored(session.id)
    later = tokens.refresh_token
    for _ in range(3):
        world.clock.advance(SECOND)
        later = exchange(world, later).refresh_token
    now = world.stored(session.id)
    assert world.raw.update(changed(before, version=1), expected=now.version)
    found = exchange(world, later)
    assert generation(world, found.refresh_token) == 4
    event = world.events[-1]
    assert (event.name, event.reason, event.severity) == ("authn_token_created", "ahead", "WARN")
    assert exchange(world, later).refresh_token == found.refresh_token
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.REUSED


def test_rolling_forward_takes_the_largest_generation(world):
    """Nine digits are the most that we ever sign."""
    tokens = world.tokens()
    found = exchange(world, forged(world, tokens.refresh_token, 999_999_998))
    assert generation(world, found.refresh_token) == 999_999_999


# Races


def test_of_two_parallel_exchanges_one_is_the_exchange(world):
    """R13, R109, P6: the loser finds itself inside the grace and gets the winner's successor."""
    old = world.tokens().refresh_token
    theirs = []
    world.store.before("update", lambda: theirs.append(world.other.refresh(old, FIREFOX).tokens))
    mine = exchange(world, old)
    assert mine.refresh_token == theirs[0].refresh_token
    assert generation(world, mine.refresh_token) == 1
    assert world.names().count("authn_token_reuse") == 0


def test_without_a_grace_the_loser_of_the_race_is_reuse(make_world):
    """That is what the setting means."""
    world = make_world(refresh_grace=timedelta(0))
    old = world.tokens().refresh_token
    world.store.before("update", lambda: world.other.refresh(old, FIREFOX))
    assert world.refresh(old, FIREFOX).reason is Reason.REUSED


def test_an_exchange_that_races_a_change_loses_neither(world):
    """The record is read again and rotated from there."""
    session = world.login()
    tokens = world.issue_tokens(session)

    def faster():
        theirs = world.other.begin(session.cookie)
        theirs["n"] = theirs.get("n", 0) + 1
        world.other.commit(theirs)

    world.store.before("update", faster, times=3)
    assert generation(world, exchange(world, tokens.refresh_token).refresh_token) == 1
    assert world.begin(session.cookie)["n"] == 3


def test_a_revocation_that_races_an_exchange_wins(world):
    """P1: no write brings the session back."""
    session = world.login()
    token = world.issue_tokens(session).refresh_token
    world.store.before("update", lambda: world.other.revoke(session.id))
    assert world.refresh(token, FIREFOX).reason is Reason.UNKNOWN
    assert world.stored(session.id) is None


def test_an_exchange_that_races_reuse_finds_nothing(world):
    """Theft found by one request ends the session under the other."""
    session = world.login()
    old = world.issue_tokens(session).refresh_token
    fresh = exchange(world, old)
    world.clock.advance(MINUTE)
    world.store.before("update", lambda: world.other.refresh(old, FIREFOX))
    assert world.refresh(fresh.refresh_token, FIREFOX).reason is Reason.UNKNOWN


def test_a_rotation_of_the_cookie_does_not_disturb_an_exchange(world):
    """Both happen, whoever comes first."""
    session = world.login()
    tokens = world.issue_tokens(session)

    def rotate():
        world.other.rotate(theirs)

    theirs = world.other.begin(session.cookie)
    world.store.before("update", rotate)
    assert exchange(world, tokens.refresh_token)
    assert world.lives(theirs.cookie)
    assert not world.lives(session.cookie)


def test_who_always_loses_is_told(world):
    """After 16 attempts 409, and the token is still good."""
    session = world.login()
    tokens = world.issue_tokens(session)

    def faster():
        theirs = world.other.begin(session.cookie)
        theirs["n"] = theirs.get("n", 0) + 1
        world.other.commit(theirs)

    world.store.before("update", faster, times=16)
    with pytest.raises(Conflict):
        world.refresh(tokens.refresh_token, FIREFOX)
    assert generation(world, exchange(world, tokens.refresh_token).refresh_token) == 1


@pytest.mark.parametrize("error", [NotDurable, StoreUnavailable])
def test_an_exchange_that_failed_can_be_repeated(world, error):
    """Before or after the write: the client asks again and is not signed out."""
    for side in ("before", "after"):
        old = world.tokens().refresh_token
        getattr(world.store, side)("update", raising(error))
        with pytest.raises(error):
            world.refresh(old, FIREFOX)
        assert generation(world, exchange(world, old).refresh_token) == 1


def test_a_successor_is_handed_out_only_when_it_is_durable(world):
    """A retry after 503 finds the rotation in the record, and is told 503 until that is proved (P13)."""
    old = world.tokens().refresh_token
    before = len(world.events)
    for _ in range(3):
        world.store.after("update", raising(NotDurable))
        with pytest.raises(NotDurable):
            world.refresh(old, FIREFOX)
        world.clock.advance(SECOND)
    assert len(world.events) == before
    later = exchange(world, old)
    assert generation(world, later.refresh_token) == 1
    assert exchange(world, later.refresh_token)


# Quota


def test_exchanges_have_the_sessions_quota(world):
    """R148: spent on the way; what is refused by it rotates nothing and is no reuse."""
    token, rate = world.tokens().refresh_token, Rate(limit=2)
    world.store.calls.clear()
    first = world.refresh(token, FIREFOX, rate=rate)
    second = world.refresh(first.tokens.refresh_token, FIREFOX, rate=rate)
    third = world.refresh(second.tokens.refresh_token, FIREFOX, rate=rate)
    assert (first.taken.remaining, second.taken.remaining) == (1, 0)
    assert (third.tokens, third.reason, third.taken.allowed) == (None, None, False)
    assert third.taken.retry_after > 0
    assert world.store.calls == ["get", "update", "get", "update", "get"]
    world.clock.advance(DAY)
    assert exchange(world, second.tokens.refresh_token)
