"""What happened, to whom, when and from where; nothing in it opens anything, and no sink is felt."""

import json
from datetime import timedelta

import pytest

from faces import CHROME, DAY, FIREFOX, MINUTE, claims_of
from holdfast import ClientFacts, EventName, Rate, Reason, SessionEnded, Severity, sinks
from holdfast.engine.audit import Auditor
from holdfast.rules import secret

EVIL = ClientFacts(
    "192.0.2.7",
    'Evil/1.0"}\n{"event":"authn_login_success","subject":"root"}\r\n\x1b[2J\u2028\u202e\x00'
    + "x" * 9000,
    'r"1\n',
)


def create(world):
    world.anonymous()


def renew(world):
    world.rotate(world.login())


def expire(world):
    cookie = world.login().cookie
    world.clock.advance(2 * DAY)
    world.begin(cookie, FIREFOX)


def leave(world):
    world.sign_out(world.login())


def use_after(world):
    session = world.login()
    world.revoke(session.id)
    world.begin(session.cookie, FIREFOX)


def sign_in(world):
    world.login()


def fail(world):
    with pytest.raises(SessionEnded):
        world.login(still_valid=lambda: False)


def issue(world):
    world.tokens()


def revoke_token(world):
    world.revoke_token(world.tokens().access_token, FIREFOX)


def reuse(world):
    tokens = world.tokens()
    world.refresh(tokens.refresh_token, FIREFOX)
    world.clock.advance(MINUTE)
    world.refresh(tokens.refresh_token, FIREFOX)


def supersede(world):
    session = world.login()
    world.issue_tokens(session)
    world.issue_tokens(session)


def forge(world):
    world.begin("forged", FIREFOX)


def promote(world):
    world.rotate(world.login(), claims={"role": "admin"})


def everyone(world):
    world.revoke_everyone(FIREFOX)


def crowd(world):
    world.login()
    world.login()


OF_THE_ENGINE = {
    EventName.SESSION_CREATED: create,
    EventName.SESSION_RENEWED: renew,
    EventName.SESSION_EXPIRED: expire,
    EventName.SESSION_LOGOUT: leave,
    EventName.SESSION_USE_AFTER_EXPIRE: use_after,
    EventName.AUTHN_LOGIN_SUCCESS: sign_in,
    EventName.AUTHN_LOGIN_FAIL: fail,
    EventName.AUTHN_TOKEN_CREATED: issue,
    EventName.AUTHN_TOKEN_REVOKED: revoke_token,
    EventName.AUTHN_TOKEN_REUSE: reuse,
    EventName.AUTHN_TOKEN_DELETE: supersede,
    EventName.AUTHZ_FAIL: forge,
    EventName.AUTHZ_CHANGE: promote,
    EventName.AUTHZ_ADMIN: everyone,
    EventName.EXCESS_SESSIONS_EXCEEDED: crowd,
}
ELSEWHERE = {
    EventName.AUTHN_LOGIN_FAIL_MAX,
    EventName.AUTHN_LOGIN_LOCK,
    EventName.AUTHN_PASSWORD_CHANGE,
    EventName.EXCESS_RATE_LIMIT_EXCEEDED,
    EventName.AUTHN_IMPOSSIBLE_TRAVEL,
}
"""Raised by the chain and the service, and shown there."""


def test_every_event_has_an_owner():
    """R155, R162: each name is raised by an operation below, by chain or service, or reserved."""
    assert set(EventName) == OF_THE_ENGINE.keys() | ELSEWHERE


@pytest.mark.parametrize("name", OF_THE_ENGINE)
def test_the_event_is_raised(make_world, name):
    """R154, R156, R163: with the time, the client, the request, and the subject where it is known."""
    world = make_world(max_sessions=1, touch_every=timedelta(minutes=1))
    OF_THE_ENGINE[name](world)
    (event,) = {e.name: e for e in world.events if e.name is name}.values()
    assert event.at == world.clock()
    assert (event.address, event.user_agent) == (FIREFOX.address, FIREFOX.user_agent)
    assert event.request_id == FIREFOX.request_id
    if name not in {EventName.SESSION_CREATED, EventName.AUTHZ_FAIL, EventName.AUTHZ_ADMIN}:
        assert event.subject in {"ada", None}


def test_the_same_session_has_one_name(world):
    """R158: a keyed hash links the lines of a session, over rotations and tokens, in both faces."""
    session = world.login()
    world.rotate(world.begin(session.cookie))
    tokens = world.issue_tokens(session)
    world.refresh(tokens.refresh_token, FIREFOX)
    world.other.revoke(session.id)
    names = {event.session for event in world.events}
    assert len(names) == 1
    (name,) = names
    assert len(name) == 22
    assert name not in session.id
    assert session.id not in name
    assert world.login().id is not None
    assert len({event.session for event in world.events}) == 2


