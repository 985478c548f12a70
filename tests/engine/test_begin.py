"""From a cookie to a session: one read, no adoption, one answer for everything that does not count."""

from datetime import timedelta

import pytest

from faces import DAY, FIREFOX, HOUR, MINUTE
from holdfast import Limits, Rate, Reason, StoreUnavailable
from holdfast.errors import RecordReadOnly
from holdfast.record import changed, encode
from holdfast.rules import secret

GOOD = secret.cookie_text(secret.new_id(0, bytes(16)), bytes(32))
MALFORMED = [
    "",
    " ",
    ".",
    "..",
    "1..",
    "0" + GOOD[1:],
    GOOD[:-1],
    GOOD + "A",
    GOOD + " ",
    GOOD + "\n",
    GOOD + "\0",
    GOOD.upper(),
    GOOD[:-1] + "B",  # a second spelling of the same bits
    GOOD.replace("aa1", "aa2"),
    GOOD.replace("aa1", "a91"),
    GOOD.replace(".", "%2E"),
    ".".join(reversed(GOOD.split("."))),
    f'"{GOOD}"',
    f"{GOOD}\r\nSet-Cookie: a=b",
    "1." + "é" * 25 + GOOD[27:],
    "' OR 1=1 --",
    "1" * 1_000_000,
    GOOD * 10_000,
]


def test_no_cookie_gives_an_empty_session_and_asks_nobody(world):
    """Without a credential there is no store call, no event, and nothing to hold against anybody."""
    session = world.begin(None)
    assert (session.reason, session.subject, dict(session)) == (Reason.ABSENT, None, {})
    assert world.store.calls == []
    assert world.events == []


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
def test_what_has_no_shape_is_not_looked_up(world, text):
    """A text of another shape is refused before the store is asked, and noted (R7)."""
    session = world.begin(text, FIREFOX)
    assert (session.reason, session.subject) == (Reason.MALFORMED, None)
    assert world.store.calls == []
    assert world.names() == ["authz_fail"]


def test_claims_are_changed_by_nobody_but_the_engine(world):
    """A handler that changes what it was given, also deep inside, gives nobody a right."""
    cookie = world.login(role=["user"]).cookie
    world.begin(cookie).claims["role"].append("admin")
    assert world.begin(cookie).claims == {"role": ["user"]}


def test_an_unknown_id_is_never_adopted(world):
    """A well-formed cookie of nobody gives an empty session; what it then stores has another id (R6)."""
    session = world.begin(GOOD, FIREFOX)
    assert session.reason is Reason.UNKNOWN
    assert world.names() == ["session_use_after_expire"]
    session["a"] = 1
    world.commit(session)
    assert session.id != secret.parse_cookie(GOOD).id
    assert session.secret != secret.parse_cookie(GOOD).secret
    assert world.begin(GOOD).reason is Reason.UNKNOWN
    assert not session.ended


def test_a_live_session_costs_one_read(world):
    """Reading a session is one trip to the store (promise 5)."""
    cookie = world.login(role="admin").cookie
    world.store.calls.clear()
    session = world.begin(cookie)
    assert (session.subject, session.claims, session.via) == ("ada", {"role": "admin"}, "cookie")
    assert world.store.calls == ["get"]


def test_another_secret_for_a_known_id_counts_for_nothing(world):
    """Who knows only an id is nobody: no subject in the event, no quota spent, nothing moved (R148)."""
    session = world.login()
    forged = secret.cookie_text(session.id, bytes(32))
    world.events.clear()
    found = world.begin(forged, FIREFOX, rate=Rate(limit=1))
    assert (found.reason, found.subject, found.taken) == (Reason.WRONG_SECRET, None, None)
    assert [(e.name, e.subject, e.severity) for e in world.events] == [("authz_fail", None, "WARN")]
    assert world.begin(session.cookie, rate=Rate(limit=1)).taken.allowed


def test_halves_of_two_sessions_do_not_make_a_third(world):
    """The id of one session with the secret of another is refused (R17)."""
    one, two = world.login(), world.login()
    mixed = f"1.{one.id}.{two.cookie.rpartition('.')[2]}"
    assert world.begin(mixed).reason is Reason.WRONG_SECRET


def test_the_idle_limit_ends_a_session_at_the_very_ms(world):
    """Idle is judged at idle + touch_every + flush_every: alive one ms before, over then (R21)."""
    cookie = world.login().cookie
    world.clock.advance(24 * HOUR + MINUTE + 10_000 - 1)
    assert world.begin(cookie).reason is None
    world.clock.advance(1)
    assert world.begin(cookie).reason is Reason.IDLE
    assert world.names()[-1] == "session_expired"
    assert world.events[-1].subject == "ada"


def test_the_absolute_limit_ends_a_busy_session(world):
    """Constant activity does not move the absolute limit (R22)."""
    cookie = world.login().cookie
    for _ in range(13):
        world.clock.advance(12 * HOUR)
        world.commit(world.begin(cookie))
    world.clock.advance(12 * HOUR - 1)
    assert world.begin(cookie).reason is None
    world.clock.advance(1)
    assert world.begin(cookie).reason is Reason.ABSOLUTE


