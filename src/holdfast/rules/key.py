"""A named key: one name, one algorithm, one status (R87)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

from holdfast.errors import ConfigurationError
from holdfast.rules import pem, strength

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

Algorithm = Literal["HS256", "EdDSA", "Ed25519", "ES256", "RS256"]
Status = Literal["active", "verify", "retired"]
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, eq=False, kw_only=True)
class Key:
    """A named key. `material` is a secret (HS256) or PEM text; it is never shown.

    `active` signs and verifies, `verify` only verifies, `retired` does neither.
    """

    kid: str
    algorithm: Algorithm
    status: Status = "active"
    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _KID.fullmatch(self.kid):
            raise ConfigurationError("kid: 1 to 64 letters, digits, '_', '-'; for example 'key-1'")
        if self.algorithm == "HS256":
            if b"-----BEGIN" in self.material:
                raise ConfigurationError(
                    f"key {self.kid}: a PEM key is no secret (P30); see Key.from_pem"
                )
            return
        found = pem.algorithm(self.material)
        if self.algorithm != found and (self.algorithm, found) != ("Ed25519", "EdDSA"):
            raise ConfigurationError(f"key {self.kid}: must have algorithm={found!r} (R87)")
        if self.status == "active" and self.signing_key is None:
            raise ConfigurationError(f"key {self.kid}: a public key can only have status='verify'")

    @classmethod
    def from_pem(
        cls,
        text: str | bytes,
        *,
        status: Status = "active",
        kid: str | None = None,
        algorithm: Algorithm | None = None,
    ) -> Self:
        """An asymmetric key; its name is by default its RFC 7638 thumbprint.

        `algorithm` is by default EdDSA, ES256 or RS256 as the key demands; "Ed25519" is the newer
        name of EdDSA (RFC 9864, R92), for verifiers that know it.

        Raises:
            ConfigurationError: no usable key, or one of another algorithm.
        """
        raw = text.encode() if isinstance(text, str) else text
        return cls(
            kid=kid or pem.thumbprint(raw),
            algorithm=algorithm or pem.algorithm(raw),
            status=status,
            material=raw,
        )

    @cached_property
    def signing_key(self) -> bytes | PrivateKeyTypes | None:
        """What signs; None for the public half of a key."""
        return self.material if self.algorithm == "HS256" else pem.private(self.material)

    @cached_property
    def verifying_key(self) -> bytes | PublicKeyTypes:
        """What verifies."""
        return self.material if self.algorithm == "HS256" else pem.public(self.material)

    def jwk(self) -> dict[str, str]:
        """The public half, for a JWKS (RFC 7517, R105). Of asymmetric keys only."""
        return {
            **pem.public_jwk(self.material), "kid": self.kid, "alg": self.algorithm, "use": "sig",
        }  # fmt: skip


def live(keys: tuple[Key, ...]) -> list[Key]:
    """Those that are not retired, the active one first."""
    usable = [key for key in keys if key.status != "retired"]
    return sorted(usable, key=lambda key: key.status)  # "active" comes before "verify"


def demoted(key: Key) -> Key:
    """The key, which only verifies if it was active."""
    return replace(key, status="verify") if key.status == "active" else key


def verifies(keys: tuple[Key, ...], kid: str) -> bool:
    """Whether one of this name only verifies, and could be activated."""
    return any(key.kid == kid and key.status == "verify" for key in keys)


def activated(keys: tuple[Key, ...], kid: str) -> tuple[Key, ...]:
    """The keys, of which that of this name is the active one."""
    return tuple(replace(key, status="active") if key.kid == kid else demoted(key) for key in keys)


def require_one_active(name: str, keys: tuple[Key, ...]) -> None:
    """None could sign; of two nobody knows which does. `name` is that of the argument."""
    if sum(key.status == "active" for key in keys) != 1:
        raise ConfigurationError(f"{name}: exactly one key must be active; {strength.ADVICE}")


def require_strong(masters: tuple[Key, ...]) -> None:
    """Masters are secrets that nobody guesses (R91)."""
    for key in masters:
        if key.algorithm != "HS256":
            raise ConfigurationError("secrets: a master secret is symmetric; use signing=[…]")
        problem = strength.weakness(key.material)
        if problem is not None:
            raise ConfigurationError(f"secret: {problem}; {strength.ADVICE}")


def require_asymmetric(signing: tuple[Key, ...]) -> None:
    """A secret among the signing keys would be published (R86, R105)."""
    if any(key.algorithm == "HS256" for key in signing):
        raise ConfigurationError("signing: keys are EdDSA, ES256 or RS256; HS256 needs none")