def test_another_key_gives_another_name(make_world, tmp_path):
    """Who has the log cannot try ids against it (P58)."""
    world = make_world()
    session = world.login()
    mine = Auditor(world.keys.derive("audit")[0], world.clock, ())
    assert mine.session_hash(session.id) == world.events[-1].session
    assert Auditor(b"other", world.clock, ()).session_hash(session.id) != world.events[-1].session


def test_nothing_in_an_event_is_a_credential_or_data(make_world):
    """R158, promise 4: a whole life, and not one id, secret, token, `jti`, claim or value in it."""
    world = make_world(max_sessions=2)
    session = world.begin(world.anonymous(diary="dear diary"), FIREFOX)
    known = [session.id]
    world.sign_in(session, "ada", email="ada@example.org", phone="555-0199")
    session["note"] = "private words"
    world.commit(session)
    known += [session.id, session.cookie, session.cookie.rpartition(".")[2]]
    tokens = world.issue_tokens(session)
    fresh = world.refresh(tokens.refresh_token, FIREFOX).tokens
    for token in (tokens.access_token, fresh.access_token):
        known += [
            token,
            token.rpartition(".")[2],
            claims_of(world, token)["jti"].rpartition(".")[2],
        ]
    known += [tokens.refresh_token, fresh.refresh_token]
    known += [claims_of(world, fresh.refresh_token, "refresh")["jti"].split(".")[1]]
    world.revoke_token(tokens.access_token, FIREFOX)
    world.begin_bearer(tokens.access_token, FIREFOX)
    world.begin(session.cookie[:-1] + "!", FIREFOX)
    world.begin(secret.cookie_text(session.id, bytes(32)), FIREFOX)
    world.verify_token(fresh.access_token[:-2], client=FIREFOX)
    world.rotate(world.begin(session.cookie), reauthenticated=True, claims={"role": "admin"})
    world.clock.advance(MINUTE)
    world.refresh(tokens.refresh_token, CHROME)
    world.begin(session.cookie, FIREFOX)
    for _ in range(3):
        world.login("ada")
    world.revoke_all("ada")
    world.revoke_everyone()
    assert len(set(world.names())) > 10
    text = "\n".join(map(sinks.line, world.events)) + "\n".join(map(repr, world.events))
    for each in (*known, "diary", "private", "555-0199", "ada@example.org"):
        assert each not in text, each


def test_hostile_text_stays_one_line(world):
    """R159: from the first byte of a request to the log, nothing can end a line or begin another."""
    world.begin("x", EVIL)
    session = world.login("root\u2028x", client=EVIL)
    world.revoke(session.id, EVIL, reason='a"\n\x1b[2J{' + "y" * 9000)
    for event in world.events:
        line = sinks.line(event)
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["event"] == event.name
        assert len(event.user_agent or "") <= 512
        assert len(event.reason or "") <= 512
        assert (event.user_agent or "").isprintable()


def test_who_knows_only_an_id_is_nobody(world):
    """No subject where the secret was wrong: the log does not accuse the owner."""
    session = world.login()
    world.begin(secret.cookie_text(session.id, bytes(32)), CHROME)
    assert (world.events[-1].subject, world.events[-1].reason) == (None, Reason.WRONG_SECRET)


# Sinks


def test_a_failing_sink_is_not_felt(make_world):
    """R164: it neither breaks nor opens anything, is counted, and the others get their event."""

    def broken(event):
        raise OSError("disk full")

    world = make_world(sinks=(broken,))
    session = world.login()
    assert world.begin(session.cookie).subject == "ada"
    assert world.begin("forged", FIREFOX).subject is None
    world.revoke(session.id)
    assert not world.lives(session.cookie)
    engine = getattr(world.engine, "engine", world.engine)
    assert engine.auditor.failures == 4
    assert world.names()[:2] == ["session_created", "authn_login_success"]


def test_without_sinks_nothing_is_made(world, monkeypatch):
    """An application that wants no audit pays nothing for it."""
    engine = getattr(world.engine, "engine", world.engine)
    assert engine.auditor.failures == 0
    quiet = type(engine.auditor)(b"k", world.clock, ())
    monkeypatch.setattr(quiet, "session_hash", lambda _: pytest.fail("made an event"))
    quiet.emit(EventName.SESSION_CREATED, FIREFOX, id="x")


def test_severities_tell_people_from_noise(world):
    """What happens to honest clients every day is INFO; what asks for a person is CRITICAL."""
    expire(world)
    reuse(world)
    everyone(world)
    forge(world)
    found = {event.name: event.severity for event in world.events}
    assert found[EventName.SESSION_EXPIRED] is Severity.INFO
    assert found[EventName.AUTHN_TOKEN_REUSE] is Severity.CRITICAL
    assert found[EventName.AUTHZ_ADMIN] is Severity.CRITICAL
    assert found[EventName.AUTHZ_FAIL] is Severity.WARN


def test_a_refused_quota_is_no_event_of_the_engine(world):
    """The chain knows what was asked for, and raises it."""
    cookie = world.login().cookie
    world.events.clear()
    for _ in range(2):
        world.begin(cookie, rate=Rate(limit=1))
    assert world.events == []
