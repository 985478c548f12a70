"""Records that this release cannot read or must not rewrite: what a client sees of them."""

import pytest

from holdfast.record import encode
from holdfast.rules import secret


def put(parts, browser, change):
    """Change the bytes of the record behind this browser's cookie."""
    id = secret.parse_cookie(browser.cookies["__Host-session"]).id
    rows = parts.assembly.blocking_store._table.rows
    rows[id] = rows[id].changed(raw=change(rows[id].raw))


def of_a_newer_major(raw):
    assert raw.startswith(b"\xdc\x00\x14\x01")
    return raw[:3] + b"\x02" + raw[4:]


@pytest.fixture
def signed_in(browser):
    browser.sign_in("ann")
    return browser


def test_a_record_that_cannot_be_read_ends_its_session_and_no_other(signed_in, other, parts):
    """401, one critical event, and afterwards just an unknown cookie; never 503 for ever."""
    other.sign_in("ann")
    put(parts, signed_in, lambda raw: raw[:-9])
    answer = signed_in.get("/me")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    event = parts.events[-1]
    assert (event.name, event.reason, event.severity) == ("session_expired", "corrupt", "CRITICAL")
    assert signed_in.get("/me").status == 401
    assert parts.events[-1].reason == "unknown"
    assert other.get("/me").status == 200


def test_a_record_of_a_newer_major_is_served_and_not_rewritten(signed_in, parts):
    """What only reads goes on; what writes answers 503 `record_read_only`; signing out works."""
    put(parts, signed_in, of_a_newer_major)
    assert signed_in.get("/me").status == 200
    token = signed_in.token()
    answer = signed_in.post("/write", json={"a": 1}, headers={"x-csrf-token": token})
    assert (answer.status, answer.code) == (503, "record_read_only")
    assert signed_in.get("/me").status == 200
    answer = signed_in.post("/logout", headers={"x-csrf-token": token})
    assert answer.status == 200
    assert signed_in.get("/me").status == 401


def test_a_record_of_a_newer_major_that_cannot_be_read_stays(signed_in, parts):
    """503, and nobody ends it: the newer release beside this one goes on with it."""
    put(parts, signed_in, lambda raw: b"\x92\x02\xa5other")
    answer = signed_in.get("/me")
    assert (answer.status, answer.code) == (503, "record_read_only")
    assert answer.all("set-cookie") == []
    id = secret.parse_cookie(signed_in.cookies["__Host-session"]).id
    assert id in parts.assembly.blocking_store._table.rows
    assert "session_expired" not in [event.name for event in parts.events]


def test_what_a_newer_minor_has_added_survives_a_request(signed_in, parts):
    """A request that writes keeps the fields it does not know, byte for byte."""
    later = b"\x92\xa5later\xcd\x00\x07"
    put(parts, signed_in, lambda raw: raw[:-1] + later)
    token = signed_in.token()
    assert signed_in.post("/write", json={"a": 1}, headers={"x-csrf-token": token}).status == 200
    id = secret.parse_cookie(signed_in.cookies["__Host-session"]).id
    record = parts.assembly.blocking_store.get(id, now=parts.clock()).record
    assert record.data == b'{"a":1}'
    assert encode(record).endswith(later)
