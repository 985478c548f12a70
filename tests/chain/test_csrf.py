"""Step 4: a token for every unsafe request with a cookie; the origin can only refuse (R67 to R83)."""

import pytest

from chain.facts import COOKIE, KEYS, OWN, PRE, SECRET, Steps, as_cookie, cookies_set, header
from holdfast.chain import Refusal
from holdfast.errors import UsageError
from holdfast.rules.keys import KeyRing
from holdfast.settings import Settings

NEWER = "another master secret: 12 grey seals, fog at 4"


@pytest.fixture
def ada(steps):
    """The cookie header of somebody who is signed in."""
    return as_cookie(steps.cookie_of())


@pytest.fixture
def token(steps, ada):
    return steps.token_for(cookie=ada)[0]


def refused(visit):
    return (
        visit.reply is not None and visit.reply.status == 403 and b"csrf_failed" in visit.reply.body
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "get", "BREW"])
def test_an_unsafe_request_with_a_cookie_needs_a_token(steps, ada, method):
    """Whatever is not exactly GET, HEAD or OPTIONS may change something."""
    assert refused(steps.begin(method, cookie=ada))
    assert steps.reasons()[-1] == "csrf_token"


def test_the_developer_is_told_what_to_do_once(steps, ada, caplog):
    """403 says nothing; the log does. Who sends many such requests fills no log with it."""
    for _ in range(2):
        steps.begin("POST", cookie=ada)
        steps.begin("POST", cookie=ada, origin="http://localhost:5173\n" + "x" * 200)
    missing, elsewhere = (each.getMessage() for each in caplog.records if each.name == "holdfast")
    assert "header X-CSRF-Token or the form field csrf_token" in missing
    assert f"to '{OWN}'" in elsewhere
    assert "'http://localhost:5173\\n" in elsewhere
    assert len(elsewhere) < 400


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_safe_request_needs_none(steps, ada, method):
    """A link from another site works (R69)."""
    assert steps.begin(method, cookie=ada, sec_fetch_site="cross-site").reply is None


def test_a_token_in_the_header(steps, ada, token):
    """R74: bound to the session, masked anew for each answer."""
    assert steps.begin("POST", cookie=ada, x_csrf_token=token).csrf == "token"
    assert steps.token_for(cookie=ada)[0] != token


def test_a_token_in_the_form(steps, ada, token):
    """The field is asked for only if the header is missing."""
    assert steps.begin("POST", cookie=ada, form={"csrf_token": token}).csrf == "token"

    def must_not_be_read(name):
        raise AssertionError(name)

    assert steps.begin("POST", cookie=ada, x_csrf_token=token, form=must_not_be_read).reply is None
    assert refused(steps.begin("POST", cookie=ada, x_csrf_token="c1x", form={"csrf_token": token}))


@pytest.mark.parametrize("cut", ["", "c1", "x" * 88, "c1" + "A" * 86])
def test_what_is_no_token(steps, ada, cut):
    """Any shape is refused."""
    assert refused(steps.begin("POST", cookie=ada, x_csrf_token=cut))


def test_a_token_of_another_session(steps, token):
    """Also another one of the same person."""
    other = as_cookie(steps.cookie_of())
    assert refused(steps.begin("POST", cookie=other, x_csrf_token=token))


def test_a_token_dies_with_a_new_secret(steps, ada, token):
    """R14: `rotate` ends the tokens of the old one."""
    visit = steps.begin("POST", cookie=ada, x_csrf_token=token)
    visit.session.rotate()
    fresh = cookies_set(steps.commit(visit))[COOKIE]
    assert refused(steps.begin("POST", cookie=as_cookie(fresh), x_csrf_token=token))


def test_a_token_needs_its_session_alive(steps, ada, token):
    """After log-out it proves nothing for a sign-in either."""
    steps.sessions.revoke_all("ada")
    visit = steps.begin("POST", cookie=ada, x_csrf_token=token)
    assert (visit.session.subject, visit.csrf) == (None, None)


def test_a_form_from_before_a_key_rotation(steps, ada, token):
    """All keys of the ring are tried, the retired is not."""
    ring = KeyRing.from_secrets([NEWER, SECRET], environment="production")
    rotated = steps.with_keys(ring)
    assert steps.begin("POST", rotated, cookie=ada, x_csrf_token=token).csrf == "token"
    new = rotated.csrf.token(steps.begin(chain=rotated, cookie=ada))
    assert refused(steps.begin("POST", cookie=ada, x_csrf_token=new))
    alone = steps.with_keys(KeyRing.from_secrets([NEWER], environment="production"))
    assert refused(steps.begin("POST", alone, cookie=ada, x_csrf_token=token))


