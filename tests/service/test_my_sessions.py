"""My sessions: list, end one, end the others."""

from datetime import timedelta

import pytest

from service.clients import PASSWORD, Client, bearer, outcome


@pytest.fixture
def signed_in(client):
    client.sign_in()
    return client


def listed(client):
    return client.get("/api/sessions").json()["sessions"]


def test_a_list_says_what_each_is(signed_in, other):
    """Device, times, address, and which one is this (R36)."""
    other.tokens()
    mine, theirs = listed(signed_in)
    assert (mine["current"], theirs["current"]) == (True, False)
    assert (mine["device"], theirs["device"]) == ("Firefox on Linux", "curl")
    assert mine["address"] == "127.0.0.1"
    assert mine["created_at"].endswith("Z")


def test_a_list_has_pages(signed_in, other):
    """Keyset paging; a page is never empty before the end (P22)."""
    for _ in range(4):
        other.tokens()
    first = signed_in.get("/api/sessions?limit=3").json()
    rest = signed_in.get(f"/api/sessions?limit=3&after={first['after']}").json()
    assert (len(first["sessions"]), len(rest["sessions"]), rest["after"]) == (3, 2, None)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=-1", "after=x", "limit=%F0%9F"]
)
def test_bad_paging_is_refused(signed_in, query):
    """400, not a guess."""
    assert outcome(signed_in.get(f"/api/sessions?{query}")) == (400, "bad_parameter")


def test_ending_one(signed_in, other):
    """It is refused at once, with all its credentials; ending it again finds nothing."""
    tokens = other.tokens()
    id = next(each["id"] for each in listed(signed_in) if not each["current"])
    answer = signed_in.request("DELETE", f"/api/sessions/{id}", headers=signed_in.csrf())
    assert answer.json() == {"success": True}
    assert other.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert other.refresh(tokens["refresh_token"]).status_code == 401
    again = signed_in.request("DELETE", f"/api/sessions/{id}", headers=signed_in.csrf())
    assert outcome(again) == (404, "not_found")


def test_ending_one_that_has_expired(signed_in, other, context, clock):
    """What is over, and was not swept yet, is not there any more."""
    policy = context.sessions.settings.policy("default")
    other.tokens()
    id = next(each["id"] for each in listed(signed_in) if not each["current"])
    clock.advance(policy.absolute)
    signed_in.sign_in()
    answer = signed_in.request("DELETE", f"/api/sessions/{id}", headers=signed_in.csrf())
    assert outcome(answer) == (404, "not_found")


def test_ending_this_one_signs_out(signed_in):
    """The cookie is cleared like at sign-out."""
    id = listed(signed_in)[0]["id"]
    answer = signed_in.request("DELETE", f"/api/sessions/{id}", headers=signed_in.csrf())
    assert "Clear-Site-Data" in answer.headers
    assert signed_in.get("/api/me").status_code == 401


def test_ending_the_others(signed_in, other):
    """All but this one; how many."""
    for _ in range(3):
        other.tokens()
    answer = signed_in.post("/api/sessions/end-others", headers=signed_in.csrf())
    assert answer.json() == {"ended": 3}
    assert [each["current"] for each in listed(signed_in)] == [True]


def test_somebody_elses_session_is_not_there(signed_in, app, administration):
    """404, like an unknown id, and it goes on (R173)."""
    administration.add("bob@example.org", PASSWORD)
    bob = Client(app)
    bob.sign_in("bob@example.org")
    id = listed(bob)[0]["id"]
    answer = signed_in.request("DELETE", f"/api/sessions/{id}", headers=signed_in.csrf())
    assert outcome(answer) == (404, "not_found")
    assert bob.get("/api/me").status_code == 200


@pytest.mark.parametrize(
    "id", ["x", "aa1AAAAAAAAAAAAAAAAAAAAAA", "a" * 5000, "%00", "..%2f..", "'--"]
)
def test_an_impossible_id_is_not_there(signed_in, id):
    """404 for any shape."""
    answer = signed_in.request("DELETE", f"/api/sessions/{id}", headers=signed_in.csrf())
    assert outcome(answer) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/sessions/aa1AAAAAAAAAAAAAAAAAAAAAA"), ("POST", "/api/sessions/end-others")],
)
def test_ending_needs_a_fresh_sign_in(signed_in, clock, context, method, path):
    """401 with RFC 9470's challenge; after the password once more it goes on (R36, R46)."""
    clock.advance((context.options.fresh_for + timedelta(seconds=1)) // timedelta(milliseconds=1))
    stale = signed_in.request(method, path, headers=signed_in.csrf())
    assert outcome(stale) == (401, "reauthentication_required")
    challenge = stale.headers["WWW-Authenticate"]
    assert "insufficient_user_authentication" in challenge
    assert 'max_age="600"' in challenge
    signed_in.post("/api/reauthenticate", json={"password": PASSWORD}, headers=signed_in.csrf())
    fresh = signed_in.request(method, path, headers=signed_in.csrf())
    assert fresh.status_code in {200, 404}


def test_a_list_of_nobody(client):
    """401."""
    assert client.get("/api/sessions").status_code == 401
