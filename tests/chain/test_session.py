"""Step 3: who is this, by cookie or by bearer token, beside which no cookie counts."""

import pytest

from chain.facts import as_cookie, cookies_set, header
from holdfast.blocking import run
from holdfast.errors import SessionClosed, SessionEnded, StoreUnavailable, UsageError
from holdfast.testing import HookedStore


def bearer(steps, subject="ada"):
    session = steps.sessions.begin(None)
    steps.sessions.sign_in(session, subject)
    return steps.sessions.issue_tokens(session).access_token


def away():
    raise StoreUnavailable("as the test wishes")


def test_a_cookie_says_who(steps):
    """In one round trip."""
    value = steps.cookie_of()
    steps.store.calls.clear()
    visit = steps.begin(cookie=as_cookie(value))
    assert (visit.session.subject, visit.came_by, steps.store.calls) == ("ada", "cookie", ["get"])


def test_a_bearer_token_says_who(steps):
    """In one round trip."""
    token = bearer(steps)
    steps.store.calls.clear()
    visit = steps.begin(authorization=f"Bearer {token}")
    assert (visit.session.subject, visit.came_by, steps.store.calls) == ("ada", "bearer", ["get"])


def test_the_scheme_has_any_case(steps):
    """RFC 9110: it is case-insensitive."""
    assert steps.begin(authorization=f"bEARER  {bearer(steps)} ").session.subject == "ada"


@pytest.mark.parametrize("token", ["", "junk", "a.b.c"])
def test_beside_a_bearer_token_no_cookie_counts(steps, token):
    """Otherwise a junk header would be a way around the CSRF check."""
    visit = steps.begin(authorization=f"Bearer {token}", cookie=as_cookie(steps.cookie_of()))
    assert visit.session.subject is None
    assert visit.session.reason is not None


def test_another_scheme_leaves_the_cookie_alone(steps):
    """A proxy's own Basic authentication signs nobody out."""
    visit = steps.begin(authorization="Basic YTpi", cookie=as_cookie(steps.cookie_of()))
    assert visit.session.subject == "ada"


def test_nothing_sent_asks_nothing(steps):
    """An anonymous visitor costs no look-up (P5)."""
    visit = steps.begin()
    assert (visit.session.subject, visit.session.reason) == (None, "absent")
    assert steps.store.calls == []


def test_an_outage_is_not_nobody(steps):
    """P20: 503 with `Retry-After` from the chain itself; no cookie is touched."""
    value = steps.cookie_of()
    steps.store.before("get", away)
    visit = steps.begin(cookie=as_cookie(value))
    assert visit.reply.status == 503
    assert header(visit.reply, "Retry-After") == ["2"]
    assert header(visit.reply, "Set-Cookie") == []
    assert steps.begin(cookie=as_cookie(value)).session.subject == "ada"


def test_every_end_of_a_visit_closes_the_session(steps):
    """Late writes are refused, not lost; also after an outage at the commit."""
    value = steps.cookie_of()
    for fail in (False, True):
        visit = steps.begin(cookie=as_cookie(value))
        visit.session["visits"] = 1
        if fail:
            visit.session["visits"] = 2
            steps.store.before("update", away)
        reply = steps.commit(visit)
        assert (reply.status == 503) == fail
        with pytest.raises(SessionClosed):
            visit.session["late"] = True


def test_an_excluded_path_has_none(steps):
    """To say that nobody is signed in would be a wrong answer: it was not asked."""
    visit = steps.begin(path="/healthz")
    with pytest.raises(UsageError, match="exclude_paths"):
        visit.require_session()
    with pytest.raises(SessionClosed):
        visit.session.sign_in("ada")


def test_the_store_of_the_steps_is_hooked(steps):
    """The counts above are those of the store itself."""
    assert isinstance(steps.store, HookedStore)


def test_what_comes_after_the_commit_takes_nothing_back(steps):
    """An error that is raised once the answer has begun has an answer of its own."""
    visit = steps.begin("POST", content_type="application/json")
    steps.sessions.sign_in(visit.session, "ada")
    assert cookies_set(steps.commit(visit))
    assert run(steps.chain.fail(visit, SessionEnded("over"))).status == 401
    assert steps.sessions.sessions_of("ada").records