def test_a_pre_session_from_before_a_key_rotation(steps):
    """The sign-in form that was open meanwhile still works."""
    token, cookies = steps.token_for()
    ring = KeyRing.from_secrets([NEWER, SECRET], environment="production")
    cookie = as_cookie(cookies[PRE], PRE)
    visit = steps.begin("POST", steps.with_keys(ring), cookie=cookie, x_csrf_token=token)
    assert visit.csrf == "token"


# Where it says that it comes from


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"sec_fetch_site": "cross-site", "origin": "https://evil.test"}, "csrf_cross_site"),
        ({"sec_fetch_site": "same-site", "origin": "https://x.example.org"}, "csrf_same_site"),
        ({"origin": "https://evil.test"}, "csrf_foreign_origin"),
        ({"origin": "https://app.example.org:444"}, "csrf_foreign_origin"),
        ({"origin": "http://app.example.org"}, "csrf_foreign_origin"),
        ({"referer": "https://evil.test/app.example.org"}, "csrf_foreign_referer"),
        ({"origin": "null"}, "csrf_null_origin"),
        ({"origin": "null", "sec_fetch_site": "cross-site"}, "csrf_cross_site"),
    ],
)
def test_elsewhere_is_refused_before_any_look_up(steps, ada, token, headers, word):
    """Fetch Metadata and the exact Origin can only refuse, also a valid token."""
    steps.store.calls.clear()
    assert refused(steps.begin("POST", cookie=ada, x_csrf_token=token, **headers))
    assert (steps.reasons()[-1], steps.store.calls) == (word, [])


@pytest.mark.parametrize(
    "headers",
    [
        {},  # an old browser, or a program: the token decides
        {"sec_fetch_site": "same-origin", "origin": OWN},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "same-origin", "origin": "null"},  # a page with no-referrer, as measured
        {"sec_fetch_site": "nonsense", "origin": OWN},
        {"origin": "HTTPS://App.Example.org:443"},
    ],
)
def test_ours_still_needs_the_token(steps, ada, token, headers):
    """They let a request go on, and prove nothing."""
    assert steps.begin("POST", cookie=ada, x_csrf_token=token, **headers).reply is None
    assert refused(steps.begin("POST", cookie=ada, **headers))


def test_a_trusted_origin_still_needs_the_token():
    """From settings, compared exactly."""
    steps = Steps(Settings(trusted_origins=("https://spa.example.net",)))
    ada = as_cookie(steps.cookie_of())
    token, _ = steps.token_for(cookie=ada)
    come = {"cookie": ada, "sec_fetch_site": "cross-site", "origin": "https://spa.example.net"}
    assert steps.begin("POST", **come, x_csrf_token=token).reply is None
    assert refused(steps.begin("POST", **come))
    assert refused(steps.begin("POST", **come | {"origin": "https://spa.example.net.evil.test"}))
    steps.assembly.close()


@pytest.mark.parametrize(
    ("origin", "let_in"), [(OWN, True), ("https://evil.test", False), (None, True)]
)
def test_a_websocket_is_judged_by_its_origin(steps, ada, origin, let_in):
    """R80: a handshake is a GET with cookies and no token."""
    visit = steps.begin(scheme="wss", websocket=True, cookie=ada, origin=origin)
    assert (visit.reply is None) == let_in
    assert not let_in or visit.session.subject == "ada"


# Bearer tokens


def bearer(steps):
    session = steps.sessions.begin(None)
    steps.sessions.sign_in(session, "ada")
    return f"Bearer {steps.sessions.issue_tokens(session).access_token}"


def test_a_bearer_token_needs_no_other(steps):
    """No page can make another's browser send it, from any origin."""
    visit = steps.begin("POST", authorization=bearer(steps), origin="https://evil.test")
    assert (visit.reply, visit.csrf) == (None, "bearer")


def test_a_junk_bearer_is_no_proof(steps):
    """Beside it the origin counts again, and no sign-in passes unproved."""
    come = {"authorization": "Bearer x", "content_type": "application/json"}
    assert steps.begin("POST", **come, sec_fetch_site="cross-site").csrf is None
    assert steps.begin("POST", **come, sec_fetch_site="same-origin").csrf == "preflight"


# Before there is a session


def sign_in(steps, **facts):
    """What the answer says to a handler that signs in."""
    visit = steps.begin("POST", **facts)
    if visit.reply is not None:
        return visit.reply
    visit.require_session().sign_in("ada")
    return steps.commit(visit)


