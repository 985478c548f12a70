"""One commit: nothing is written that need not be, nothing is lost, nothing is revived."""

from datetime import timedelta

import pytest

from faces import DAY, FIREFOX, HOUR, MINUTE, SECOND
from holdfast import (
    Conflict,
    Cookie,
    NotSerializable,
    SessionClosed,
    SessionEnded,
    StoreUnavailable,
    TooLarge,
)
from holdfast.rules import secret


def increment(data):
    data["n"] = data.get("n", 0) + 1


def test_an_untouched_request_writes_nothing(world):
    """Reading only, also reading the data, is one trip (P2)."""
    cookie = world.login().cookie
    world.store.calls.clear()
    session = world.begin(cookie)
    assert session.get("n") is None
    world.commit(session)
    assert world.store.calls == ["get"]
    assert session.cookie is None


def test_an_anonymous_request_leaves_no_trace(world):
    """No record before there is something to keep (P5); a change that is taken back is none."""
    session = world.begin(None)
    session["a"] = 1
    del session["a"]
    world.commit(session)
    assert world.store.calls == []
    assert (session.cookie, session.record) == (None, None)


def test_data_make_an_anonymous_session(world):
    """The first data make a record, a cookie, and an event."""
    cookie = world.anonymous(theme="dark")
    assert world.store.calls == ["insert"]
    assert world.names() == ["session_created"]
    found = world.begin(cookie)
    assert (dict(found), found.subject, bool(found)) == ({"theme": "dark"}, None, True)


def test_a_change_costs_one_read_and_one_write(world):
    """Write 2 (promise 5), and the same value again writes nothing."""
    cookie = world.anonymous(n=1)
    world.store.calls.clear()
    session = world.begin(cookie)
    session["n"] = 2
    world.commit(session)
    assert world.store.calls == ["get", "update"]
    again = world.begin(cookie)
    again["n"] = 2
    world.commit(again)
    assert world.store.calls == ["get", "update", "get"]


def test_a_nested_change_counts(world):
    """Changes are found by comparing, so a list in the data may be changed in place."""
    cookie = world.anonymous(cart={"items": [1]})
    session = world.begin(cookie)
    session["cart"]["items"].append(2)
    world.commit(session)
    assert world.begin(cookie)["cart"] == {"items": [1, 2]}


def test_a_default_may_be_changed_in_place(world):
    """`setdefault` hands out the value that is saved."""
    cookie = world.anonymous()
    session = world.begin(cookie)
    session.setdefault("seen", []).append(7)
    world.commit(session)
    assert world.begin(cookie)["seen"] == [7]


