"""What the chain answers: error bodies, headers that it adds, and how they meet the application's."""

import json

import pytest

from chain.facts import as_cookie, header
from holdfast.blocking import run
from holdfast.chain import Refusal, error_reply, merged
from holdfast.chain.outage import Outage
from holdfast.errors import (
    Conflict,
    HoldfastError,
    NotDurable,
    NotSerializable,
    SessionEnded,
    StoreCorrupt,
    StoreUnavailable,
    TooLarge,
    UsageError,
)

SECRET_TEXT = "1.aa1AAAA.hunter2 at /var/lib"


def reply_to(error):
    return Outage(lambda: 0).reply_to(error)


PRIVATE = (("Vary", "Cookie"), ("Cache-Control", "no-store"))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Conflict, 409, "conflict"),
        (SessionEnded, 401, "session_ended"),
        (StoreUnavailable, 503, "store_unavailable"),
        (StoreCorrupt, 503, "store_corrupt"),
        (NotDurable, 503, "not_durable"),
        (TooLarge, 500, "data_too_large"),
        (NotSerializable, 500, "data_not_serializable"),
        (UsageError, 500, "usage_error"),
    ],
)
def test_an_error_is_its_status_and_code(error, status, code):
    """R165: its text is for the log; a client gets the code."""
    reply = reply_to(error(SECRET_TEXT))
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)
    assert SECRET_TEXT not in reply.body.decode()
    assert header(reply, "Cache-Control") == ["no-store"]
    assert header(reply, "Retry-After") == (["2"] if status == 503 else [])
    assert bool(header(reply, "WWW-Authenticate")) == (status == 401)


def test_a_refusal_brings_its_answer():
    """Guards and applications make them."""
    reply = error_reply(402, "pay_first", "Pay first", ("X-Price", "3"))
    assert reply_to(Refusal(reply)) is reply
    assert json.loads(reply.body) == {"error": "Pay first", "code": "pay_first"}


def test_an_outage_is_one_line_and_a_bug_a_stack(caplog):
    """R164: an outage must not fill the disk."""
    reply_to(StoreUnavailable("away"))
    reply_to(TooLarge("17 KiB"))
    outage, bug = caplog.records
    assert (outage.levelname, outage.exc_info) == ("WARNING", None)
    assert bug.levelname == "ERROR"
    assert bug.exc_info


def test_every_error_has_a_code_of_its_own():
    """Clients match on it."""

    def below(kind):
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    named = [kind for kind in below(HoldfastError) if kind.__module__ == "holdfast.errors"]
    assert len({kind.code for kind in named}) == len(named)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ([], [("Vary", "Cookie"), ("Cache-Control", "no-store")]),
        ([("Cache-Control", "public")], [("Vary", "Cookie"), ("Cache-Control", "no-store")]),
        ([("vary", "Accept")], [("Vary", "Accept, Cookie"), ("Cache-Control", "no-store")]),
        ([("Vary", "cookie")], [("Vary", "cookie"), ("Cache-Control", "no-store")]),
        ([("Vary", "*")], [("Vary", "*"), ("Cache-Control", "no-store")]),
        (
            [("Vary", "Accept"), ("Vary", "Origin")],
            [("Vary", "Origin, Accept, Cookie"), ("Cache-Control", "no-store")],
        ),
    ],
)
def test_the_headers_of_both_meet(own, wanted):
    """P50: `Vary` is joined, `Cache-Control` replaced, nothing doubled."""
    assert merged(own, PRIVATE) == wanted


def test_of_two_cookies_of_one_name_ours_stays():
    """R58; the application's others are kept."""
    own = [("Set-Cookie", "__Host-session=theirs"), ("set-cookie", "theme=dark")]
    added = (("Set-Cookie", "__Host-session=ours"),)
    assert merged(own, added) == [
        ("set-cookie", "theme=dark"),
        ("Set-Cookie", "__Host-session=ours"),
    ]


def test_an_untouched_answer_is_left_alone(steps):
    """No header, no write, for who did not look at the session."""
    visit = steps.begin(cookie=as_cookie(steps.cookie_of()))
    steps.store.calls.clear()
    assert (steps.commit(visit).headers, steps.store.calls) == ((), [])


def test_what_is_raised_keeps_nothing_but_a_sign_out(steps):
    """Half-done work is not kept; "sign me out" is never lost."""
    value = steps.cookie_of()
    visit = steps.begin(cookie=as_cookie(value))
    visit.session["half"] = True
    assert run(steps.chain.fail(visit, Conflict("x"))).status == 409
    again = steps.begin(cookie=as_cookie(value))
    assert "half" not in again.session
    again.session.sign_out()
    reply = run(steps.chain.fail(again, TooLarge("x")))
    assert reply.status == 500
    assert any("Max-Age=0" in text for text in header(reply, "Set-Cookie"))
    assert steps.begin(cookie=as_cookie(value)).session.subject is None


def test_an_unproved_sign_out_still_clears_the_client(steps):
    """503 `not_durable`: done here, and a retry proves it (P13)."""
    visit = steps.begin(cookie=as_cookie(steps.cookie_of()))
    visit.session.sign_out()

    def unproved():
        raise NotDurable("no replica")

    steps.store.after("delete", unproved)
    reply = steps.commit(visit)
    assert (reply.status, json.loads(reply.body)["code"]) == (503, "not_durable")
    assert any("Max-Age=0" in text for text in header(reply, "Set-Cookie"))
