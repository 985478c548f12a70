"""A named key: one name, one algorithm, one status (R87)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Self

from holdfast.errors import ConfigurationError
from holdfast.rules import pem

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
                raise ConfigurationError(f"key {self.kid}: a PEM key is no secret (P30)")
            return
        found = pem.algorithm(self.material)
        if self.algorithm != found and (self.algorithm, found) != ("Ed25519", "EdDSA"):
            raise ConfigurationError(f"key {self.kid}: its algorithm is {found!r} (R87)")
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
