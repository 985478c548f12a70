"""What every framework must do alike, to the last header and store call; the sites are in `sites.py`.

What applications behind proxies and in other languages do as well is in `scenarios.test_table`.
"""

import logging

import pytest

from holdfast.chain.outage import QUIET_MS
from holdfast.errors import NotDurable
from web.site_work import AT_ONCE
from web.sites import OVER_ASGI

COOKIE = "__Host-session"
PRE = "__Host-presession"
CLEARED = "__Host-session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
CLOSED = "the answer has begun; change the session before the first byte is sent"
UNKNOWN = "1.aa1" + "A" * 22 + "." + "A" * 43


over_asgi = pytest.mark.parametrize("app", OVER_ASGI, indirect=True)


def names_set(answer):
    return [text.split("=")[0] for text in answer.all("set-cookie")]


# Who is nobody


def test_a_request_without_cookie_asks_no_store_and_gets_no_cookie(browser, parts):
    """Nothing is read, written or set for who brings nothing (P5, §12 5)."""
    answer = browser.get("/open")
    assert (answer.status, answer.all("set-cookie"), parts.store.calls) == (200, [], [])
    assert answer.all("vary") == answer.all("cache-control") == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "malformed"),
        ("x", "malformed"),
        (UNKNOWN[:-1], "malformed"),
        (UNKNOWN + "\x00", "malformed"),
        ("é" * 70, "malformed"),
        ("x" * 1_000_000, "malformed"),
        ("1.aa1' OR 1=1 --", "malformed"),
    ],
)
def test_a_malformed_cookie_asks_no_store(value, reason, browser, parts):
    """Shape before look-up; an audit event; the cookie is left alone (R7, P20)."""
    browser.cookies[COOKIE] = value
    answer = browser.get("/me")
    assert (answer.status, answer.all("set-cookie"), parts.store.calls) == (401, [], [])
    assert parts.reasons() == [reason]


def test_an_unknown_cookie_is_never_adopted_nor_cleared(browser, parts):
    """P4, R6: it is audited, the next session has another id, nothing erases it on the way."""
    browser.cookies[COOKIE] = UNKNOWN
    answer = browser.get("/me")
    assert (answer.status, answer.all("set-cookie")) == (401, [])
    assert "unknown" in parts.reasons()
    browser.sign_in()
    assert UNKNOWN.split(".")[1] not in browser.cookies[COOKIE]


def test_two_cookies_of_our_name_count_for_nothing(browser, parts):
    """R60: nobody can tell which is ours; the same value twice is no contradiction."""
    browser.sign_in()
    good = browser.cookies[COOKIE]
    for twin, status in ((UNKNOWN, 401), (good, 200)):
        headers = [("cookie", f"{COOKIE}={twin}"), ("cookie", f"{COOKIE}={good}")]
        assert browser.get("/me", headers=headers).status == status
    assert "duplicate" in parts.reasons()


# Signing in and out


def test_sign_in_sets_one_cookie_with_all_attributes(browser):
    """R51 to R55, R58, P50."""
    answer = browser.sign_in()
    text = answer.one("set-cookie")
    assert text.startswith("__Host-session=1.")
    assert text.split("; ")[1:] == [
        "Max-Age=86400",
        "Path=/",
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
    ]
    assert (answer.one("vary"), answer.one("cache-control")) == ("Cookie", "no-store")
    assert browser.get("/me").json() == {"user": "ann"}


@pytest.mark.parametrize("cookie", [None, "junk", UNKNOWN])
def test_sign_out_of_nobody_clears_nothing(cookie, browser):
    """Its answer could erase the cookie of a parallel sign-in, or be a foreign page's log-out."""
    if cookie:
        browser.cookies[COOKIE] = cookie
    answer = browser.post("/logout")
    assert (answer.status, answer.all("set-cookie"), answer.all("clear-site-data")) == (200, [], [])


def test_the_end_of_time_ends_the_session(browser, parts):
    """The clock is the server's; an expired cookie is left alone."""
    browser.sign_in()
    parts.clock.advance(25 * 3600 * 1000)
    answer = browser.get("/me")
    assert (answer.status, answer.all("set-cookie")) == (401, [])
    assert parts.reasons()[-1] == "idle"


