"""The specification's complete example and its twin: one table for both."""

import pytest

from holdfast.testing import FakeClock, client, csrf, isolated

ADA = {"email": "ada@example.org", "password": "correct horse battery staple"}
HOUR = 3_600_000


@pytest.fixture(params=["flask_complete", "fastapi_complete"])
def app(request, example):
    return example(request.param).app


@pytest.fixture
def clock(app):
    clock = FakeClock()
    with isolated(app, clock=clock):
        yield clock


@pytest.fixture
def browser(app, clock):
    return client(app)


def said(answer):
    body = answer.json() if callable(answer.json) else answer.json
    return answer.status_code, body


def bearer(tokens):
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def test_tokens_as_specified(browser):
    """The four fields, with the specification's numbers; no cookie."""
    status, tokens = said(browser.post("/login", json=ADA))
    assert status == 200
    assert set(tokens) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert (tokens["expires_in"], tokens["token_type"]) == (3600, "Bearer")
    assert said(browser.get("/me")) == (401, {"error": "Unauthorized", "code": "unauthenticated"})
    assert said(browser.get("/me", headers=bearer(tokens))) == (
        200,
        {"user": "user-1", "role": "admin"},
    )


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"email": "eve@example.org"}])
def test_wrong_credentials(browser, wrong):
    """The same answer for a wrong password and an unknown e-mail, by either way in."""
    refused = 401, {"error": "Invalid credentials"}
    assert said(browser.post("/login", json=ADA | wrong)) == refused
    assert said(browser.post("/api/login", json=ADA | wrong, headers=csrf(browser))) == refused


@pytest.mark.parametrize("path", ["/refresh", "/api/auth/refresh"])
def test_refresh(browser, clock, path):
    """400 and 401 with the specification's words; rotation keeps role and e-mail."""
    _, tokens = said(browser.post("/login", json=ADA))
    assert said(browser.post(path, json={})) == (400, {"error": "Refresh token required"})
    junk = {"refresh_token": "junk"}
    assert said(browser.post(path, json=junk)) == (401, {"error": "Invalid token"})
    other = {"refresh_token": tokens["access_token"]}
    assert said(browser.post(path, json=other))[0] == 401
    clock.advance(2 * HOUR)
    status, renewed = said(browser.post(path, json={"refresh_token": tokens["refresh_token"]}))
    assert status == 200
    assert browser.get("/me", headers=bearer(tokens)).status_code == 401
    assert said(browser.get("/me", headers=bearer(renewed)))[1]["role"] == "admin"
    clock.advance(HOUR)
    reused = browser.post(path, json={"refresh_token": tokens["refresh_token"]})
    assert said(reused) == (401, {"error": "Invalid token"})
    late = browser.post(path, json={"refresh_token": renewed["refresh_token"]})
    assert said(late)[0] == 401


def test_log_out_ends_every_token(browser):
    """Access and refresh token die together."""
    _, tokens = said(browser.post("/login", json=ADA))
    assert browser.post("/api/auth/logout").status_code == 401
    answer = browser.post("/api/auth/logout", headers=bearer(tokens))
    assert said(answer) == (200, {"message": "Logged out successfully"})
    assert browser.get("/me", headers=bearer(tokens)).status_code == 401
    dead = {"refresh_token": tokens["refresh_token"]}
    assert said(browser.post("/refresh", json=dead)) == (401, {"error": "Invalid token"})


def test_a_browser_as_the_specifications_script_does_it(browser):
    """GET /csrf-token, then POST /api/login with X-CSRF-Token, then the cookie alone."""
    assert browser.post("/api/login", json=ADA).status_code == 403
    token = said(browser.get("/csrf-token"))[1]["csrfToken"]
    answer = browser.post("/api/login", json=ADA, headers={"X-CSRF-Token": token})
    assert said(answer) == (200, {"success": True})
    assert said(browser.get("/me")) == (200, {"user": "user-1", "role": "admin"})
    assert browser.post("/api/logout").status_code == 403
    assert said(browser.post("/api/logout", headers=csrf(browser))) == (200, {"success": True})
    assert browser.get("/me").status_code == 401


def test_log_out_everywhere(app, browser):
    """The list of devices, and the end of them all."""
    phone = client(app)
    for each in (browser, phone):
        each.post("/api/login", json=ADA, headers=csrf(each))
    _, tokens = said(client(app).post("/login", json=ADA))
    assert len(said(browser.get("/api/sessions"))[1]) == 3
    assert said(phone.post("/api/logout-everywhere", headers=csrf(phone))) == (200, {"ended": 3})
    assert browser.get("/me").status_code == phone.get("/me").status_code == 401
    assert browser.get("/me", headers=bearer(tokens)).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b'{"email": 1, "password": []}']
)
def test_bodies_of_any_shape(browser, body):
    """4xx."""
    for path in ("/login", "/refresh"):
        answer = browser.post(
            path, headers={"Content-Type": "application/json"}, **_raw(browser, body)
        )
        assert 400 <= answer.status_code < 500


def _raw(browser, body):
    return {"data": body} if hasattr(browser, "application") else {"content": body}