def test_of_two_sign_ins_that_nobody_proved_the_one_that_was_made_at_once_ends(steps):
    """R82: the other is still to be carried out when they are refused."""
    visit = steps.begin("POST", content_type="text/plain")
    steps.sessions.sign_in(visit.session, "ada")
    visit.session.sign_in("ben")
    reply = steps.commit(visit)
    assert (reply.status, steps.sessions.sessions_of("ada").records) == (403, ())


def test_a_pre_session_stores_nothing(steps):
    """R82: a signed `__Host-` cookie, one hour, cleared at the sign-in that it made possible."""
    token, cookies = steps.token_for()
    assert steps.store.calls == []
    come = {"cookie": as_cookie(cookies[PRE], PRE), "form": {"csrf_token": token}}
    reply = sign_in(steps, **come, content_type="application/x-www-form-urlencoded")
    assert reply.status is None
    assert cookies_set(reply)[PRE] == ""
    assert COOKIE in cookies_set(reply)


def test_a_pre_session_lasts_an_hour(steps):
    """The second of its end is past the end."""
    token, cookies = steps.token_for()
    come = {"cookie": as_cookie(cookies[PRE], PRE), "x_csrf_token": token}
    steps.clock.advance(3_599_000)
    assert steps.begin("POST", **come).csrf == "token"
    steps.clock.advance(1_000)
    assert steps.begin("POST", **come).csrf is None


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        None,
        "json",
    ],
)
def test_a_foreign_form_signs_nobody_in(steps, content_type):
    """Login CSRF: a page of another site can send such a body unasked; audited."""
    reply = sign_in(steps, content_type=content_type)
    assert (reply.status, cookies_set(reply)) == (403, {})
    assert steps.reasons()[-1] == "csrf_sign_in"
    assert "insert" not in steps.store.calls


def test_a_sign_in_by_the_engine_is_undone(steps):
    """A handler that signs in itself, around the check, is taken back."""
    visit = steps.begin("POST", content_type="text/plain")
    steps.sessions.sign_in(visit.require_session(), "ada")
    assert steps.commit(visit).status == 403
    assert steps.sessions.sessions_of("ada").records == ()


def test_a_body_that_needs_a_preflight_signs_in(steps):
    """R68: no foreign page can send JSON unasked."""
    reply = sign_in(steps, content_type="application/json; charset=utf-8")
    assert COOKIE in cookies_set(reply)


def test_a_planted_pre_session_is_worth_nothing(steps):
    """P55: a sibling subdomain can set a cookie, and cannot sign it; an attacker's own has another nonce."""
    mine, theirs = steps.token_for(), steps.token_for()
    planted = as_cookie(theirs[1][PRE], PRE)
    assert steps.begin("POST", cookie=planted, x_csrf_token=mine[0]).csrf is None
    for both in ((planted, as_cookie(mine[1][PRE], PRE)), (as_cookie(mine[1][PRE], PRE), planted)):
        assert steps.begin("POST", cookie="; ".join(both), x_csrf_token=mine[0]).csrf is None
    forged = as_cookie("p1" + "A" * 75, PRE)
    assert steps.begin("POST", cookie=forged, x_csrf_token=mine[0]).csrf is None


def test_a_guard_that_wants_a_token_of_everybody(steps):
    """For sign-in forms."""
    visit = steps.begin("POST", content_type="application/json")
    with pytest.raises(Refusal):
        steps.chain.csrf.require(visit)
    steps.chain.csrf.require(steps.begin("GET"))


def test_a_token_is_not_given_out_for_a_session_that_changes(steps, ada):
    """It would be worth nothing when it comes back."""
    visit = steps.begin(cookie=ada)
    visit.session.rotate()
    with pytest.raises(UsageError, match="commit"):
        steps.chain.csrf.token(visit)


def test_after_a_sign_out_a_token_is_for_the_next_sign_in(steps, ada, token):
    """The page that says goodbye has a form again."""
    visit = steps.begin("POST", cookie=ada, x_csrf_token=token)
    visit.session.sign_out()
    again = steps.chain.csrf.token(visit)
    cookies = cookies_set(steps.commit(visit))
    come = {"cookie": as_cookie(cookies[PRE], PRE), "x_csrf_token": again}
    assert COOKIE in cookies_set(sign_in(steps, **come))


def test_a_refusal_varies_by_what_it_was_judged_by(steps, ada):
    """A cache must not give it to the right page (R73)."""
    visit = steps.begin("POST", cookie=ada)
    assert header(visit.reply, "Vary") == ["Origin, Sec-Fetch-Site"]
    assert header(visit.reply, "Cache-Control") == ["no-store"]


def test_the_keys_of_these_tests_are_strong():
    """They would be refused otherwise, and nothing above be shown."""
    assert KEYS.derive("csrf") != KEYS.derive("presession")