# Guards


def test_the_role_guard(browser, parts):
    """A claim decides; a refusal is audited."""
    browser.sign_in()
    assert browser.get("/admin").status == 200
    browser.cookies.clear()
    browser.get("/callback?user=bob")
    answer = browser.get("/admin")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert parts.reasons()[-1] == "role"


def test_the_fresh_guard_challenges(browser, parts):
    """R46: exactly the header of RFC 9470; signing in again satisfies it."""
    browser.sign_in()
    parts.clock.advance(300_000)
    assert browser.get("/fresh").status == 200
    parts.clock.advance(1)
    answer = browser.get("/fresh")
    assert (answer.status, answer.code) == (401, "reauthentication_required")
    expected = 'Bearer error="insufficient_user_authentication", max_age="300"'
    assert answer.one("www-authenticate") == expected
    browser.post("/login", json={"user": "ann"}, headers={"x-csrf-token": browser.token()})
    assert browser.get("/fresh").status == 200


# CSRF


@pytest.mark.parametrize("way", ["header", "form", "multipart"])
def test_a_token_lets_an_unsafe_request_pass(way, browser):
    """By header, urlencoded or multipart; the body arrives in full behind the check."""
    browser.sign_in()
    token = browser.token()
    content = {
        "header": {"headers": {"x-csrf-token": token}, "json": {"a": 1}},
        "form": {"form": {"a": "1", "csrf_token": token}},
        "multipart": {"multipart": {"a": "1", "csrf_token": token}},
    }[way]
    answer = browser.post("/echo", **content)
    assert answer.status == 200
    assert answer.body
    assert (token.encode() in answer.body) == (way != "header")


@pytest.mark.parametrize("token", [None, "", "c1" + "A" * 86, "é", "x" * 100_000])
def test_without_a_valid_token_the_handler_is_not_reached(token, browser, parts, reached):
    """A session cookie and an unsafe method: a token, always (R74); 403 and an event."""
    browser.sign_in()
    headers = {} if token is None else {"x-csrf-token": token}
    answer = browser.post("/work", json={"write": {"a": 1}}, headers=headers)
    assert (answer.status, answer.code) == (403, "csrf_failed")
    assert "Origin" in answer.one("vary")
    assert parts.reasons()[-1] == "csrf_token"
    assert ("update" in parts.store.calls, reached) == (False, [])


def test_a_token_belongs_to_one_session(browser, other):
    """R74, R76: not another's, not the one from before the sign-in, not after a rotation."""
    before = browser.token()
    browser.sign_in()
    other.sign_in("bob")
    for token in (before, other.token()):
        assert browser.post("/write", json={}, headers={"x-csrf-token": token}).status == 403
    mine = browser.token()
    rotated = browser.post("/work", json={"rotate": True}, headers={"x-csrf-token": mine})
    assert rotated.status == 200
    assert browser.post("/write", json={}, headers={"x-csrf-token": mine}).status == 403


