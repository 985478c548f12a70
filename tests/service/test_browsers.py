"""Browsers with scripts: CSRF token, sign-in and sign-out by cookie, the password once more."""

from service.clients import EMAIL, PASSWORD, Client, bearer, outcome

BODY = {"email": EMAIL, "password": PASSWORD}


def session_of(client):
    return client.http.cookies["session"]


def test_a_csrf_token_comes_with_a_pre_session(client):
    """`{"csrfToken": "…"}` and a cookie that stores nothing on the server."""
    answer = client.get("/csrf-token")
    assert list(answer.json()) == ["csrfToken"]
    assert answer.headers["Set-Cookie"].startswith("presession=")
    assert "HttpOnly; SameSite=Strict" in answer.headers["Set-Cookie"]


def test_sign_in_sets_the_session_cookie(client, ada):
    """`{"success": true}`; the cookie alone then says who it is."""
    answer = client.sign_in()
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    me = client.get("/api/me").json()
    assert (me["subject"], me["email"], me["role"]) == (ada.subject, EMAIL, "admin")


def test_the_cookie_value_is_in_no_body(client):
    """HttpOnly would be for nothing otherwise (R55)."""
    client.sign_in()
    secret = session_of(client).rpartition(".")[2]
    for path in ("/api/me", "/api/sessions", "/csrf-token", "/sessions"):
        assert secret not in client.get(path).text


def test_sign_in_needs_a_csrf_token(client):
    """403 without one, and with that of another visitor (R82)."""
    assert outcome(client.post("/api/login", json=BODY)) == (403, "csrf_failed")
    foreign = Client(client.http._transport.app).csrf()
    client.csrf()
    assert outcome(client.post("/api/login", json=BODY, headers=foreign)) == (403, "csrf_failed")


def test_sign_in_from_another_site_is_refused(client):
    """Fetch Metadata and Origin can only refuse, also with a valid token."""
    headers = client.csrf() | {"Sec-Fetch-Site": "cross-site"}
    assert outcome(client.post("/api/login", json=BODY, headers=headers)) == (403, "csrf_failed")


def test_wrong_credentials_set_no_session(client):
    """401, and no cookie but the visitor's own pre-session."""
    answer = client.sign_in(password="wrong")
    assert outcome(answer) == (401, "invalid_credentials")
    assert "session" not in client.http.cookies


def test_a_second_sign_in_ends_the_first(client, app):
    """A new id at each sign-in; the old cookie is dead (R14)."""
    client.sign_in()
    old = session_of(client)
    client.sign_in()
    assert session_of(client) != old
    thief = Client(app)
    thief.http.cookies.set("session", old)
    assert thief.get("/api/me").status_code == 401


def test_sign_out_clears_the_browser(client):
    """An expiring cookie, and exactly the three kinds of site data (R38, R41)."""
    client.sign_in()
    old = session_of(client)
    answer = client.post("/api/logout", headers=client.csrf())
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert answer.headers["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    cookies = answer.headers.get_list("Set-Cookie")
    assert any(text.startswith("session=;") and "Max-Age=0" in text for text in cookies)
    client.http.cookies.set("session", old)
    assert client.get("/api/me").status_code == 401


def test_sign_out_needs_a_token_and_a_session(client):
    """403 without the one, 401 without the other; never by GET (R69)."""
    assert client.post("/api/logout", json={}).status_code == 401
    client.sign_in()
    assert outcome(client.post("/api/logout", json={})) == (403, "csrf_failed")
    assert client.get("/api/logout").status_code == 405
    assert client.get("/api/me").status_code == 200


def test_sign_in_replaces_the_csrf_token(client):
    """A token from before the sign-in is worth nothing after it (R74)."""
    before = client.csrf()
    client.post("/api/login", json=BODY, headers=before)
    assert outcome(client.post("/api/logout", headers=before)) == (403, "csrf_failed")


def test_the_password_once_more(client, app, clock):
    """A new secret for the same session: the old cookie is refused, the sign-in is fresh (R14)."""
    client.sign_in()
    old = session_of(client)
    clock.advance(3_600_000)
    answer = client.post("/api/reauthenticate", json={"password": PASSWORD}, headers=client.csrf())
    assert answer.status_code == 200
    assert session_of(client).split(".")[1] == old.split(".")[1]
    assert client.get("/api/me").status_code == 200
    thief = Client(app)
    thief.http.cookies.set("session", old)
    assert thief.get("/api/me").status_code == 401


def test_a_wrong_password_does_not_reauthenticate(client):
    """401, and the session goes on as before."""
    client.sign_in()
    answer = client.post("/api/reauthenticate", json={"password": "no"}, headers=client.csrf())
    assert outcome(answer) == (401, "invalid_credentials")
    assert client.get("/api/me").status_code == 200


def test_me_takes_a_bearer_token_too(client, other):
    """One guard for both credentials."""
    tokens = other.tokens()
    assert other.get("/api/me", headers=bearer(tokens["access_token"])).json()["email"] == EMAIL


def test_nobody_is_nobody(client):
    """401 with a challenge."""
    answer = client.get("/api/me")
    assert outcome(answer) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
