"""Ending sessions and tokens: durable before it is acknowledged, complete, and no more than asked."""

import pytest

from faces import CHROME, DAY, FIREFOX, HOUR, MINUTE, SECOND, claims_of
from holdfast import Conflict, NotDurable, Reason, StoreUnavailable, UsageError
from holdfast.engine.revoking import REVOKED_KEPT
from holdfast.protocols import Page
from holdfast.record import CLAIMS, Policy, changed
from holdfast.rules import secret

UNKNOWN = secret.new_id(5, bytes(16))
SHAPELESS = ["", "x", UNKNOWN[:-1], UNKNOWN + "\n", "' OR 1=1 --", "\0", "\ud800", "x" * 1_000_000]


def raising(error):
    def hook():
        raise error("as the test wants it")

    return hook


def durability(world, verb, monkeypatch):
    """What the calls of a verb ask for, from now on."""
    asked, real = [], getattr(world.raw, verb)

    def watched(*args, **options):
        asked.append(options.get("durable"))
        return real(*args, **options)

    monkeypatch.setattr(world.raw, verb, watched)
    return asked


# One session


def test_one_session_ends(world):
    """By its public id, with every credential; others of the subject live (R36, R116, P19)."""
    mine, other = world.login(), world.login()
    tokens = world.issue_tokens(mine)
    assert world.revoke(mine.id, FIREFOX, reason="lost phone") is True
    assert not world.lives(mine.cookie)
    assert world.verify_token(tokens.access_token).reason is Reason.UNKNOWN
    assert world.lives(other.cookie)
    event = next(e for e in world.events if e.name == "session_logout")
    assert (event.reason, event.address) == ("lost phone", FIREFOX.address)


def test_ending_twice_is_no_error(world):
    """False: there is none (any more); proved durable as well, and no second event."""
    session = world.login()
    assert world.revoke(session.id) is True
    world.events.clear()
    world.store.calls.clear()
    assert world.revoke(session.id) is False
    assert world.revoke(UNKNOWN) is False
    assert world.store.calls == ["delete", "delete"]
    assert world.events == []


@pytest.mark.parametrize("text", SHAPELESS, ids=range(len(SHAPELESS)))
def test_what_is_no_id_is_not_looked_up(world, text):
    """R7, P57: input is judged before anything is done."""
    assert world.revoke(text) is False
    assert world.revoke_jti(text) is False
    assert world.find(text) is None
    assert world.store.calls == []


def test_an_end_waits_until_it_is_durable(world, monkeypatch):
    """P12: each write that ends something asks for durability."""
    deleted = durability(world, "delete", monkeypatch)
    updated = durability(world, "update", monkeypatch)
    world.other.revoke(world.login().id)
    session = world.login()
    world.other.sign_out(world.other.begin(session.cookie))
    assert deleted == [True, True]
    session = world.login()
    token = world.issue_tokens(session).access_token
    updated.clear()
    world.other.revoke_token(token)
    world.other.rotate(world.other.begin(session.cookie))
    assert updated == [True, True]


@pytest.mark.parametrize("how", ["revoke", "sign out", "revoke all", "everyone", "token"])
def test_what_is_not_durable_is_an_error_and_in_the_log(world, how):
    """P13: done, not proved: 503, an event that says so, and a repeat is safe."""
    session = world.login()
    token = world.issue_tokens(session).access_token
    verb, call = {
        "revoke": ("delete", lambda: world.revoke(session.id)),
        "sign out": ("delete", lambda: world.sign_out(world.begin(session.cookie))),
        "revoke all": ("delete_all", lambda: world.revoke_all("ada")),
        "everyone": ("bump_epoch", world.revoke_everyone),
        "token": ("update", lambda: world.revoke_token(token)),
    }[how]
    world.store.after(verb, raising(NotDurable))
    with pytest.raises(NotDurable):
        call()
    event = world.events[-1]
    assert event.detail == {"durability": "unproved"}
    assert event.severity == "WARN"
    assert world.verify_token(token).claims is None
    call()


def test_a_sign_out_that_failed_can_be_repeated(world):
    """The client is told to forget the cookie either way; the same call tries again."""
    session = world.begin(world.login().cookie)
    world.store.before("delete", raising(StoreUnavailable))
    with pytest.raises(StoreUnavailable):
        world.sign_out(session)
    assert session.ended
    assert world.lives(world.login().cookie)
    world.commit(session)
    assert world.stored(session.id or "") is None


def test_signing_out_of_nothing_is_fine(world):
    """No session, no store call; the answer may still clear the cookie."""
    session = world.begin(None)
    world.sign_out(session)
    assert session.ended
    assert world.store.calls == []