def test_a_planted_pre_session_gives_no_say_over_somebody_signed_in(browser, other):
    """Its token is good for a sign-in; an attacker who plants both must get no further."""
    token = other.token()
    browser.sign_in()
    browser.cookies[PRE] = other.cookies[PRE]
    answer = browser.post("/write", json={}, headers={"x-csrf-token": token})
    assert (answer.status, answer.code) == (403, "csrf_failed")
    assert browser.post("/echo", form={"a": "1", "csrf_token": token}).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "https://shop.example.org"},
        {"sec-fetch-site": "cross-site", "origin": "null"},
        {"sec-fetch-site": "", "origin": "https://app.example.org.evil.example"},
        {"sec-fetch-site": "", "origin": "http://app.example.org"},
        {"sec-fetch-site": "", "origin": "https://app.example.org:444"},
        {"sec-fetch-site": "", "origin": "null"},
    ],
)
def test_what_comes_from_elsewhere_is_refused_whatever_it_brings(headers, browser, parts):
    """R70 to R73: a good token does not help, and the store is not asked."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    parts.store.calls.clear()
    answer = browser.post("/write", json={}, headers=good | headers)
    assert (answer.status, answer.code, parts.store.calls) == (403, "csrf_failed", [])


def test_a_page_without_referrer_posts_to_itself(browser):
    """R73: `Origin: null` with `same-origin` is legal."""
    browser.sign_in()
    headers = {"x-csrf-token": browser.token(), "origin": "null"}
    assert browser.post("/write", json={}, headers=headers).status == 200


def test_an_old_browser_is_judged_by_its_token(browser):
    """Neither Fetch Metadata nor Origin: the token decides."""
    browser.sign_in()
    token = browser.token()
    assert browser.post("/write", json={}, headers={"x-csrf-token": token}, old=True).status == 200
    assert browser.post("/write", json={}, old=True).status == 403


# Login CSRF


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/x-www-form-urlencoded",
        "APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8",
        "text/plain",
        "text/plain;application/json",
        "text/plain, application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "\x0bapplication/json",
        "json",
    ],
)
def test_a_form_signs_nobody_in_without_a_token(kind, browser, parts):
    """R82: what a foreign page can send unasked. Nothing is stored, no cookie is set."""
    answer = browser.post("/form", form={"user": "mallory"}, kind=kind, old=True)
    assert (answer.status, answer.code, answer.all("set-cookie")) == (403, "csrf_failed", [])
    assert parts.store.calls == []
    assert parts.reasons() == ["csrf_sign_in"]


def test_a_form_with_the_pre_session_token_signs_in(browser):
    """The pre-session cookie makes the token provable, and goes when it has done its work."""
    token = browser.token()
    assert set(browser.cookies) == {PRE}
    answer = browser.post("/form", form={"user": "ann", "csrf_token": token}, old=True)
    assert answer.status == 200
    assert sorted(names_set(answer)) == [PRE, COOKIE]
    assert set(browser.cookies) == {COOKIE}


@pytest.mark.parametrize("kind", ["application/json", "application/json; x", "application/ld+json"])
def test_json_signs_in_without_a_token(kind, browser):
    """No page can send it to another origin unasked."""
    assert browser.post("/login", json={"user": "ann"}, kind=kind, old=True).status in {200, 422}


def test_a_callback_by_get_signs_in(browser):
    """OAuth and links in e-mails come back by GET; their own state protects them."""
    assert browser.get("/callback?user=ann").status == 200
    assert browser.get("/me").status == 200


def test_a_token_outlives_the_creation_of_its_anonymous_session(browser):
    """The form was opened before the session had anything to store."""
    token = browser.token()
    browser.get("/visits")
    assert set(browser.cookies) == {PRE, COOKIE}
    assert browser.post("/write", json={"a": 1}, headers={"x-csrf-token": token}).status == 200
    assert browser.post("/write", json={"a": 1}).status == 403


def test_the_csrf_guard_wants_a_token_of_everybody(browser):
    """Also where there is no session; reading needs none."""
    assert browser.get("/checked").status == 200
    assert browser.post("/checked", json={}).status == 403
    token = browser.token()
    assert browser.post("/checked", json={}, headers={"x-csrf-token": token}).status == 200


# Commit


def test_an_error_of_the_server_keeps_nothing(browser):
    """5xx: half-done work is not kept."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    order = {"write": {"visits": 41}, "status": 500}
    assert browser.post("/work", json=order, headers=good).status == 500
    assert browser.get("/visits").json() == {"visits": 1}


def test_an_error_of_the_client_keeps_what_was_done(browser):
    """4xx is an answer like others: failed attempts can be counted."""
    browser.sign_in()
    order = {"write": {"visits": 41}, "status": 404}
    assert (
        browser.post("/work", json=order, headers={"x-csrf-token": browser.token()}).status == 404
    )
    assert browser.get("/visits").json() == {"visits": 42}


FAILURES = [{"status": 500}, {"raise": "refusal"}, {"raise": "usage"}, {"raise": "bug"}]


