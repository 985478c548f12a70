"""Somebody has a copy of a credential. What it is good for, for how long, and what its owner can do."""

import pytest

from service.clients import EMAIL, PASSWORD, Client, bearer, outcome

FAR = "198.51.100.7"
MINUTE = 60_000


@pytest.fixture
def owner(client):
    client.sign_in()
    return client


@pytest.fixture
def thief(app, owner):
    """Another machine with the owner's session cookie, and nothing else of the owner's."""
    thief = Client(app, agent="curl/8.0")
    thief.http.cookies.set("session", owner.http.cookies["session"])
    assert thief.get("/api/me").json()["email"] == EMAIL
    return thief


def spend(client, headers):
    """Use up the budget of the session; the last status."""
    return [client.post("/api/reauthenticate", json={}, headers=headers) for _ in range(101)][-1]


def test_a_thief_cannot_keep_the_owner_from_signing_out(owner, thief):
    """A spent budget stops everything but the way out (R31)."""
    csrf = owner.csrf()
    assert spend(thief, thief.csrf()).status_code == 429
    assert outcome(owner.post("/api/reauthenticate", json={}, headers=csrf)) == (
        429,
        "rate_limited",
    )
    assert owner.post("/api/logout", headers=csrf).json() == {"success": True}
    assert thief.get("/api/me").status_code == 401
    assert owner.sign_in().status_code == 200


def test_nor_from_signing_out_on_the_page(owner, thief):
    """The button of the pages, as well."""
    form = {"csrf_token": owner.csrf()["X-CSRF-Token"]}
    spend(thief, thief.csrf())
    assert owner.post("/sign-out", data=form).status_code == 303
    assert thief.get("/api/me").status_code == 401


def test_nor_from_signing_out_by_token(client):
    """A stolen access token spends nothing that log-out needs."""
    tokens = client.tokens()
    mine = bearer(tokens["access_token"])
    assert [client.post("/api/reauthenticate", json={}, headers=mine) for _ in range(101)][
        -1
    ].status_code == 429
    assert client.post("/api/auth/logout", headers=mine).status_code == 200
    assert client.get("/api/me", headers=mine).status_code == 401


def test_the_password_once_more_shakes_a_thief_off(owner, thief):
    """Re-authentication replaces the secret: the copy is refused at once (R14)."""
    assert owner.post("/api/reauthenticate", json={"password": PASSWORD}, headers=owner.csrf())
    assert thief.get("/api/me").status_code == 401
    assert owner.get("/api/me").status_code == 200


def test_another_browser_shakes_a_thief_off(owner, thief, app):
    """To sign out all others, from anywhere, reaches the copied session."""
    elsewhere = Client(app)
    elsewhere.sign_in()
    elsewhere.post("/api/sessions/end-others", headers=elsewhere.csrf())
    assert thief.get("/api/me").status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/sessions/end-others"), ("DELETE", "/api/sessions/aa1AAAAAAAAAAAAAAAAAAAAAA")],
)
def test_an_old_copy_ends_nobody(thief, clock, method, path):
    """What matters asks for the password when the sign-in is old (R36)."""
    clock.advance(11 * MINUTE)
    answer = thief.request(method, path, headers=thief.csrf())
    assert outcome(answer) == (401, "reauthentication_required")


def test_activity_of_a_thief_does_not_make_the_sign_in_fresh(thief, clock):
    """Nor does it outlive the absolute limit (R22)."""
    for _ in range(3):
        clock.advance(5 * MINUTE)
        thief.get("/api/sessions")
    assert thief.post("/api/sessions/end-others", headers=thief.csrf()).status_code == 401
    for _ in range(8 * 24):
        clock.advance(60 * MINUTE)
        last = thief.get("/api/me")
    assert last.status_code == 401


def test_a_thief_guesses_a_password_as_slowly_as_anybody(app, thief, owner):
    """A session is no way around the throttle, and its owner is not locked out (R148, R149)."""
    csrf = thief.csrf()
    tries = [
        outcome(thief.post("/api/reauthenticate", json={"password": f"{n}"}, headers=csrf))
        for n in range(22)
    ]
    assert tries == [(401, "invalid_credentials")] * 20 + [(429, "too_many_attempts")] * 2
    elsewhere = Client(app, address=FAR, base="https://sessions.example.org")
    assert elsewhere.tokens()


def test_a_csrf_token_alone_is_worth_nothing(owner, app):
    """Without the cookie it neither signs in nor out."""
    token = owner.csrf()
    thief = Client(app)
    for path in ("/api/login", "/api/logout", "/api/reauthenticate"):
        assert thief.post(path, json={}, headers=token).status_code in {401, 403}
    assert owner.get("/api/me").status_code == 200


def test_a_list_of_sessions_gives_nothing_to_steal(owner, app):
    """Ids are public: as a cookie, a token or a CSRF token they are refused (R173)."""
    id = owner.get("/api/sessions").json()["sessions"][0]["id"]
    thief = Client(app)
    for cookie in (id, f"1.{id}.", f"1.{id}.{id}", f"1.{id}.{'A' * 43}"):
        assert thief.get("/api/me", headers={"Cookie": f"session={cookie}"}).status_code == 401
    assert thief.get("/api/me", headers=bearer(id)).status_code == 401
    assert owner.get("/api/me").status_code == 200


def test_a_stolen_refresh_token_is_found_out(client, app, clock, events):
    """Whoever comes second after the grace ends it for both, and it is on record (R107)."""
    tokens = client.tokens()
    thief = Client(app)
    stolen = thief.refresh(tokens["refresh_token"]).json()
    clock.advance(31_000)
    assert client.refresh(tokens["refresh_token"]).status_code == 401
    assert thief.refresh(stolen["refresh_token"]).status_code == 401
    assert thief.get("/api/me", headers=bearer(stolen["access_token"])).status_code == 401
    assert [event.severity for event in events if event.name == "authn_token_reuse"] == ["CRITICAL"]


def test_inside_the_grace_another_kind_of_client_is_a_thief(client, app, events):
    """A retry comes from the same program."""
    tokens = client.tokens()
    assert client.refresh(tokens["refresh_token"]).status_code == 200
    thief = Client(app, agent="Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36")
    assert thief.refresh(tokens["refresh_token"]).status_code == 401
    assert events[-1].reason == "wrong_client"
