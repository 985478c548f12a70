"""Signing and verifying a token of ours, beside PyJWT and joserfc with the same checks.

ours            rules/jose.py: strict parsing of our own, PyJWT's algorithms for the signature
PyJWT, joserfc  the whole library, key prepared once, the same claims required
warm            a token that was verified before, from VerifiedCache
"""

from __future__ import annotations

import secrets
import warnings
from typing import TYPE_CHECKING, Any

import joserfc.jwk
import joserfc.jwt
import jwt

from bench import _measure as measure
from holdfast.rules import jose
from holdfast.rules.keys import Key, KeyRing
from holdfast.rules.verified import VerifiedCache

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = 1_700_000_000
NAME = "holdfast:production"
CALLS = {"HS256": 10_000, "EdDSA": 1_000, "ES256": 1_000, "RS256": 300}
if measure.QUICK:
    CALLS = dict.fromkeys(CALLS, 10)
CLAIMS: dict[str, Any] = {
    "iss": NAME,
    "aud": NAME,
    "sub": "user-1",
    "sid": "ab1" + "A" * 22,
    "role": "admin",
    "type": "access",
    "iat": NOW,
    "exp": 4_000_000_000,
    "jti": "ab1" + "A" * 22 + ".c29tZXJhbmRvbQ",
}


def ring(algorithm: str) -> KeyRing:
    """A ring whose access tokens are signed with this algorithm."""
    signing = [] if algorithm == "HS256" else [Key.from_pem(private_pem(algorithm))]
    return KeyRing.from_secrets(
        [secrets.token_urlsafe(32)], environment="production", signing=signing
    )


def private_pem(algorithm: str) -> bytes:
    """A new private key."""
    kinds = {"EdDSA": ("OKP", "Ed25519"), "ES256": ("EC", "P-256"), "RS256": ("RSA", 3072)}
    kind, size = kinds[algorithm]
    return joserfc.jwk.generate_key(kind, size, private=True).as_pem(private=True)  # type: ignore[call-overload]


def ours(keys: KeyRing, algorithm: str) -> dict[str, Callable[[], object]]:
    """Our own way."""
    token, cache = jose.sign(keys, "access", CLAIMS), VerifiedCache(100)

    def verify() -> Any:
        return jose.verify(
            keys, token, kind="access", issuer=NAME, audience=NAME, now_s=NOW, leeway_s=30
        )

    cache.put("access", token, verify())
    return {
        f"{algorithm} sign, ours": lambda: jose.sign(keys, "access", CLAIMS),
        f"{algorithm} verify, ours": verify,
        f"{algorithm} verify, ours, warm": lambda: cache.get("access", token, NOW),
    }


def pyjwt(keys: KeyRing, algorithm: str) -> dict[str, Callable[[], object]]:
    """The whole of PyJWT, without its refusal of a future `iat`."""
    key = keys.signer("access")
    token = jose.sign(keys, "access", CLAIMS)
    required = ["iss", "aud", "exp", "iat", "sub", "jti"]
    options: Any = {"require": required, "verify_iat": False}
    headers = {"typ": "at+jwt", "kid": key.kid}
    return {
        f"{algorithm} sign, PyJWT": lambda: jwt.encode(CLAIMS, key.signing_key, algorithm, headers),  # type: ignore[arg-type]
        f"{algorithm} verify, PyJWT": lambda: jwt.decode(
            token,
            key.verifying_key,
            [algorithm],
            options,
            audience=NAME,
            issuer=NAME,
            leeway=30,  # type: ignore[arg-type]
        ),
    }


def other(keys: KeyRing, algorithm: str) -> dict[str, Callable[[], object]]:
    """The whole of joserfc."""
    key = keys.signer("access")
    kinds = {"HS256": "oct", "EdDSA": "OKP", "ES256": "EC", "RS256": "RSA"}
    held: Any = joserfc.jwk.import_key(key.material, kinds[algorithm])  # type: ignore[call-overload]
    token = jose.sign(keys, "access", CLAIMS)
    header = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid}
    wanted: Any = {"essential": True, "value": NAME}
    present: Any = {"essential": True}
    registry = joserfc.jwt.JWTClaimsRegistry(
        leeway=30, iss=wanted, aud=wanted, exp=present, sub=present, jti=present
    )

    def verify() -> None:
        registry.validate(joserfc.jwt.decode(token, held, [algorithm]).claims)

    return {
        f"{algorithm} sign, joserfc": lambda: joserfc.jwt.encode(header, CLAIMS, held, [algorithm]),
        f"{algorithm} verify, joserfc": verify,
    }


def main() -> None:
    """Measure all algorithms in interleaved rounds."""
    warnings.simplefilter("ignore")
    figures: list[measure.Figure] = []
    ratios: list[measure.Ratio] = []
    for algorithm, calls in CALLS.items():
        keys = ring(algorithm)
        subjects = {
            **ours(keys, algorithm),
            **pyjwt(keys, algorithm),
            **other(keys, algorithm),
        }
        samples = measure.interleaved(
            {
                name: lambda f=call, n=calls: measure.per_call(f, n)
                for name, call in subjects.items()
            }
        )
        figures += [measure.figure(name, "µs", values) for name, values in samples.items()]
        ratios += [
            measure.ratio(
                f"{algorithm} {act}, ours over {peer}",
                samples[f"{algorithm} {act}, ours"],
                samples[f"{algorithm} {act}, {peer}"],
            )
            for act in ("sign", "verify")
            for peer in ("PyJWT", "joserfc")
        ]
    measure.publish("jose", figures, ratios, ("PyJWT", "joserfc", "cryptography", "msgspec"))


if __name__ == "__main__":
    main()