# All sessions of a subject


def test_all_sessions_of_a_subject_end(world):
    """R32, R33: every one, of nobody else; how many."""
    sessions = [world.login("ada") for _ in range(3)]
    bob, anonymous = world.login("bob"), world.anonymous()
    tokens = world.issue_tokens(sessions[0])
    assert world.revoke_all("ada", client=FIREFOX) == 3
    assert not any(world.lives(each.cookie) for each in sessions)
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.UNKNOWN
    assert world.lives(bob.cookie)
    assert world.lives(anonymous)
    ended = [e for e in world.events if e.name == "session_logout"]
    assert [(e.subject, e.reason) for e in ended] == [("ada", "everywhere")] * 3
    assert len({e.session for e in ended}) == 3
    assert world.revoke_all("ada") == 0


def test_one_session_may_be_kept(world):
    """R33: after a password change the one that changed it stays."""
    kept, *others = [world.login("ada") for _ in range(3)]
    assert world.revoke_all("ada", keep=kept.id) == 2
    assert world.lives(kept.cookie)
    assert not any(world.lives(each.cookie) for each in others)


@pytest.mark.parametrize("keep", [UNKNOWN, *SHAPELESS], ids=range(len(SHAPELESS) + 1))
def test_keeping_what_is_not_there_keeps_nothing(world, keep):
    """Whatever its shape: everything ends, nothing is raised."""
    session = world.login("ada")
    assert world.revoke_all("ada", keep=keep) == 1
    assert not world.lives(session.cookie)


def test_keep_cannot_keep_somebody_elses(world):
    """Another subject's session is not concerned either way."""
    session, bob = world.login("ada"), world.login("bob")
    assert world.revoke_all("ada", keep=bob.id) == 1
    assert not world.lives(session.cookie)
    assert world.lives(bob.cookie)


def test_a_session_that_signs_in_while_all_end_is_not_lost_sight_of(world):
    """What was acknowledged before the call ends; what comes after lives."""
    before = world.login("ada")
    after = []
    world.store.after("delete_all", lambda: after.append(world.other.begin(None)))
    world.revoke_all("ada")
    world.other.sign_in(after[0], "ada")
    assert not world.lives(before.cookie)
    assert world.lives(after[0].cookie)


# Everyone


def test_everyone_is_out_in_constant_work(world):
    """R35: one call, however many sessions; anonymous ones too; a new sign-in counts."""
    cookies = [world.login(f"user-{n}").cookie for n in range(20)] + [world.anonymous()]
    tokens = world.tokens("token")
    world.store.calls.clear()
    first = world.revoke_everyone(FIREFOX)
    assert world.store.calls == ["bump_epoch"]
    assert not any(map(world.lives, cookies))
    assert world.verify_token(tokens.access_token).reason is Reason.UNKNOWN
    assert world.refresh(tokens.refresh_token, FIREFOX).reason is Reason.UNKNOWN
    event = next(e for e in world.events if e.name == "authz_admin")
    assert (event.reason, event.severity, event.detail) == (
        "everyone",
        "CRITICAL",
        {"epoch": first},
    )
    assert world.lives(world.login().cookie)
    assert world.revoke_everyone() > first


def test_a_request_under_way_does_not_come_back_after_everyone(world):
    """P1: what was read before cannot be written after."""
    session = world.begin(world.login().cookie)
    session["n"] = 1
    world.store.before("update", world.other.revoke_everyone)
    with pytest.raises(Exception, match="ended"):
        world.commit(session)
    assert world.sessions_of("ada").records == ()


# One token


def test_one_access_token_ends(world):
    """R100: by its `jti`; the session, the refresh token and other access tokens live."""
    session = world.login()
    tokens = world.issue_tokens(session)
    other = world.refresh(tokens.refresh_token, FIREFOX).tokens
    assert world.revoke_token(tokens.access_token, FIREFOX) is True
    refused = world.verify_token(tokens.access_token)
    assert (refused.claims, refused.reason) == (None, Reason.REVOKED)
    assert world.begin_bearer(tokens.access_token).subject is None
    assert world.verify_token(other.access_token).claims
    assert world.refresh(other.refresh_token, FIREFOX).tokens
    assert world.lives(session.cookie)
    event = next(e for e in world.events if e.name == "authn_token_revoked")
    assert (event.subject, event.reason) == ("ada", "access_token")


