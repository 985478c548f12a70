"""Signing keys: which are accepted, and that their JWK is public."""

import json
from pathlib import Path

import pytest
from jwt.algorithms import get_default_algorithms

from holdfast.errors import ConfigurationError
from holdfast.rules import pem

KEYS = json.loads((Path(__file__).parent.parent / "vectors" / "signing_keys.json").read_text())
ALGORITHMS = ["EdDSA", "ES256", "RS256"]


@pytest.mark.parametrize("case", KEYS["refused"])
def test_unfit_keys_are_refused_with_advice(case):
    """R104: RSA from 2048 bits, P-256, Ed25519; nothing else, and nothing encrypted."""
    text = KEYS["refused"][case]
    with pytest.raises(ConfigurationError) as caught:
        pem.algorithm(text.encode())
    assert "openssl genpkey -algorithm ed25519" in str(caught.value)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_jwk_is_what_the_jose_library_would_write(algorithm):
    """From the private and from the public half alike, and without private members (R105)."""
    text = KEYS[algorithm]["private"].encode()
    jwk = pem.public_jwk(text)
    library = get_default_algorithms()[algorithm]
    expected = library.to_jwk(pem.public(text), as_dict=True)
    assert jwk == {name: expected[name] for name in jwk}
    assert pem.public_jwk(KEYS[algorithm]["public"].encode()) == jwk
    assert not jwk.keys() & {"d", "k", "p", "q", "dp", "dq", "qi", "oth"}
    assert library.from_jwk(jwk) == pem.public(text)


def test_thumbprint_of_rfc_8037():
    """Appendix A.3."""
    assert pem.thumbprint(KEYS["EdDSA"]["private"].encode()) == KEYS["EdDSA"]["thumbprint"]