def test_a_tighter_setting_holds_at_once_and_a_looser_one_revives_nothing(world):
    """The stricter of the limits at sign-in and today's counts."""
    cookie = world.login().cookie
    strict = world.elsewhere(idle=timedelta(hours=1), touch_every=timedelta(minutes=1))
    loose = world.elsewhere(idle=timedelta(days=30), absolute=timedelta(days=60))
    world.clock.advance(2 * HOUR)
    assert strict.begin(cookie).reason is Reason.IDLE
    assert world.begin(cookie).reason is None
    world.clock.advance(2 * DAY)
    assert loose.begin(cookie).reason is Reason.IDLE


def test_a_named_policy_has_its_own_limits(make_world):
    """`sign_in(policy=…)` fixes the limits of that name."""
    remember = Limits(idle=timedelta(days=20), absolute=timedelta(days=60))
    world = make_world(policies={"remember": remember})
    cookie = world.login(policy="remember").cookie
    world.clock.advance(19 * DAY)
    assert world.begin(cookie).reason is None
    world.clock.advance(2 * DAY)
    assert world.begin(cookie).reason is Reason.IDLE


def test_the_quota_is_spent_on_the_way(world):
    """`rate` costs no trip of its own, and says when it is used up."""
    cookie, rate = world.login().cookie, Rate(limit=2)
    world.store.calls.clear()
    taken = [world.begin(cookie, rate=rate).taken for _ in range(3)]
    assert [each.allowed for each in taken] == [True, True, False]
    assert taken[2].retry_after > 0
    assert world.store.calls == ["get"] * 3


def test_a_damaged_record_ends_its_session_and_no_other(world):
    """A record that cannot be decoded: one critical event, its session ends, others live on."""
    broken, whole = world.login(), world.login()
    world.overwrite(broken.id, b"\xff not a record")
    world.events.clear()
    assert world.begin(broken.cookie).reason is Reason.CORRUPT
    assert [(e.name, e.severity) for e in world.events] == [("session_expired", "CRITICAL")]
    assert world.begin(broken.cookie).reason is Reason.UNKNOWN
    assert world.begin(whole.cookie).reason is None


@pytest.mark.parametrize(
    "data", [b"{", b'{"a":1', b"{}x", b'{"a":"\xff"}', b"[]", b"", b"\x01short"]
)
def test_damaged_data_end_their_session(world, data):
    """Data that no handler could read end the session, instead of failing at each request for ever."""
    session = world.login()
    world.overwrite(session.id, changed(world.stored(session.id), data=data))
    world.store.calls.clear()
    assert world.begin(session.cookie, rate=Rate(limit=9)).reason is Reason.CORRUPT
    assert world.store.calls == ["get", "delete"]  # read once, and its quota spent once
    assert world.stored(session.id) is None


def test_damaged_data_end_the_tokens_too(world):
    """The same through an access token."""
    session = world.login()
    tokens = world.issue_tokens(session)
    world.overwrite(session.id, changed(world.stored(session.id), data=b'{"a":1'))
    assert world.begin_bearer(tokens.access_token).reason is Reason.CORRUPT
    assert world.refresh(tokens.refresh_token).reason is Reason.UNKNOWN


def test_a_record_of_a_newer_major_format_is_read_and_not_written(world):
    """An old release serves it, refuses to rewrite it, and can end it."""
    session = world.login()
    record = world.stored(session.id)
    newer = bytearray(encode(record))
    newer[3:4] = b"\x02"  # the element after the array's length is the format
    assert newer[:4] == b"\xdc\x00\x14\x02"
    world.overwrite(session.id, bytes(newer))
    found = world.begin(session.cookie)
    assert (found.subject, found.record.format) == ("ada", 2)
    found["a"] = 1
    with pytest.raises(RecordReadOnly):
        world.commit(found)
    found = world.begin(session.cookie)
    world.sign_out(found)
    assert world.stored(session.id) is None


def test_a_newer_format_of_another_shape_is_no_damage(world):
    """What this release cannot even read answers 503, and is not deleted for that (P20)."""
    session = world.login()
    world.overwrite(session.id, b"\x92\x02\xa3new")
    with pytest.raises(RecordReadOnly):
        world.begin(session.cookie)
    assert "session_expired" not in world.names()


def test_an_outage_is_not_nobody(world):
    """When the store cannot answer, that is raised; it never looks like "not signed in" (P20)."""
    cookie = world.login().cookie

    def down():
        raise StoreUnavailable("away")

    world.store.before("get", down)
    with pytest.raises(StoreUnavailable):
        world.begin(cookie)
    assert world.begin(cookie).subject == "ada"


def test_a_credential_that_an_adapter_could_not_read_is_audited(world):
    """`refused` gives the empty session for duplicates and the like."""
    engine = getattr(world.engine, "engine", world.engine)
    assert engine.refused(Reason.DUPLICATE, FIREFOX).reason is Reason.DUPLICATE
    assert world.names() == ["authz_fail"]