@pytest.mark.parametrize("end", FAILURES)
def test_a_sign_out_is_carried_out_whatever_happens(end, browser, other):
    """The visitor asked for it; only the exception of a bug reaches the server."""
    browser.sign_in()
    other.cookies = dict(browser.cookies)
    order = {"out": True, **end}
    try:
        browser.post("/work", json=order, headers={"x-csrf-token": browser.token()})
    except ZeroDivisionError:
        assert end == {"raise": "bug"}
    assert other.get("/me").status == 401


@pytest.mark.parametrize(
    ("way", "status", "code"), [("refusal", 402, "pay_first"), ("usage", 500, "usage_error")]
)
def test_what_is_raised_keeps_nothing(way, status, code, browser):
    """An error of ours is answered by the chain, and what the handler did so far is dropped."""
    browser.sign_in()
    order = {"write": {"visits": 41}, "raise": way}
    answer = browser.post("/work", json=order, headers={"x-csrf-token": browser.token()})
    assert (answer.status, answer.code) == (status, code)
    assert browser.get("/visits").json() == {"visits": 1}


def fail_at_once(browser, parts, order, **options):
    """What the handler asks for is carried out by the engine, in the handler; then it fails."""
    AT_ONCE.append(parts.sessions.commit)
    try:
        return browser.post("/work", json=order, **options)
    except ZeroDivisionError:  # only the exception of a bug reaches the server
        assert order["raise"] == "bug"
    return None


@pytest.mark.parametrize("end", FAILURES)
@pytest.mark.parametrize("made", [{"in": "ben"}, {"write": {"visits": 41}}])
def test_a_session_that_was_made_at_once_is_taken_back(made, end, browser, parts):
    """Half-done work is not kept: nobody gets its cookie, and nothing lives in the store."""
    answer = fail_at_once(browser, parts, {**made, **end})
    assert parts.store.calls.count("insert") == 1
    assert (COOKIE in browser.cookies, parts.records()) == (False, [])
    assert answer is None or COOKIE not in names_set(answer)


def test_a_session_that_took_the_place_of_another_is_taken_back_and_its_cookie_cleared(
    browser, parts
):
    """The old one is gone already, so the browser need not keep its cookie."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    answer = fail_at_once(browser, parts, {"in": "ben", "status": 500}, headers=good)
    cleared = [text for text in answer.all("set-cookie") if text.startswith(COOKIE)]
    assert [text.startswith(CLEARED) for text in cleared] == [True]
    assert (browser.get("/me").status, parts.records()) == (401, [])


def test_a_session_that_was_made_at_once_for_what_cannot_be_saved_is_taken_back(browser, parts):
    """Nobody gets its cookie, so it must not live on in the list of devices."""
    AT_ONCE.append(lambda session: session.update(filling="x" * 100_000))
    answer = fail_at_once(browser, parts, {"in": "ben"})
    assert (answer.status, answer.code, parts.records()) == (500, "data_too_large", [])
    assert COOKIE not in names_set(answer)


def test_what_is_taken_back_and_is_not_proved_is_said(browser, parts):
    """503 `not_durable`, as at any sign-out."""
    parts.fail("delete", NotDurable)
    answer = fail_at_once(browser, parts, {"in": "ben", "status": 500})
    assert (answer.status, answer.code, answer.all("set-cookie")) == (503, "not_durable", [])


@pytest.mark.parametrize("end", FAILURES[:3])
def test_an_error_signs_nobody_out_who_was_given_a_new_secret_at_once(end, browser, parts):
    """The old cookie is refused already, so the new one goes out."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    fail_at_once(browser, parts, {"rotate": True, **end}, headers=good)
    assert browser.get("/me").status == 200


def conflict(parts, browser):
    good = {"x-csrf-token": browser.token()}

    def other_request():
        session = parts.sessions.begin(browser.cookies[COOKIE])
        session["visits"] = 100
        parts.sessions.commit(session)

    parts.store.before("update", other_request)
    return browser.post("/work", json={"write": {"visits": 5}}, headers=good)


