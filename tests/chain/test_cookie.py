"""Step 2: the one value sent under our name, and the text that sets or clears it."""

from datetime import timedelta

import pytest

from chain.facts import COOKIE, Steps, as_cookie, cookies_set, header
from holdfast.chain.cookie import SessionCookie
from holdfast.settings import Cookie, Limits, Settings


def signed_in(steps, **facts):
    visit = steps.begin("POST", content_type="application/json", **facts)
    visit.require_session().sign_in("ada")
    return visit, steps.commit(visit)


def test_a_sign_in_sets_it_with_all_attributes(steps):
    """R51 to R55."""
    _, reply = signed_in(steps)
    (text,) = header(reply, "Set-Cookie")
    assert text.startswith("__Host-session=1.")
    assert text.endswith("; Max-Age=86400; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert ("Vary", "Cookie") in reply.headers
    assert ("Cache-Control", "no-store") in reply.headers


def test_the_settings_decide_name_and_attributes():
    """One place for each; a profile without Max-Age sends none (R23)."""
    cookie = Cookie(name="__Host-shop", same_site="Lax", max_age=None)
    steps = Steps(Settings(cookie=cookie))
    _, reply = signed_in(steps)
    steps.assembly.close()
    (text,) = header(reply, "Set-Cookie")
    assert text.startswith("__Host-shop=1.")
    assert text.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_what_was_set_is_read(steps):
    """Among the cookies of others, and those whose names contain ours."""
    _, reply = signed_in(steps)
    value = cookies_set(reply)[COOKIE]
    neighbours = f"x{COOKIE}=a; theme=dark; {as_cookie(value)}; {COOKIE}2=b; {COOKIE.lower()}=c"
    assert steps.begin(cookie=neighbours).session.subject == "ada"


def test_two_different_values_count_for_nothing(steps):
    """R60: one of them was planted, and nobody can tell which."""
    value = steps.cookie_of()
    visit = steps.begin(cookie=f"{as_cookie(value)}; {as_cookie(steps.cookie_of('eve'))}")
    assert (visit.session.subject, visit.session.reason) == (None, "duplicate")
    assert steps.store.calls.count("get") == 0


def test_a_header_of_any_length_costs_the_same(steps):
    """P37: above 64 KiB nothing is searched; it is malformed and audited."""
    long = f"{as_cookie(steps.cookie_of())}; junk={'x' * 70_000}"
    visit = steps.begin(cookie=long)
    assert (visit.session.subject, visit.session.reason) == (None, "malformed")


@pytest.mark.parametrize("end", ["sign_out", "revoked", "expired", "unknown"])
def test_only_an_end_by_this_very_request_clears_it(steps, end):
    """The answer to a dead cookie could erase the one that a parallel sign-in has just set (P20)."""
    value = steps.cookie_of()
    if end == "revoked":
        steps.sessions.revoke_all("ada")
    if end == "expired":
        steps.clock.advance(25 * 3_600_000)
    if end == "unknown":
        value = "1.aa1" + "A" * 22 + "." + "A" * 43
    visit = steps.begin(cookie=as_cookie(value))
    visit.require_session()
    if end == "sign_out":
        visit.session.sign_out()
    reply = steps.commit(visit)
    expired = [text for text in header(reply, "Set-Cookie") if "Max-Age=0" in text]
    assert bool(expired) == (end == "sign_out")
    assert header(reply, "Clear-Site-Data") == (['"storage"'] if expired else [])


def test_clearing_uses_the_attributes_of_setting(steps):
    """R41: otherwise a browser keeps it."""
    visit = steps.begin(cookie=as_cookie(steps.cookie_of()))
    visit.session.sign_out()
    (text,) = header(steps.commit(visit), "Set-Cookie")
    assert text.startswith(
        "__Host-session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
    )
    assert text.endswith("; HttpOnly; SameSite=Strict; Secure")


def test_a_secure_cookie_over_plain_http_makes_one_warning(steps, caplog):
    """Many clients drop it without a word; the line names the fix (P62)."""
    for _ in range(2):
        plain = {"scheme": "http", "host": "localhost", "peer": "127.0.0.1"}
        _, reply = signed_in(steps, **plain)
        assert COOKIE in cookies_set(reply)
    (said,) = [record.getMessage() for record in caplog.records if "Secure" in record.getMessage()]
    assert "for_development" in said


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(), False),
        (Settings(idle=timedelta(days=3)), True),
        (Settings(policies={"remember": Limits(idle=timedelta(days=7))}), True),
        (Settings(idle=timedelta(days=3), cookie=Cookie(max_age=timedelta(days=3))), False),
        (Settings(idle=timedelta(days=3), cookie=Cookie(max_age=None)), False),
    ],
)
def test_a_cookie_that_browsers_drop_before_the_session_ends_is_told(settings, told, caplog):
    """Longer limits alone would change nothing that anybody can see."""
    SessionCookie(settings)
    assert ("Cookie(max_age=timedelta(seconds=" in caplog.text) is told
