"""Introspection and revocation, for back ends that hold the key."""

import pytest

from service.clients import bearer, outcome

KEY = "k" * 16 + "0123456789abcdef-of-tests"


@pytest.fixture
def variables():
    return {"INTROSPECTION_KEY": KEY}


def ask(client, token, path="/introspect", key=KEY, **more):
    return client.post(path, data={"token": token, **more}, headers=bearer(key))


def test_a_live_token_is_described(client, ada):
    """Its claims, and which kind it is."""
    tokens = client.tokens()
    answer = ask(client, tokens["access_token"]).json()
    assert (answer["active"], answer["sub"], answer["token_type"]) == (
        True,
        ada.subject,
        "access_token",
    )
    refresh = ask(client, tokens["refresh_token"], token_type_hint="access_token").json()
    assert (refresh["active"], refresh["token_type"]) == (True, "refresh_token")


def test_every_dead_token_gets_the_same_bytes(client, clock):
    """Unknown, malformed, revoked, superseded, expired (R123)."""
    revoked, old = client.tokens(), client.tokens()
    client.post("/api/auth/logout", headers=bearer(revoked["access_token"]))
    client.refresh(old["refresh_token"])
    dead = ["x", "a.b.c", revoked["access_token"], revoked["refresh_token"], old["refresh_token"]]
    bodies = {ask(client, token).content for token in dead}
    clock.advance(2 * 3_600_000)
    bodies.add(ask(client, old["access_token"]).content)
    assert bodies == {b'{"active":false}'}


def test_only_who_holds_the_key_may_ask(client):
    """401 with a challenge, for no key and for a wrong one (R122)."""
    answer = client.post("/introspect", data={"token": "x"})
    assert outcome(answer) == (401, "unauthenticated")
    assert "WWW-Authenticate" in answer.headers
    for key in ("", "wrong", KEY[:-1], KEY + "x"):
        assert ask(client, "x", key=key).status_code == 401
    assert ask(client, "x", "/revoke", "wrong").status_code == 401


def test_revoking_an_access_token_leaves_the_session(client):
    """It alone is dead (RFC 7009)."""
    tokens = client.tokens()
    assert ask(client, tokens["access_token"], "/revoke").status_code == 200
    assert client.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401
    assert client.refresh(tokens["refresh_token"]).status_code == 200


def test_revoking_a_refresh_token_ends_the_session(client):
    """Also with a wrong hint; with every access token of it (R118, R120)."""
    tokens = client.tokens()
    hint = {"token_type_hint": "access_token"}
    assert ask(client, tokens["refresh_token"], "/revoke", **hint).status_code == 200
    assert client.get("/api/me", headers=bearer(tokens["access_token"])).status_code == 401


def test_revoking_nothing_is_no_error(client):
    """200 for what is no token (R119)."""
    assert ask(client, "nothing", "/revoke").json() == {}


def test_bad_requests(client):
    """415 for JSON, 400 without a token, 413 for a large body."""
    headers = bearer(KEY)
    assert client.post("/introspect", json={"token": "x"}, headers=headers).status_code == 415
    assert outcome(client.post("/introspect", data={"a": "b"}, headers=headers)) == (
        400,
        "token_required",
    )
    assert ask(client, "x" * 20_000).status_code == 413


class TestWithoutAKey:
    """There is no such route."""

    @pytest.fixture
    def variables(self):
        return {}

    @pytest.mark.parametrize("path", ["/introspect", "/revoke"])
    def test_the_routes_are_off(self, client, path):
        """404 for everybody."""
        assert ask(client, "x", path).status_code == 404