def test_a_conflict_replaces_the_answer(browser, parts):
    """409; no header, cookie or byte of the handler's answer gets out."""
    browser.sign_in()
    browser.get("/visits")
    answer = conflict(parts, browser)
    assert (answer.status, answer.code) == (409, "conflict")
    assert answer.all("x-secret") == answer.all("set-cookie") == []
    assert answer.one("cache-control") == "no-store"
    assert int(answer.one("content-length")) == len(answer.body)
    assert browser.get("/visits").json() == {"visits": 101}


def test_a_session_that_ends_meanwhile_is_not_revived(browser, parts):
    """P1: 401 `session_ended`, and the cookie is left alone."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    id = browser.cookies[COOKIE].split(".")[1]
    parts.store.before("update", lambda: parts.sessions.revoke(id))
    answer = browser.post("/write", json={"a": 1}, headers=good)
    assert (answer.status, answer.code, answer.all("set-cookie")) == (401, "session_ended", [])
    assert browser.get("/me").status == 401


@pytest.mark.parametrize(
    ("write", "code"),
    [({"big": "x" * 20_000}, "data_too_large"), ({"deep": {"a": [1]}}, None)],
)
def test_data_that_do_not_fit_are_a_bug_of_the_application(write, code, browser):
    """500 with a stable code (§9)."""
    browser.sign_in()
    answer = browser.post("/write", json=write, headers={"x-csrf-token": browser.token()})
    assert (answer.status, answer.code) == ((500, code) if code else (200, None))


# Headers


def test_the_handlers_headers_are_joined_and_never_doubled(browser):
    """P50: `Vary` joined, `Cache-Control` replaced, the handler's own cookie beside ours."""
    browser.sign_in()
    answer = browser.post("/work", json={"rotate": True}, headers={"x-csrf-token": browser.token()})
    assert answer.one("vary") == "Accept-Encoding, Cookie"
    assert answer.one("cache-control") == "no-store"
    assert sorted(names_set(answer)) == [COOKIE, "theirs"]
    assert answer.one("x-secret") == "of the handler"


# Rate


def test_unsafe_requests_have_a_budget_per_session(browser, other, parts):
    """R151: 429 with Retry-After; reading goes on; others have their own."""
    browser.sign_in()
    other.sign_in("bob")
    good = {"x-csrf-token": browser.token()}
    answers = [browser.post("/write", json={}, headers=good).status for _ in range(21)]
    assert answers == [200] * 20 + [429]
    answer = browser.post("/write", json={}, headers=good)
    assert (answer.code, 1 <= int(answer.one("retry-after")) <= 960) == ("rate_limited", True)
    assert "excess_rate_limit_exceeded" in [event.name for event in parts.events]
    assert browser.get("/me").status == 200
    assert other.post("/write", json={}, headers={"x-csrf-token": other.token()}).status == 200
    parts.clock.advance(960_000)
    assert browser.post("/write", json={}, headers=good).status == 200


def test_who_knows_only_the_id_cannot_spend_the_budget(browser, other):
    """R148: the quota is spent with the secret's proof."""
    browser.sign_in()
    id = browser.cookies[COOKIE].split(".")[1]
    other.cookies[COOKIE] = f"1.{id}." + "A" * 43
    for _ in range(30):
        other.post("/write", json={}, old=True)
    assert browser.post("/write", json={}, headers={"x-csrf-token": browser.token()}).status == 200


# Outage


def test_an_outage_is_not_a_sign_out(browser, parts):
    """P20: 503 with Retry-After, the cookie untouched; probes answer; it ends by itself."""
    browser.sign_in()
    parts.fail("get")
    answer = browser.get("/me")
    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert int(answer.one("retry-after")) > 0
    assert answer.all("set-cookie") == answer.all("clear-site-data") == []
    assert browser.get("/healthz").body == b"open"
    assert browser.get("/me").json() == {"user": "ann"}


