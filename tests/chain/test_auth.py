"""Step 6: the guards. Cookie and bearer pass the same guard."""

from datetime import timedelta

import pytest

from chain.facts import as_cookie, header
from holdfast.chain import Refusal
from holdfast.errors import UsageError


def bearer(steps, **claims):
    session = steps.sessions.begin(None)
    steps.sessions.sign_in(session, "ada", **claims)
    return f"Bearer {steps.sessions.issue_tokens(session).access_token}"


@pytest.fixture(params=["cookie", "authorization"])
def credential(request, steps):
    """The headers of somebody who is signed in, either way."""

    def make(**claims):
        if request.param == "cookie":
            return {"cookie": as_cookie(steps.cookie_of(**claims))}
        return {"authorization": bearer(steps, **claims)}

    return make


def refusal(guard, *arguments):
    with pytest.raises(Refusal) as caught:
        guard(*arguments)
    return caught.value.reply


def code(reply):
    return reply.status, reply.body.decode().split('"code": "')[1].rstrip('"}')


def test_somebody_is_let_in(steps, credential):
    """The session is handed over, and the answer depends on it."""
    visit = steps.begin(**credential())
    assert steps.chain.require(visit).subject == "ada"
    assert ("Cache-Control", "no-store") in steps.commit(visit).headers


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ({}, 'Bearer realm="holdfast"'),
        ({"cookie": "__Host-session=x"}, 'Bearer realm="holdfast"'),
        ({"authorization": "Bearer x"}, 'Bearer realm="holdfast", error="invalid_token"'),
    ],
)
def test_nobody_is_refused(steps, headers, challenge):
    """401 with one body whatever the reason, and a challenge (RFC 6750)."""
    reply = refusal(steps.chain.require, steps.begin(**headers))
    assert reply.body == b'{"error": "Unauthorized", "code": "unauthenticated"}'
    assert (reply.status, header(reply, "WWW-Authenticate")) == (401, [challenge])


def test_an_anonymous_session_is_nobody(steps):
    """Data alone sign nobody in."""
    session = steps.sessions.begin(None)
    session["cart"] = [1]
    steps.sessions.commit(session)
    visit = steps.begin(cookie=as_cookie(session.cookie))
    assert visit.session["cart"] == [1]
    assert code(refusal(steps.chain.require, visit)) == (401, "unauthenticated")


def test_an_excluded_path_has_no_guard(steps):
    """A mistake of the application, not a 401 that would hide it."""
    with pytest.raises(UsageError):
        steps.chain.require(steps.begin(path="/healthz"))


def test_fresh_until_the_very_ms(steps, credential):
    """R36, R44."""
    headers, age = credential(), timedelta(minutes=5)
    steps.clock.advance(300_000)
    assert steps.chain.require_fresh(steps.begin(**headers), age).subject == "ada"
    steps.clock.advance(1)
    reply = refusal(steps.chain.require_fresh, steps.begin(**headers), age)
    assert code(reply) == (401, "reauthentication_required")
    (challenge,) = header(reply, "WWW-Authenticate")
    assert challenge == 'Bearer error="insufficient_user_authentication", max_age="300"'
    assert steps.reasons()[-1] == "not_fresh"


def test_activity_does_not_make_a_sign_in_fresh(steps):
    """Only the password does."""
    headers = {"cookie": as_cookie(steps.cookie_of())}
    for _ in range(10):
        steps.clock.advance(60_000)
        steps.begin(**headers)
    reply = refusal(steps.chain.require_fresh, steps.begin(**headers), timedelta(minutes=5))
    assert reply.status == 401


@pytest.mark.parametrize("reauthenticated", [True, False])
def test_the_password_again_makes_it_fresh_and_a_new_secret_does_not(steps, reauthenticated):
    """Of cookie and token alike: both are views of the record."""
    session = steps.sessions.begin(steps.cookie_of())
    tokens = steps.sessions.issue_tokens(session)
    steps.clock.advance(600_000)
    session.rotate(reauthenticated=reauthenticated)
    steps.sessions.commit(session)
    for headers in (
        {"cookie": as_cookie(session.cookie)},
        {"authorization": f"Bearer {tokens.access_token}"},
    ):
        visit = steps.begin(**headers)
        if reauthenticated:
            assert steps.chain.require_fresh(visit, timedelta(minutes=5)).subject == "ada"
        else:
            reply = refusal(steps.chain.require_fresh, visit, timedelta(minutes=5))
            assert code(reply) == (401, "reauthentication_required")


def test_a_negative_age_is_zero(steps, credential):
    """It asks for a sign-in of this millisecond, and never passes everybody."""
    headers = credential()
    assert steps.chain.require_fresh(steps.begin(**headers), timedelta(-1)).subject == "ada"
    steps.clock.advance(1)
    assert refusal(steps.chain.require_fresh, steps.begin(**headers), timedelta(-1)).status == 401


@pytest.mark.parametrize("role", ["admin", ["editor", "admin"]])
def test_a_role_or_a_list_of_them(steps, credential, role):
    """The claim of the sign-in."""
    assert steps.chain.require_role(steps.begin(**credential(role=role)), "admin").subject == "ada"


@pytest.mark.parametrize("role", [None, "Admin", "admins", "", ["editor"], {"admin": 1}, 1, True])
def test_any_other_role_is_refused(steps, credential, role):
    """403, audited; no part of a word is a role."""
    visit = steps.begin(**credential(role=role))
    assert code(refusal(steps.chain.require_role, visit, "admin")) == (403, "forbidden")
    assert steps.reasons()[-1] == "role"


def test_nobody_has_no_role(steps):
    """401, which a sign-in can cure, and not 403."""
    assert code(refusal(steps.chain.require_role, steps.begin(), "admin"))[0] == 401
