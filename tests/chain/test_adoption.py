"""Step 3 for who comes with the cookie of another library."""

import pytest

from chain.facts import COOKIE, OWN, Steps, as_cookie, cookies_set, header
from holdfast.engine.adopting import GRACE
from holdfast.errors import NotDurable, StoreUnavailable
from old_library import OldLibrary

ERASED = "sid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"


@pytest.fixture
def old():
    return OldLibrary(k1=("ada", {"cart": [1]}))


@pytest.fixture
def steps(settings, old):
    steps = Steps(settings, adopt=old)
    yield steps
    steps.assembly.close()


def sent(value="k1", **more):
    return {"cookie": f"sid={value}", **more}


def test_a_safe_request_moves_a_session(steps, old):
    """The answer sets our cookie, erases the old one, and is not cached."""
    visit = steps.begin(**sent())
    assert (visit.session.subject, visit.came_by) == ("ada", "cookie")
    reply = steps.commit(visit)
    assert steps.begin(cookie=as_cookie(cookies_set(reply)[COOKIE])).session.subject == "ada"
    assert f"{ERASED}; Secure" in [value for name, value in reply.headers if name == "Set-Cookie"]
    assert header(reply, "Cache-Control") == ["no-store"]
    assert old.sessions == {}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_every_safe_method_does(steps, method):
    assert steps.begin(method, **sent()).session.subject == "ada"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ODD"])
@pytest.mark.parametrize("origin", [{}, {"origin": OWN, "content-type": "application/json"}])
def test_an_unsafe_request_moves_nothing(steps, old, method, origin):
    """A move signs somebody in; no request does that without a CSRF token of ours (P17)."""
    visit = steps.begin(method, **sent(**origin))
    assert (visit.session.subject, list(old.sessions), old.calls) == (None, ["k1"], [])


@pytest.mark.parametrize(
    "more",
    [
        {"sec-fetch-site": "cross-site"},  # another site may be behind it
        {"authorization": "Bearer junk"},  # beside it no cookie counts
    ],
)
def test_what_else_moves_nothing(steps, old, more):
    visit = steps.begin(**sent(**more))
    assert (visit.session.subject, list(old.sessions), old.calls) == (None, ["k1"], [])


def test_a_handshake_moves_nothing(steps, old):
    """The page that opens a socket has moved the session before."""
    visit = steps.begin(websocket=True, **sent(origin=OWN))
    assert (visit.session.subject, old.calls) == (None, [])


@pytest.mark.parametrize("where", ["same-origin", "same-site", "none"])
def test_a_page_of_ours_or_the_address_bar_does(steps, where):
    assert steps.begin(**sent(**{"sec-fetch-site": where})).session.subject == "ada"


def test_who_has_a_session_here_keeps_it(steps, old):
    """An old cookie that somebody planted changes nothing (P4), and costs nothing."""
    cookie = f"{as_cookie(steps.cookie_of('eve'))}; sid=k1"
    assert (steps.begin(cookie=cookie).session.subject, old.calls) == ("eve", [])


def test_a_dead_cookie_of_ours_is_no_obstacle(steps):
    cookie = f"{as_cookie('1.aa1AAAAAAAAAAAAAAAAAAAAAA.' + 'A' * 43)}; sid=k1"
    assert steps.begin(cookie=cookie).session.subject == "ada"


@pytest.mark.parametrize(
    "cookie", ["sid=", "sid=-", "sid=k1; sid=k2", "xsid=k1", "SID=k1", f"sid={'x' * 70_000}"]
)
def test_what_is_no_old_cookie_asks_nobody(steps, old, cookie):
    """Of two different ones neither counts (R60)."""
    visit = steps.begin(cookie=cookie)
    assert (visit.session.subject, old.calls) == (None, [])


def test_an_unknown_old_cookie_is_left_alone(steps):
    """Its answer could erase one that the old application has just set."""
    reply = steps.commit(steps.begin(**sent("k2")))
    assert cookies_set(reply) == {}


