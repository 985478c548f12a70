"""A key has one name, one algorithm and one status, and does not show itself."""

import json
from pathlib import Path

import pytest

from holdfast.errors import ConfigurationError
from holdfast.rules.key import Key

KEYS = json.loads((Path(__file__).parent.parent / "vectors" / "signing_keys.json").read_text())


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_pem_key_knows_its_algorithm(algorithm):
    """R87: not the token and not the caller says what a key is for."""
    key = Key.from_pem(KEYS[algorithm]["private"])
    assert (key.algorithm, key.status) == (algorithm, "active")
    older = Key.from_pem(KEYS[algorithm]["public"], status="verify")
    assert older.kid == key.kid
    assert older.signing_key is None
    assert older.verifying_key == key.verifying_key


def test_the_newer_name_of_eddsa_can_be_asked_for():
    """R92, RFC 9864."""
    assert Key.from_pem(KEYS["EdDSA"]["private"], algorithm="Ed25519").algorithm == "Ed25519"


@pytest.mark.parametrize(
    ("held", "claimed"), [("RS256", "ES256"), ("EdDSA", "ES256"), ("ES256", "Ed25519")]
)
def test_a_key_cannot_be_for_another_algorithm(held, claimed):
    """R87."""
    with pytest.raises(ConfigurationError) as caught:
        Key.from_pem(KEYS[held]["private"], algorithm=claimed)
    assert "algorithm" in str(caught.value)


@pytest.mark.parametrize("half", ["private", "public"])
def test_a_pem_key_is_no_hmac_secret(half):
    """P30: a public key as HMAC secret is known to everybody."""
    with pytest.raises(ConfigurationError) as caught:
        Key.from_pem(KEYS["RS256"][half], algorithm="HS256", status="verify")
    assert "PEM" in str(caught.value)


def test_a_public_key_cannot_be_the_active_one():
    """It could not sign."""
    with pytest.raises(ConfigurationError) as caught:
        Key.from_pem(KEYS["ES256"]["public"])
    assert "verify" in str(caught.value)


@pytest.mark.parametrize("kid", ["", "a b", "../../etc/passwd", "'; --", "k" * 65, "é", "a\n"])
def test_names_are_plain(kid):
    """R88: nothing that a path, a query or a log could trip over."""
    with pytest.raises(ConfigurationError):
        Key(kid=kid, algorithm="HS256", material=b"x" * 32)


def test_a_key_never_shows_its_material():
    """Promise 4."""
    key = Key.from_pem(KEYS["EdDSA"]["private"])
    shown = repr(key) + str(key) + f"{key}"
    assert "PRIVATE" not in shown
    assert "material" not in shown
