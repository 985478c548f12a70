"""Sign in, refresh and sign out with tokens, with the bodies and statuses of the specification."""

import jwt
import pytest

from service.clients import EMAIL, PASSWORD, Client, bearer, outcome


def claims(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_login_answers_with_tokens(client, ada):
    """The body of the specification, with its claims."""
    answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["expires_in"], body["token_type"]) == (3600, "Bearer")
    access, refresh = claims(body["access_token"]), claims(body["refresh_token"])
    assert (access["sub"], access["email"], access["role"]) == (ada.subject, EMAIL, "admin")
    assert (access["type"], refresh["type"]) == ("access", "refresh")
    assert access["sid"] == refresh["sid"]


def test_no_token_answer_may_be_kept_or_sets_a_cookie(client):
    """`Cache-Control: no-store` and no `Set-Cookie` (R40, R117)."""
    answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
    refused = client.post("/login", json={"email": EMAIL, "password": "wrong"})
    refreshed = client.refresh(answer.json()["refresh_token"])
    for each in (answer, refused, refreshed):
        assert each.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in each.headers


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("nobody@example.org", PASSWORD), ("@", PASSWORD)]
)
def test_wrong_credentials_have_one_answer(client, email, password):
    """401 `Invalid credentials`, byte for byte the same for every cause (R166)."""
    answer = client.post("/login", json={"email": email, "password": password})
    assert answer.status_code == 401
    assert answer.json() == {"error": "Invalid credentials", "code": "invalid_credentials"}


@pytest.mark.parametrize(
    "body", [{}, {"email": EMAIL}, {"password": "x"}, {"email": 1, "password": []}]
)
def test_login_needs_both_halves(client, body):
    """400, before anything is looked up."""
    assert outcome(client.post("/login", json=body)) == (400, "credentials_required")


@pytest.mark.parametrize("spelling", [" ADA@Example.ORG ", "ada@example.org"])
def test_an_address_has_one_spelling(client, spelling):
    """Case and outer space do not count."""
    assert client.post("/login", json={"email": spelling, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize("path", ["/refresh", "/api/auth/refresh"])
def test_refresh_rotates(client, path):
    """New tokens of the same session; who is signed in and as what stays (R47)."""
    first = client.tokens()
    answer = client.post(path, json={"refresh_token": first["refresh_token"]})
    assert answer.status_code == 200
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    before, after = claims(first["access_token"]), claims(second["access_token"])
    assert {name: after[name] for name in ("sid", "sub", "email", "role", "auth_time")} == {
        name: before[name] for name in ("sid", "sub", "email", "role", "auth_time")
    }


def test_a_retry_inside_the_grace_gets_the_same_successor(client):
    """A lost answer signs nobody out."""
    first = client.tokens()
    second = client.refresh(first["refresh_token"]).json()
    again = client.refresh(first["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] == second["refresh_token"]


def test_reuse_after_the_grace_ends_everything(client, clock, events):
    """401, and every credential of the session is dead (R107)."""
    first = client.tokens()
    second = client.refresh(first["refresh_token"]).json()
    clock.advance(31_000)
    assert outcome(client.refresh(first["refresh_token"])) == (401, "invalid_token")
    assert client.refresh(second["refresh_token"]).status_code == 401
    assert client.get("/api/me", headers=bearer(second["access_token"])).status_code == 401
    assert any(event.name == "authn_token_reuse" for event in events)


@pytest.mark.parametrize(
    "body", [{}, {"refresh_token": ""}, {"refresh_token": None}, {"refresh_token": 7}]
)
def test_refresh_needs_a_token(client, body):
    """400 `Refresh token required`."""
    answer = client.post("/refresh", json=body)
    assert answer.status_code == 400
    assert answer.json() == {"error": "Refresh token required", "code": "refresh_token_required"}


def test_an_access_token_is_no_refresh_token(client):
    """401 `Invalid token type`, as the specification words it."""
    answer = client.refresh(client.tokens()["access_token"])
    assert answer.status_code == 401
    assert answer.json() == {"error": "Invalid token type", "code": "invalid_token_type"}


def test_an_expired_refresh_token_says_so(client, clock):
    """401 `Token expired`."""
    token = client.tokens()["refresh_token"]
    clock.advance(8 * 24 * 3_600_000)
    assert client.refresh(token).json() == {"error": "Token expired", "code": "token_expired"}


def test_logout_ends_every_credential(client):
    """`Logged out successfully`; access and refresh token are refused at once (R31)."""
    tokens = client.tokens()
    answer = client.post("/api/auth/logout", headers=bearer(tokens["access_token"]))
    assert answer.status_code == 200
    assert answer.json() == {"message": "Logged out successfully"}
    assert "Set-Cookie" not in answer.headers
    assert client.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert client.refresh(tokens["refresh_token"]).status_code == 401


def test_logout_needs_a_token(client):
    """401 `No token provided`; a refresh token is none that counts here."""
    answer = client.post("/api/auth/logout")
    assert (answer.status_code, answer.json()["error"]) == (401, "No token provided")
    assert "WWW-Authenticate" in answer.headers
    refresh = client.tokens()["refresh_token"]
    assert outcome(client.post("/api/auth/logout", headers=bearer(refresh))) == (
        401,
        "invalid_token_type",
    )


def test_a_cookie_counts_for_nothing_here(client, app):
    """A browser's session neither signs out nor is touched by the token endpoints, from any origin."""
    client.sign_in()
    cross_site = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    body = {"email": EMAIL, "password": PASSWORD}
    answer = client.post("/login", json=body, headers=cross_site)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert client.post("/api/auth/logout").status_code == 401
    assert client.get("/api/me").status_code == 200


def test_refresh_is_limited_by_session(client):
    """429 with `Retry-After` after 100 in 15 minutes; other sessions go on (R151)."""
    token = client.tokens()["refresh_token"]
    answers = [client.refresh(token) for _ in range(101)]
    assert [answer.status_code for answer in answers[:100]] == [200] * 100
    assert outcome(answers[100]) == (429, "rate_limited")
    assert int(answers[100].headers["Retry-After"]) > 0
    assert client.refresh(client.tokens()["refresh_token"]).status_code == 200


def test_a_disabled_account_looks_like_a_wrong_password(client, administration, ada):
    """The same answer, and its sessions are over (R32)."""
    tokens = client.tokens()
    assert administration.disable(ada) == 1
    assert outcome(client.post("/login", json={"email": EMAIL, "password": PASSWORD})) == (
        401,
        "invalid_credentials",
    )
    assert client.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401


def test_a_password_change_during_a_sign_in_takes_it_back(context, client, administration, ada):
    """Account and credential version are looked at again after the session exists."""
    check = context.authenticator.check

    def slow(email, password):
        account = check(email, password)
        administration.set_password(ada, "another long password")
        return account

    context.authenticator.check = slow
    answer = client.post("/login", json={"email": EMAIL, "password": PASSWORD})
    assert outcome(answer) == (401, "session_ended")
    assert context.assembly.blocking.sessions_of(ada.subject).records == ()


def test_plain_http_is_refused_elsewhere(app):
    """Only loopback may speak plain HTTP; the health probes may from anywhere."""
    far = Client(app, address="192.0.2.7", base="http://sessions.example.org")
    body = {"email": EMAIL, "password": PASSWORD}
    assert outcome(far.post("/login", json=body)) == (403, "https_required")
    assert far.get("/healthz").status_code == 200
