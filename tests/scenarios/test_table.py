"""One table for all: what a visitor may rely on, whichever framework or proxy is in front of them.

The rows are functions, the columns are `scenarios.applications`. What only an adapter can show (which
store calls, which bytes) is in `web.test_scenarios`.
"""

import pytest

from scenarios.applications import BUDGET, HAVE_DATA
from scenarios.visitors import ANN, FOREIGN, bearer
from service.running import until

UNKNOWN = "1.aa1" + "A" * 22 + "." + "A" * 43
CLOSED = "the answer has begun; change the session before the first byte is sent"

with_data = pytest.mark.parametrize("application", HAVE_DATA, indirect=True)


def kept(answer):
    """The cookie is left alone (P20)."""
    return answer.all("set-cookie") == answer.all("clear-site-data") == []


def test_nobody_is_refused(visitor):
    """401 with a challenge, never cached, and nothing is set."""
    answer = visitor.me()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.one("www-authenticate") == 'Bearer realm="holdfast"'
    assert answer.one("cache-control") == "no-store"
    assert kept(answer)


@pytest.mark.parametrize("value", ["", "x", "bogus" * 20, UNKNOWN, f"{UNKNOWN}.x", "é" * 70])
def test_a_bogus_cookie_is_nobody(value, visitor):
    """It is neither adopted nor cleared: P4, R6."""
    visitor.cookie = value
    answer = visitor.me()
    assert (answer.status, kept(answer)) == (401, True)
    visitor.sign_in()
    assert visitor.cookie.split(".")[1] != UNKNOWN.split(".")[1]


def test_sign_in_rotates(visitor, other):
    """R14: whoever knew the cookie from before the sign-in has nothing."""
    visitor.sign_in()
    other.cookie = before = visitor.cookie
    assert other.subject() == ANN
    visitor.sign_in()
    assert visitor.cookie != before
    assert (visitor.subject(), other.me().status) == (ANN, 401)


@with_data
def test_an_anonymous_session_is_rotated_with_its_data(visitor, other):
    """R14: a cookie that was slipped in stays what it was, the data came along."""
    visitor.data()
    other.cookie = visitor.cookie
    visitor.sign_in()
    assert (other.data(), visitor.data()) == (1, 2)


def test_sign_out_clears(visitor, other):
    """R31, R38, R41: an expiring cookie, the site's data go, and replay finds nothing."""
    visitor.sign_in()
    name, other.cookie = visitor.name, visitor.cookie
    answer = visitor.sign_out()
    expired = f"{name}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
    assert any(text.startswith(expired) for text in answer.all("set-cookie"))
    assert '"storage"' in answer.one("clear-site-data")
    assert (visitor.cookie, visitor.me().status, other.me().status) == (None, 401, 401)


def test_an_unsafe_request_needs_its_proof(visitor):
    """R67, R74: without it, and from elsewhere whatever it brings, 403; the session goes on."""
    visitor.sign_in()
    assert visitor.change(it=1).status == 200
    for headers in ({}, {"x-csrf-token": "x"}, FOREIGN, visitor.proof() | FOREIGN):
        answer = visitor.change(it=2, headers=headers)
        assert (answer.status, answer.code, kept(answer)) == (403, "csrf_failed", True)
    assert visitor.subject() == ANN


def test_a_session_has_a_budget(visitor, other):
    """R151: 429 with Retry-After; reading goes on; another session has its own."""
    visitor.sign_in()
    other.sign_in()
    proof = visitor.proof()
    answers = [visitor.change(headers=proof, it=1) for _ in range(BUDGET + 1)]
    assert [answer.status for answer in answers] == [200] * BUDGET + [429]
    last = answers[-1]
    assert (last.code, 1 <= int(last.one("retry-after")) <= 960) == ("rate_limited", True)
    assert visitor.me().status == other.change(it=1).status == 200


@with_data
def test_a_conflict_replaces_the_answer(visitor, application):
    """409 for the slower of two that change the same key; what the faster one wrote stays."""
    visitor.sign_in()
    visitor.data()
    application.meanwhile(visitor, visits=100)
    answer = visitor.change(visits=5)
    assert (answer.status, answer.code, kept(answer)) == (409, "conflict", True)
    assert visitor.data() == 101


def test_an_outage_is_no_sign_out(visitor, application):
    """P20, promise 8: 503 with Retry-After, the cookie stays, and it goes on by itself."""
    visitor.sign_in()
    with application.away():
        answer = visitor.me()
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert int(answer.one("retry-after")) > 0
        assert kept(answer)
    until(lambda: visitor.me().status == 200, "the session")
    assert visitor.subject() == ANN


def test_a_stream_arrives(visitor):
    """Piece by piece, and to whom it belongs."""
    visitor.sign_in()
    lines = visitor.stream()
    assert (lines[0], len(lines)) == (ANN, 2)


@with_data
def test_a_late_write_is_refused(visitor):
    """The session is closed once the answer has begun, and says so."""
    visitor.sign_in()
    assert visitor.stream()[1] == CLOSED


def test_a_bearer_token_does_without_cookie_and_proof(visitor, other):
    """One guard for both; a log-out ends it, and junk is nobody."""
    visitor.sign_in()
    token = visitor.tokens()["access_token"]
    answer = other.me(**bearer(token))
    assert (other.told(answer), kept(answer)) == (ANN, True)
    assert other.change(headers=bearer(token), it=1).status == 200
    junk = other.me(**bearer(token + "x"))
    assert junk.status == 401
    assert junk.one("www-authenticate").endswith('error="invalid_token"')
    assert other.end_by(token).status == 200
    assert other.me(**bearer(token)).status == 401
