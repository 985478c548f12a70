"""Asymmetric keys as PEM: which algorithm a key is for, and its public half for a JWKS.

One key has one algorithm (R87). Only Ed25519, P-256 and RSA from 2048 bits on are accepted (R104).
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

from holdfast.errors import ConfigurationError
from holdfast.rules import base64url

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

Asymmetric = Literal["EdDSA", "ES256", "RS256"]
MIN_RSA_BITS = 2048
RSA_BITS = 3072
_ADVICE = "make one with: openssl genpkey -algorithm ed25519"


def private(pem: bytes) -> PrivateKeyTypes | None:
    """The private key in `pem`; None if it holds a public one.

    Raises:
        ConfigurationError: it holds neither, or the key is encrypted.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if b"PRIVATE KEY-----" not in pem:
        return None
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(f"signing key: not an unencrypted PEM key; {_ADVICE}") from None


def public(pem: bytes) -> PublicKeyTypes:
    """The public key in `pem`, or the public half of the private one.

    Raises:
        ConfigurationError: as `private`.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    held = private(pem)
    if held is not None:
        return held.public_key()
    try:
        return serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"signing key: not a PEM key; {_ADVICE}") from None


def algorithm(pem: bytes) -> Asymmetric:
    """The one algorithm that this key is for.

    Raises:
        ConfigurationError: no PEM key, another kind of key, or RSA below 2048 bits.
    """
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key = public(pem)
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ES256"
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ConfigurationError(
                f"signing key: RSA needs {MIN_RSA_BITS} bits, better {RSA_BITS} (R104); {_ADVICE}"
            )
        return "RS256"
    raise ConfigurationError(f"signing key: only Ed25519, P-256 and RSA are supported; {_ADVICE}")


def public_jwk(pem: bytes) -> dict[str, str]:
    """The members that RFC 7638 and RFC 8037 require of a public key, and no private one (R105)."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key: Any = public(pem)
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        return {"crv": "P-256", "kty": "EC", "x": _number(point.x, 32), "y": _number(point.y, 32)}
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"e": _number(numbers.e), "kty": "RSA", "n": _number(numbers.n)}
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url.encode(key.public_bytes_raw())}


def thumbprint(pem: bytes) -> str:
    """The key's name for those who know only its public half (RFC 7638)."""
    canonical = json.dumps(public_jwk(pem), separators=(",", ":"), sort_keys=True)
    return base64url.encode(sha256(canonical.encode()).digest())


def _number(value: int, size: int | None = None) -> str:
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
