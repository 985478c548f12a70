"""Liveness, readiness, public keys; and what is shown of the service to whom."""

import pytest

from holdfast.errors import StoreUnavailable
from holdfast.rules.keys import Key, KeyRing
from holdfast.service import building
from holdfast.service.app import create_app
from service.clients import EMAIL, PASSWORD, SECRET, Client, configuration, outcome


@pytest.fixture
def away(context, monkeypatch):
    """The store cannot answer."""

    def refused(*args, **kwargs):
        raise StoreUnavailable("the disk is away at /secret/path")

    for access in ("read_one", "attempt_all", "awrite"):
        monkeypatch.setattr(context.assembly.store.core, access, refused)


def test_alive_and_ready(client):
    """Both answer, to anybody."""
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_without_its_store_it_is_alive_and_not_ready(client, away):
    """503 with `Retry-After`, and nobody restarts it for that."""
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert outcome(answer) == (503, "store_unavailable")
    assert "Retry-After" in answer.headers
    assert "secret" not in answer.text


def test_cannot_know_is_not_not_signed_in(client, away):
    """503, and the cookie is left alone (P20)."""
    headers = {"Cookie": "session=1.aa1AAAAAAAAAAAAAAAAAAAAAA." + "A" * 43}
    answer = client.get("/api/me", headers=headers)
    assert outcome(answer) == (503, "store_unavailable")
    assert "Set-Cookie" not in answer.headers
    body = {"email": EMAIL, "password": PASSWORD}
    assert outcome(client.post("/login", json=body)) == (503, "store_unavailable")


def test_symmetric_keys_are_not_published(client):
    """An empty set."""
    assert client.get("/.well-known/jwks.json").json() == {"keys": []}


def test_public_halves_are_published(tmp_path, quick):
    """Without the private part, and they may be kept for a while (R105)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    ring = KeyRing.from_secrets([SECRET], environment="development", signing=[Key.from_pem(pem)])
    context = building.build(configuration(tmp_path), keys=ring)
    answer = Client(create_app(context)).get("/.well-known/jwks.json")
    context.close()
    (key,) = answer.json()["keys"]
    assert "d" not in key
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize(("profile", "status"), [("development", 200), ("production", 404)])
def test_the_document_is_shown_in_development(tmp_path, quick, profile, status):
    """Elsewhere only when asked (R168)."""
    secret = {"SECRET": SECRET, "PROFILE": profile}
    context = building.build(configuration(tmp_path, **secret))
    assert Client(create_app(context)).get("/openapi.json").status_code == status
    context.close()
    shown = building.build(configuration(tmp_path, **secret, EXPOSE_DOCS="yes"))
    assert Client(create_app(shown)).get("/openapi.json").status_code == 200
    shown.close()


def test_every_answer_has_the_security_headers(client):
    """Also errors (R84)."""
    for path in ("/healthz", "/api/me", "/nothing", "/login"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "Referrer-Policy" in headers
        assert "Server" not in headers


def test_a_first_start_has_no_account(tmp_path, quick):
    """Nobody can sign in before somebody was added (R169)."""
    context = building.build(configuration(tmp_path))
    rows = context.database.read("SELECT count(*) FROM users")
    context.close()
    assert rows == [(0,)]