def test_an_outage_is_one_line_whatever_it_refuses(browser, parts, caplog):
    """R164: not one a request; and the end of it is said, which the background thread finds out."""
    browser.sign_in()
    with caplog.at_level(logging.WARNING, "holdfast"):
        parts.fail("get", times=5)
        for _ in range(5):
            assert browser.get("/me").status == 503
        assert browser.get("/me").status == 200
        parts.clock.advance(QUIET_MS)
        parts.assembly.background.look()
    said = [each.getMessage() for each in caplog.records if each.name == "holdfast"]
    assert [text.split(",")[0] for text in said] == [
        "the store does not answer",
        "the store answers again after 1 s",
    ]
    assert said[1].endswith("5 got 503")


@over_asgi
def test_during_an_outage_every_page_of_somebody_is_503(browser, parts):
    """Under ASGI the session is read before the handler runs, whatever the handler is about to do."""
    browser.sign_in()
    parts.fail("get")
    assert browser.get("/open").status == 503
    browser.cookies.clear()
    assert browser.get("/open").status == 200


def test_an_outage_at_the_commit_replaces_the_answer(browser, parts):
    """503; a sign-in that was not stored sets no cookie."""
    parts.fail("insert")
    answer = browser.post("/login", json={"user": "ann"})
    assert (answer.status, answer.code, answer.all("set-cookie")) == (503, "store_unavailable", [])


def test_a_sign_out_that_is_not_proved_still_clears_the_client(browser, parts):
    """P13: 503 `not_durable`, and the clearing headers."""
    browser.sign_in()
    good = {"x-csrf-token": browser.token()}
    parts.fail("delete", NotDurable)
    answer = browser.post("/logout", headers=good)
    assert (answer.status, answer.code) == (503, "not_durable")
    assert answer.one("set-cookie").startswith(CLEARED)
    assert answer.one("clear-site-data") == '"storage"'


# Bearer


def test_a_bearer_token_needs_no_csrf_token_and_sets_no_cookie(browser, other):
    """One guard for both; nobody can make another's browser send it."""
    browser.sign_in()
    tokens = browser.post("/tokens", headers={"x-csrf-token": browser.token()}).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert other.get("/me", headers=bearer).json() == {"user": "ann"}
    written = other.post("/write", json={"visits": 7}, headers=bearer, old=True)
    assert (written.status, written.all("set-cookie")) == (200, [])
    assert browser.get("/visits").json() == {"visits": 8}
    out = other.post("/logout", headers=bearer)
    assert (out.status, out.all("set-cookie"), out.all("clear-site-data")) == (200, [], [])
    assert other.get("/me", headers=bearer).status == browser.get("/me").status == 401


def test_a_new_secret_asked_for_by_token_is_no_cookie_for_who_holds_it(browser, other):
    """A token must not be turned into a cookie; the one from before is dead all the same."""
    browser.sign_in()
    tokens = browser.post("/tokens", headers={"x-csrf-token": browser.token()}).json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    rotated = other.post("/work", json={"rotate": True}, headers=bearer, old=True)
    assert (rotated.status, names_set(rotated)) == (200, ["theirs"])
    assert other.get("/me", headers=bearer).status == 200
    assert browser.get("/me").status == 401


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "bearer junk", "BEARER x.y.z", "Bearer a, Bearer b"]
)
def test_beside_a_bearer_token_the_cookie_does_not_count(value, browser):
    """Junk in Authorization gains nothing: no token is asked for, and nobody is there."""
    browser.sign_in()
    answer = browser.get("/me", headers={"authorization": value})
    assert answer.status == 401
    assert answer.one("www-authenticate").endswith('error="invalid_token"')
    order = {"write": {"visits": 99}}
    browser.post("/work", json=order, headers={"authorization": value}, jar=True, old=True)
    del browser.cookies["theirs"]


@pytest.mark.parametrize(
    "value", ["Bearerx y", "Basic YTpi", "Basic a, Bearer b", "", "Bearer\tx", "Digest Bearer x"]
)
def test_other_schemes_leave_the_cookie_and_its_csrf_check_alone(value, browser):
    """A prefix that looks like Bearer must not switch the check off."""
    browser.sign_in()
    assert browser.get("/me", headers={"authorization": value}).status == 200
    answer = browser.post("/write", json={}, headers={"authorization": value}, old=True)
    assert (answer.status, answer.code) == (403, "csrf_failed")