@pytest.mark.parametrize("call", ["read", "remove"])
def test_the_old_store_is_away(steps, old, call):
    """503 with `Retry-After`, and never "nobody is signed in" (P20); the next request moves it."""

    def away():
        raise StoreUnavailable("as the test wishes")

    old.before(call, away)
    assert steps.begin(**sent()).reply.status == 503
    assert steps.begin(**sent()).session.subject == "ada"


def test_a_sign_out_at_once(steps, old):
    """Both cookies go."""
    visit = steps.begin(**sent())
    visit.session.sign_out()
    reply = steps.commit(visit)
    assert cookies_set(reply) == {COOKIE: "", "sid": ""}
    steps.clock.advance(1)
    assert steps.begin(**sent()).session.subject is None


def test_an_error_of_the_server_signs_nobody_out(steps):
    """The move stands, and its cookie goes out with the error."""
    reply = steps.commit(steps.begin(**sent()), 500)
    assert steps.begin(cookie=as_cookie(cookies_set(reply)[COOKIE])).session.subject == "ada"


def test_a_sign_in_ends_the_old_session(steps, old):
    """Otherwise it would sign somebody in again, after the log-out of what they signed in to."""
    token, set_before = steps.token_for()
    pairs = "; ".join(f"{name}={value}" for name, value in set_before.items())
    visit = steps.begin("POST", cookie=f"{pairs}; sid=k1", **{"x-csrf-token": token})
    visit.session.sign_in("eve")
    reply = steps.commit(visit)
    assert (cookies_set(reply)["sid"], old.sessions) == ("", {})


def test_a_sign_out_ends_the_old_session(steps, old):
    """Of somebody whose session had not moved yet, in a request that moves none."""
    token, set_before = steps.token_for()
    pairs = "; ".join(f"{name}={value}" for name, value in set_before.items())
    visit = steps.begin("POST", cookie=f"{pairs}; sid=k1", **{"x-csrf-token": token})
    visit.session.sign_out()
    steps.commit(visit)
    assert old.sessions == {}


def test_a_sign_out_that_is_not_proved_ends_the_old_session(steps, old):
    """Otherwise the next request would sign them in again by it (P13)."""

    def unproved():
        raise NotDurable("as the test wishes")

    cookie = as_cookie(steps.cookie_of())
    token, _ = steps.token_for(cookie=cookie)
    visit = steps.begin("POST", cookie=f"{cookie}; sid=k1", **{"x-csrf-token": token})
    steps.store.after("delete", unproved)
    visit.session.sign_out()
    reply = steps.commit(visit)
    assert (reply.status, cookies_set(reply)) == (503, {COOKIE: "", "sid": ""})
    assert old.sessions == {}


def test_what_a_visitor_stores_ends_nothing(steps, old):
    """Only who signs in or out has no need of the old session any more."""
    token, set_before = steps.token_for()
    pairs = "; ".join(f"{name}={value}" for name, value in set_before.items())
    visit = steps.begin("POST", cookie=f"{pairs}; sid=k1", **{"x-csrf-token": token})
    visit.session["theme"] = "dark"
    steps.commit(visit)
    assert list(old.sessions) == ["k1"]


def test_the_same_name_for_both_cookies(settings):
    """Ours takes the place of the old one, and is not erased."""
    old = OldLibrary(k1=("ada", {}))
    old.cookie = COOKIE
    steps = Steps(settings, adopt=old)
    reply = steps.commit(steps.begin(cookie=as_cookie("k1")))
    assert steps.begin(cookie=as_cookie(cookies_set(reply)[COOKIE])).session.subject == "ada"
    steps.assembly.close()


def test_begin_and_commit_in_two_processes(steps, old):
    """The back-end API judges a request twice: both times it is the same session."""
    from holdfast.blocking import run

    first = steps.begin(**sent())
    again = run(steps.chain.resume(first.request, first.csrf))
    again.session["seen"] = 1
    reply = steps.commit(again)
    assert cookies_set(reply)[COOKIE] == first.session.cookie
    steps.clock.advance(GRACE)
    assert steps.begin(cookie=as_cookie(first.session.cookie)).session["seen"] == 1
