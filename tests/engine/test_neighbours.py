"""Two releases on one store: the older one strips nothing of what the newer one has written."""

import pytest
from msgspec import Raw

from faces import CHROME, FIREFOX, HOUR, MINUTE
from holdfast.record import changed, encode

LATER = (Raw(b"\xa5later"), Raw(b"\xcd\x00\x07"))


def write(world, session):
    session["n"] = 1
    world.commit(session)


def change(world, session):
    session.change(lambda data: data.update(n=1))
    world.commit(session)


def touch(world, session):
    world.clock.advance(MINUTE)
    world.commit(session)


def rotate(world, session):
    world.rotate(session, claims={"role": "user"})


def refresh(world, session):
    tokens = world.issue_tokens(session)
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens


def refresh_after_idling(world, session):
    tokens = world.issue_tokens(session)
    world.clock.advance(30 * HOUR)
    assert world.refresh(tokens.refresh_token, FIREFOX).tokens


def revoke_a_token(world, session):
    assert world.revoke_token(world.issue_tokens(session).access_token)


def revoke_many_tokens(world, session):
    for number in range(20):
        assert world.revoke_jti(f"{session.id}.AAAAAAAAAA{number:02}")


@pytest.mark.parametrize(
    "act",
    [
        write,
        change,
        touch,
        rotate,
        refresh,
        refresh_after_idling,
        revoke_a_token,
        revoke_many_tokens,
    ],
)
def test_no_operation_strips_what_a_newer_release_has_added(world, act):
    """Every operation that rewrites a record writes the unknown fields back byte for byte."""
    session = world.login(client=FIREFOX)
    world.overwrite(session.id, changed(world.stored(session.id), extensions=LATER))
    act(world, world.begin(session.cookie, CHROME))
    raw = encode(world.stored(session.id))
    assert raw.endswith(b"\x92\xa5later\xcd\x00\x07")


def test_a_lost_race_keeps_them_as_well(world):
    """The newer release adds its field while ours is writing; the replay is on the fresh record."""
    session = world.login()
    mine = world.begin(session.cookie)
    mine["n"] = 1

    def newer():
        theirs = world.other.begin(session.cookie)
        theirs["m"] = 1
        world.other.commit(theirs)
        world.overwrite(session.id, changed(world.stored(session.id), extensions=LATER))

    world.store.before("update", newer)
    world.commit(mine)
    record = world.stored(session.id)
    assert record.data == b'{"m":1,"n":1}'
    assert [bytes(each) for each in record.extensions] == [bytes(each) for each in LATER]