def test_a_token_that_was_kept_in_the_cache_ends_too(world):
    """The cache of verified tokens is no way around it."""
    token = world.tokens().access_token
    assert world.verify_token(token).claims
    world.other.revoke_token(token)
    assert world.verify_token(token).reason is Reason.REVOKED


def test_an_entry_lives_as_long_as_the_token_could(world):
    """R101, P15: to the end of the leeway; then it goes with the next write."""
    session = world.login()
    tokens = world.issue_tokens(session)
    world.revoke_token(tokens.access_token)
    ends = claims_of(world, tokens.access_token)["exp"] + 30
    (part,) = world.stored(session.id).revoked
    assert world.stored(session.id).revoked == {part: ends}
    world.clock.advance(HOUR + 30 * SECOND - 1)
    assert world.verify_token(tokens.access_token).reason is Reason.REVOKED
    found = world.begin(session.cookie)
    found["n"] = 1
    world.commit(found)
    assert world.stored(session.id).revoked == {part: ends}
    world.clock.advance(1)
    found["n"] = 2
    world.commit(found)
    assert world.stored(session.id).revoked == {}
    assert world.verify_token(tokens.access_token).reason is Reason.TOKEN_EXPIRED


def test_a_token_can_be_ended_by_its_jti_alone(world):
    """P16: also when the token is gone; the entry then lasts as long as the session could."""
    session = world.login()
    token = world.issue_tokens(session).access_token
    jti = claims_of(world, token)["jti"]
    assert world.revoke_jti(jti, FIREFOX) is True
    assert world.verify_token(token).reason is Reason.REVOKED
    (ends,) = world.stored(session.id).revoked.values()
    assert ends > (world.clock() + 7 * DAY) // 1000
    assert world.revoke_token(token) is True
    assert list(world.stored(session.id).revoked.values()) == [ends]


def test_a_refresh_token_ends_its_session(world):
    """R114, R120: with every credential at once, by the token or its `jti`."""
    for by_jti in (False, True):
        session = world.login()
        tokens = world.issue_tokens(session)
        if by_jti:
            jti = claims_of(world, tokens.refresh_token, "refresh")["jti"]
            assert world.revoke_jti(jti) is True
        else:
            assert world.revoke_token(tokens.refresh_token) is True
        assert world.verify_token(tokens.access_token).reason is Reason.UNKNOWN
        assert not world.lives(session.cookie)


def test_what_does_not_count_ends_nothing(world):
    """R119: False for forged, expired and foreign tokens, and for one of an ended session."""
    session = world.login()
    tokens = world.issue_tokens(session)
    cut = tokens.access_token[:-2]
    assert world.revoke_token(cut) is False
    assert world.revoke_token(tokens.refresh_token[:-2]) is False
    world.clock.advance(2 * HOUR)
    assert world.revoke_token(tokens.access_token) is False
    assert world.lives(session.cookie)
    world.clock.advance(-HOUR)
    fresh = world.issue_tokens(world.begin(session.cookie)).access_token
    world.revoke(session.id)
    assert world.revoke_token(fresh) is False
    assert world.revoke_jti(f"{UNKNOWN}.AAAAAAAAAAAA") is False