def test_changes_to_different_keys_merge(world):
    """Two requests that change different keys both win (P3)."""
    cookie = world.anonymous(a=1, b=1, gone=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    mine["a"] = 2
    del mine["gone"]
    theirs["b"] = 2
    world.other.commit(theirs)
    world.commit(mine)
    assert dict(world.begin(cookie)) == {"a": 2, "b": 2}
    assert dict(mine) == {"a": 2, "b": 2}


def test_the_same_key_is_a_conflict(world):
    """Two requests that change one key: the second is told, and what the first saved stays (P3)."""
    cookie = world.anonymous(n=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    mine["n"], theirs["n"] = 2, 3
    world.other.commit(theirs)
    with pytest.raises(Conflict):
        world.commit(mine)
    assert world.begin(cookie)["n"] == 3
    assert mine.ended is False


def test_the_same_value_is_no_conflict(world):
    """Two requests that want the same agree."""
    cookie = world.anonymous(n=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    mine["n"] = theirs["n"] = 2
    world.other.commit(theirs)
    world.commit(mine)
    assert world.begin(cookie)["n"] == 2


@pytest.mark.parametrize("order", ["set over removed", "removed over set"])
def test_removing_and_setting_one_key_is_a_conflict(world, order):
    """A key that one removes and another sets cannot merge."""
    cookie = world.anonymous(n=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    remover, setter = (mine, theirs) if order.startswith("removed") else (theirs, mine)
    del remover["n"]
    setter["n"] = 2
    world.other.commit(theirs)
    with pytest.raises(Conflict):
        world.commit(mine)


def test_last_write_wins_where_that_was_asked_for(world):
    """Drop-ins that cannot report a conflict overwrite by key, and only their keys."""
    cookie = world.anonymous(n=1, m=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    mine.last_wins = True
    mine["n"], theirs["n"], theirs["m"] = 2, 3, 3
    world.other.commit(theirs)
    world.commit(mine)
    assert dict(world.begin(cookie)) == {"n": 2, "m": 3}


def test_a_function_runs_again_on_fresh_data(world):
    """`change(fn)` loses no increment, beside edits of other keys (P3)."""
    cookie = world.anonymous(n=1)
    mine, theirs = world.begin(cookie), world.other.begin(cookie)
    mine["a"] = 1
    mine.change(increment)
    mine["b"] = 1
    theirs.change(increment)
    world.other.commit(theirs)
    world.commit(mine)
    assert dict(world.begin(cookie)) == {"n": 3, "a": 1, "b": 1}


def test_a_function_that_raises_leaves_nothing(world):
    """Half a change is none, and what was set before stays."""
    session = world.begin(world.anonymous(n=1))
    session["kept"] = [1]

    def half(data):
        data["n"] = 5
        data["kept"].append(2)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        session.change(half)
    world.commit(session)
    assert dict(session) == {"n": 1, "kept": [1]}


def test_a_function_that_changes_nothing_writes_nothing(world):
    """A function is a change only if it changes something."""
    cookie = world.anonymous(n=1)
    session = world.begin(cookie)
    session.change(lambda data: data.pop("absent", None))
    world.store.calls.clear()
    world.commit(session)
    assert world.store.calls == []


def test_who_always_loses_is_told(world):
    """After 16 attempts a commit gives up and says so."""
    cookie = world.anonymous(n=0)
    session = world.begin(cookie)
    session.change(increment)

    def faster():
        theirs = world.other.begin(cookie)
        theirs.change(increment)
        world.other.commit(theirs)

    world.store.before("update", faster, times=100)
    with pytest.raises(Conflict):
        world.commit(session)
    assert world.begin(cookie)["n"] == 16


def test_a_slow_writer_does_not_revive_an_ended_session(world):
    """A session that was ended while a request ran stays ended, and the request is told (P1)."""
    first = world.login()
    slow = world.begin(first.cookie)
    slow["n"] = 1
    world.other.revoke(first.id)
    with pytest.raises(SessionEnded):
        world.commit(slow)
    assert not world.lives(first.cookie)
    assert (slow.subject, slow.record) == (None, None)


def test_a_session_that_another_request_ended_keeps_its_cookie(world):
    """Only the request that ends a session clears the cookie: another may just have set a new one."""
    cookie = world.anonymous()
    slow = world.begin(cookie)
    slow["n"] = 1
    signed_in = world.other.begin(cookie)
    world.other.sign_in(signed_in, "ada")
    with pytest.raises(SessionEnded):
        world.commit(slow)
    assert slow.ended is False
    assert slow.cookie is None


def test_the_loser_of_a_race_against_the_end_is_not_revived(world):
    """The session ends between the reload and the second attempt."""
    cookie = world.anonymous(n=0)
    id = secret.parse_cookie(cookie).id
    session = world.begin(cookie)
    session.change(increment)

    def faster():
        theirs = world.other.begin(cookie)
        theirs.change(increment)
        world.other.commit(theirs)

    world.store.before("update", faster)
    world.store.before("update", lambda: world.raw.delete(id))
    with pytest.raises(SessionEnded):
        world.commit(session)
    assert world.stored(id) is None


def test_data_have_a_limit(make_world):
    """What is too large is refused at commit, with both numbers, and the store keeps what it had."""
    world = make_world(data_limit=50)
    cookie = world.anonymous(a="x")
    session = world.begin(cookie)
    session["a"] = "y" * 50
    with pytest.raises(TooLarge, match=r"58 bytes; the limit is 50"):
        world.commit(session)
    assert world.begin(cookie)["a"] == "x"


def test_what_is_not_json_is_named_by_place_and_type(world):
    """The message says where and what, and never the value."""
    session = world.begin(world.anonymous())
    session["a"] = {"b": [1, {"hunter2"}]}
    with pytest.raises(
        NotSerializable, match=r"session\['a'\]\['b'\]\[1\] is of type set"
    ) as caught:
        world.commit(session)
    assert "hunter2" not in str(caught.value)


def test_a_closed_session_refuses_changes(world):
    """After the answer has begun a change raises instead of being lost; reading goes on."""
    session = world.begin(world.anonymous(n=1))
    session.closed = True
    for change in (
        lambda: session.update(n=2),
        lambda: session.pop("n"),
        lambda: session.change(increment),
        lambda: session.sign_in("ada"),
        session.sign_out,
        session.rotate,
    ):
        with pytest.raises(SessionClosed):
            change()
    assert session["n"] == 1


def test_a_failed_commit_can_be_repeated(world):
    """When the store was away, the intents are still there."""
    cookie = world.anonymous(n=1)
    session = world.begin(cookie)
    session["n"] = 2

    def down():
        raise StoreUnavailable("away")

    world.store.before("update", down)
    with pytest.raises(StoreUnavailable):
        world.commit(session)
    assert world.begin(cookie)["n"] == 1
    world.commit(session)
    assert world.begin(cookie)["n"] == 2


# Activity


def test_activity_is_noted_at_most_once_a_minute(world):
    """`touch_every` bounds the writes of a busy session, and activity moves the idle limit."""
    session = world.login()
    world.store.calls.clear()
    for _ in range(4):
        world.clock.advance(30 * SECOND)
        world.commit(world.begin(session.cookie, FIREFOX))
    assert world.store.calls.count("touch") == 2
    assert world.stored(session.id).seen_at == world.clock()
    assert world.stored(session.id).version == session.record.version


def test_activity_goes_to_the_collector_if_there_is_one(make_world):
    """A collector takes activity away from the request: no write at all."""
    world = make_world(collects=True)
    session = world.login()
    world.clock.advance(MINUTE)
    world.store.calls.clear()
    world.commit(world.begin(session.cookie, FIREFOX))
    assert world.store.calls == ["get"]
    (touch,) = world.touches
    assert (touch.id, touch.seen_at, touch.address) == (session.id, world.clock(), "192.0.2.7")
    assert 0 <= touch.expires_at - (world.clock() + DAY + MINUTE + 10_000 + HOUR) < HOUR // 4


def test_activity_never_moves_back_and_never_revives(world):
    """A late touch neither moves time back nor brings an ended session to life."""
    session = world.login()
    slow = world.begin(session.cookie)
    world.clock.advance(5 * MINUTE)
    world.other.commit(world.other.begin(session.cookie))
    latest = world.clock()
    world.clock.advance(-3 * MINUTE)
    world.commit(slow)
    assert world.stored(session.id).seen_at == latest
    world.clock.advance(10 * MINUTE)
    late = world.begin(session.cookie)
    world.other.revoke(session.id)
    world.commit(late)
    assert world.stored(session.id) is None


def test_a_write_is_activity_and_never_moves_time_back(world):
    """An update carries the later of both times."""
    session = world.login()
    slow = world.begin(session.cookie)
    slow["n"] = 1
    world.clock.advance(5 * MINUTE)
    world.other.commit(world.other.begin(session.cookie))
    world.clock.advance(-3 * MINUTE)
    world.commit(slow)
    assert world.stored(session.id).seen_at == world.clock() + 3 * MINUTE


@pytest.mark.parametrize("writes", [False, True], ids=["reads", "writes"])
def test_a_busy_browser_keeps_its_cookie(world, writes):
    """The cookie is sent again before its Max-Age ends it, also if every request writes."""
    cookie, sent = world.login().cookie, world.clock()
    for hour in range(60):
        world.clock.advance(HOUR)
        session = world.begin(cookie)
        if writes:
            session["n"] = hour
        world.commit(session)
        if session.cookie is not None:
            assert session.cookie == cookie
            sent = world.clock()
        assert world.clock() - sent < DAY / 2


def test_a_session_cookie_of_the_browser_is_sent_once(make_world):
    """Without a Max-Age there is nothing to renew."""
    world = make_world(cookie=Cookie(max_age=None))
    cookie = world.login().cookie
    for _ in range(30):
        world.clock.advance(HOUR)
        session = world.begin(cookie)
        world.commit(session)
        assert session.cookie is None


@pytest.mark.parametrize("writes", [False, True], ids=["reads", "writes"])
def test_a_renewed_cookie_is_never_an_old_one(world, writes):
    """A request that was overtaken by a rotation does not send the old cookie again."""
    session = world.login()
    world.clock.advance(13 * HOUR)
    slow = world.begin(session.cookie)
    if writes:
        slow["n"] = 1
    theirs = world.other.begin(session.cookie)
    world.other.rotate(theirs)
    world.commit(slow)
    assert slow.cookie is None
    assert world.lives(theirs.cookie)


def test_a_long_request_does_not_bring_an_old_cookie_back(world):
    """It began before a rotation and ends hours later, when its own cookie would be due again."""
    session = world.login()
    world.clock.advance(11 * HOUR)
    slow = world.begin(session.cookie)
    slow["n"] = 1
    theirs = world.other.begin(session.cookie)
    world.other.rotate(theirs)
    world.clock.advance(2 * HOUR)
    world.commit(slow)
    assert slow.cookie is None
    assert world.begin(theirs.cookie)["n"] == 1


def test_a_day_of_reading_costs_few_extra_trips(make_world):
    """Renewal asks the store a few times a day; no request reads and writes more than twice in all."""
    world = make_world(collects=True, touch_every=timedelta(minutes=1))
    cookie = world.login().cookie
    world.store.calls.clear()
    for _ in range(24 * 4):
        world.clock.advance(15 * MINUTE)
        before = len(world.store.calls)
        world.commit(world.begin(cookie))
        while world.touches:
            touch = world.touches.pop()
            world.raw.touch(touch.id, seen_at=touch.seen_at, expires_at=touch.expires_at)
        assert len(world.store.calls) - before <= 2
    assert world.store.calls.count("get") == 24 * 4 + 4