def test_a_junk_bearer_does_not_lead_around_the_login_check(browser):
    """With it the origin is not looked at before; it is before somebody is signed in."""
    junk = {"authorization": "Bearer junk"}
    foreign = junk | {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    for headers, status in ((junk, 200), (foreign, 403)):
        assert browser.post("/login", json={"user": "x"}, headers=headers).status == status


# Streaming


def test_a_stream_passes_and_late_writes_are_refused(browser, parts):
    """The commit is before the first byte; what comes later says so."""
    browser.sign_in()
    parts.store.calls.clear()
    answer = browser.get("/stream")
    assert answer.body == f"ann\n{CLOSED}".encode()
    assert answer.one("cache-control") == "no-store"
    assert parts.store.calls == ["get"]


# Excluded paths


def test_an_excluded_path_has_no_session(browser, parts):
    """Asking for one there is a mistake of the application, and no store is asked."""
    browser.sign_in()
    parts.store.calls.clear()
    answer = browser.get("/excluded")
    assert (answer.status, answer.code, parts.store.calls) == (500, "usage_error", [])


# HEAD


def test_a_refusal_of_head_has_no_body(browser, parts):
    """Its length is that of the answer to GET."""
    browser.sign_in()
    parts.fail("get")
    answer = browser.request("HEAD", "/me")
    assert (answer.status, answer.body) == (503, b"")
    assert int(answer.one("content-length")) > 0


# WebSocket


@over_asgi
def test_a_handshake_of_ours_has_the_session(browser):
    """It is closed once the connection stands: no cookie could be set any more."""
    browser.sign_in()
    messages = browser.connect("/ws")
    assert [message["type"] for message in messages][:2] == ["websocket.accept", "websocket.send"]
    assert messages[1]["text"] == f"ann {CLOSED}"


@over_asgi
def test_a_handshake_can_set_the_cookie(browser):
    """In its own headers, as any answer."""
    accept = browser.connect("/ws?sign_in=1")[0]
    cookies = [value for name, value in accept["headers"] if name == b"set-cookie"]
    assert len(cookies) == 1
    assert cookies[0].startswith(b"__Host-session=")


@over_asgi
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://app.example.org", ""])
def test_a_handshake_from_elsewhere_is_refused(origin, browser, parts):
    """R80: browsers send cookies with it and no Fetch Metadata."""
    browser.sign_in()
    parts.store.calls.clear()
    assert browser.connect("/ws", headers={"origin": origin}) == [
        {"type": "websocket.close", "code": 1008}
    ]
    start, body = browser.connect(
        "/ws", headers={"origin": origin}, extensions=["websocket.http.response"]
    )
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert b"csrf_failed" in body["body"]
    assert parts.store.calls == []


@over_asgi
def test_a_handshake_of_a_program_needs_no_origin(browser):
    """No page can leave it out."""
    browser.sign_in()
    assert browser.connect("/ws", headers={"origin": None})[0]["type"] == "websocket.accept"


@over_asgi
def test_a_handshake_during_an_outage_is_refused(browser, parts):
    """503 where the server can say so."""
    browser.sign_in()
    parts.fail("get")
    start, _ = browser.connect("/ws", extensions=["websocket.http.response"])
    assert start["status"] == 503


# Audit


def test_no_event_holds_a_credential(browser, parts):
    """R158: after everything, no secret that was handed out is in any event."""
    browser.sign_in()
    token = browser.token()
    tokens = browser.post("/tokens", headers={"x-csrf-token": token}).json()
    browser.post("/write", json={})
    browser.get("/me", headers={"authorization": f"Bearer {tokens['access_token']}x"})
    cookie = browser.cookies[COOKIE]
    browser.post("/logout", headers={"x-csrf-token": token, "x-request-id": "r-7"})
    browser.get("/me")
    said = repr(parts.events)
    for secret in (*tokens.values(), token, cookie, *cookie.split(".")[1:]):
        assert str(secret) not in said or secret in ("Bearer", 3600)
    assert "r-7" in said