def test_too_many_entries_end_all_tokens_so_far(world):
    """Beyond sixteen the record stays small: every token until now is refused, later ones count."""
    session = world.login()
    tokens = world.issue_tokens(session)
    for number in range(REVOKED_KEPT):
        assert world.revoke_jti(f"{session.id}.AAAAAAAAAA{number:02}")
    assert len(world.stored(session.id).revoked) == 16
    assert world.verify_token(tokens.access_token).claims
    assert world.revoke_jti(f"{session.id}.AAAAAAAAAA99")
    record = world.stored(session.id)
    assert (record.revoked, record.tokens_not_before) == ({}, world.clock() // 1000 + 31)
    assert world.verify_token(tokens.access_token).reason is Reason.REVOKED
    assert world.lives(session.cookie)
    fresh = world.refresh(tokens.refresh_token, FIREFOX).tokens
    assert world.verify_token(fresh.access_token).claims
    assert claims_of(world, fresh.access_token)["iat"] == record.tokens_not_before
    assert world.verify_token(world.issue_tokens(session).access_token).claims


def test_a_token_of_a_clock_that_is_ahead_is_among_all_tokens_so_far(world):
    """Another machine's clock may be ahead by the leeway."""
    session = world.login()
    world.clock.advance(30 * SECOND)
    ahead = world.other.issue_tokens(session).access_token
    world.clock.advance(-30 * SECOND)
    for number in range(REVOKED_KEPT + 1):
        world.revoke_jti(f"{session.id}.AAAAAAAAAA{number:02}")
    assert world.verify_token(ahead).reason is Reason.REVOKED


def test_the_same_token_twice_is_one_entry(world):
    """A repeat proves again, and takes no room."""
    session = world.login()
    token = world.issue_tokens(session).access_token
    for _ in range(20):
        assert world.revoke_token(token)
    assert len(world.stored(session.id).revoked) == 1


def test_revoking_is_no_activity(world):
    """What an administrator does keeps nobody's session alive."""
    session = world.login()
    token = world.issue_tokens(session).access_token
    world.clock.advance(30 * MINUTE)
    seen = world.stored(session.id).seen_at
    world.revoke_token(token)
    assert world.stored(session.id).seen_at == seen


def test_a_revocation_that_loses_a_race_is_made_again(world):
    """A request that writes at the same time does not undo it, nor it the request."""
    session = world.login()
    token = world.issue_tokens(session).access_token

    def faster():
        theirs = world.other.begin(session.cookie)
        theirs["n"] = theirs.get("n", 0) + 1
        world.other.commit(theirs)

    world.store.before("update", faster, times=3)
    assert world.revoke_token(token)
    assert world.verify_token(token).reason is Reason.REVOKED
    assert world.begin(session.cookie)["n"] == 3
    world.store.before("update", faster, times=16)
    with pytest.raises(Conflict):
        world.revoke_token(token)


def test_a_write_under_way_does_not_undo_a_revocation(world):
    """The other way round: the request that read before writes after, and keeps the entry."""
    session = world.login()
    token = world.issue_tokens(session).access_token
    found = world.begin(session.cookie)
    found["n"] = 1
    world.store.before("update", lambda: world.other.revoke_token(token))
    world.commit(found)
    assert world.verify_token(token).reason is Reason.REVOKED


# Finding and listing


def test_a_living_session_is_found_by_its_id(world):
    """The id is public; what it leads to is the record."""
    session = world.login()
    assert world.find(session.id).subject == "ada"
    assert world.find(UNKNOWN) is None
    world.clock.advance(8 * DAY)
    assert world.find(session.id) is None


def test_sessions_are_listed_in_pages(world):
    """P22: by id, each once, until there are no more; of this subject only."""
    ids = {world.login("ada").id for _ in range(7)}
    world.login("bob")
    world.anonymous()
    seen, after, pages = [], None, 0
    while True:
        page = world.sessions_of("ada", after=after, limit=3)
        assert len(page.records) <= 3
        seen += [record.id for record in page.records]
        pages, after = pages + 1, page.after
        if after is None:
            break
    assert seen == sorted(ids)
    assert pages == 3


def test_a_page_survives_what_happens_between(world):
    """Sessions that end or come between two pages repeat nothing and hide nobody else."""
    ids = sorted(world.login("ada").id for _ in range(6))
    first = world.sessions_of("ada", limit=2)
    world.revoke(ids[1])
    world.revoke(ids[2])
    world.login("ada")
    rest = world.sessions_of("ada", after=first.after, limit=1000)
    assert set(ids[3:]) <= {record.id for record in rest.records}
    assert not {record.id for record in rest.records} & set(ids[:3])


def test_a_list_shows_no_ended_session(world):
    """What has expired and was not swept yet is left out; the cursor goes on behind it."""
    for _ in range(3):
        world.login("ada")
    world.clock.advance(25 * HOUR)
    late = world.login("ada")
    seen, after = [], None
    for _ in range(10):
        page = world.sessions_of("ada", after=after, limit=1)
        seen += page.records
        after = page.after
        if after is None:
            break
    assert [record.id for record in seen] == [late.id]


@pytest.mark.parametrize("kind", sorted(CLAIMS))
def test_a_list_of_everybody_shows_no_claim(world, kind):
    """What is nobody's session is left out, and a page between many of them is not empty for it."""
    mine = world.login("ada")
    claim = changed(world.stored(mine.id), subject=None, policy=Policy(kind, DAY, DAY))
    for number in range(7):
        world.raw.insert(changed(claim, id=secret.new_id(0, bytes([number] * 16))), now=0)
    assert [each.id for each in world.sessions_of_everyone().records] == [mine.id]
    assert [each.id for each in world.sessions_of_everyone(limit=1).records] == [mine.id]


def test_a_search_among_claims_is_bounded(world, monkeypatch):
    """P37: then the page is empty, and its `after` goes on."""
    claim = changed(world.stored(world.login().id), policy=Policy("idempotency", DAY, DAY))
    asked = []
    monkeypatch.setattr(
        world.raw, "page", lambda *_, after, **__: asked.append(after) or Page((claim,), UNKNOWN)
    )
    assert world.other.sessions_of_everyone() == ((), UNKNOWN)
    assert asked == [None, *[UNKNOWN] * 9]


@pytest.mark.parametrize("limit", [-1, 0, 1])
def test_a_page_has_at_least_one(world, limit):
    """A limit that makes no sense is one."""
    for _ in range(2):
        world.login("ada")
    assert len(world.sessions_of("ada", limit=limit).records) == 1


def test_a_page_has_an_upper_limit(world, monkeypatch):
    """P37: bounded work, whatever is asked for."""
    asked = []
    monkeypatch.setattr(
        world.raw, "page", lambda _, **options: asked.append(options["limit"]) or Page((), None)
    )
    world.other.sessions_of("ada", limit=10**9)
    assert asked == [1000]


@pytest.mark.parametrize("after", SHAPELESS, ids=range(len(SHAPELESS)))
def test_a_cursor_of_another_shape_leads_nowhere(world, after):
    """It may come from a client: no page, no query, no error of a driver."""
    world.login("ada")
    world.store.calls.clear()
    assert world.sessions_of("ada", after=after) == ((), None)
    assert world.store.calls == []


def test_a_cursor_of_nobody_is_a_place_in_the_order(world):
    """The session that it named may have ended meanwhile."""
    id = world.login("ada").id
    before, behind = "aa1" + "A" * 22, "771" + "A" * 22
    found = {after: world.sessions_of("ada", after=after).records for after in (before, behind)}
    assert {record.id for records in found.values() for record in records} <= {id}


@pytest.mark.parametrize("call", ["revoke_all", "sessions_of"])
def test_nobody_is_no_subject(world, call):
    """P60: `None` would mean everybody, or the account "None"."""
    world.anonymous()
    for subject in (None, "", " "):
        with pytest.raises(UsageError):
            getattr(world, call)(subject)


# The sweep


def test_the_sweep_removes_what_has_expired(world):
    """R42: in batches, and says how far it is."""
    for _ in range(5):
        world.login("ada")
    world.clock.advance(8 * DAY + HOUR)
    totals = []
    assert world.sweep(limit=2, progress=totals.append) == 5
    assert totals == [2, 4, 5]
    assert world.sweep() == 0


def test_the_sweep_never_removes_a_living_session(world):
    """Not one ms before its end by any credential: cookie, tokens, refresh family."""
    session = world.login("ada")
    busy = world.login("ada")
    tokens = world.issue_tokens(session)
    for hours in range(7 * 24 - 1):
        world.clock.advance(HOUR)
        world.sweep()
        world.commit(world.begin(busy.cookie, FIREFOX))
        assert world.lives(busy.cookie), hours
        assert world.lives(session.cookie) is (hours < 24), hours
        assert world.verify_token(tokens.refresh_token, "refresh").claims, hours
    world.clock.advance(HOUR - 1)
    world.sweep()
    assert world.refresh(tokens.refresh_token, CHROME).tokens
    world.clock.advance(2 * HOUR)
    world.sweep()
    assert world.stored(session.id) is world.stored(busy.id) is None


def test_the_sweep_removes_what_everyone_out_has_left(world):
    """Sessions of before are gone for everybody at once, and their rows with the next sweep."""
    for _ in range(3):
        world.login("ada")
    world.revoke_everyone()
    living = world.login("ada")
    assert world.sweep() in {0, 3}  # the store in memory lets go of them at once
    assert world.sweep() == 0
    assert world.lives(living.cookie)


def test_a_swept_session_is_unknown_and_its_id_is_not_used_again(world):
    """P1: nothing brings it back."""
    session = world.login()
    slow = world.begin(session.cookie)
    slow["n"] = 1
    world.clock.advance(9 * DAY)
    world.sweep()
    with pytest.raises(Exception, match="ended"):
        world.commit(slow)
    assert world.begin(session.cookie).reason is Reason.UNKNOWN


def test_a_record_that_cannot_be_read_hides_no_other(world):
    """Lists leave it out; its owner's other sessions are there, and it can be ended."""
    broken, whole = world.login(), world.login()
    world.overwrite(broken.id, b"\xff")
    assert [record.id for record in world.sessions_of("ada").records] == [whole.id]
    assert world.revoke_all("ada") == 2
    odd = world.login()
    world.overwrite(odd.id, changed(world.stored(odd.id), data=b"[]"))
    assert world.find(odd.id).id == odd.id
    assert world.revoke(odd.id)
