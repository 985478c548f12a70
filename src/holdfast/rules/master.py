"""A master secret: one secret that stands for many keys, each derived by HKDF-SHA256.

The label names format, environment and purpose, so that a secret copied from staging opens nothing
in production (P36, R170).
"""

from __future__ import annotations

from holdfast.rules import base64url
from holdfast.rules.key import Key, Status


def master(secret: str | bytes, environment: str, status: Status) -> Key:
    """A master secret as a key, whose name is derived from it and from the environment.

    White space around a text is dropped, as files and environment variables add it.
    """
    material = secret.strip().encode() if isinstance(secret, str) else secret
    kid = base64url.encode(derived(material, environment, "kid", 9))
    return Key(kid=kid, algorithm="HS256", status=status, material=material)


def derived(secret: bytes, environment: str, purpose: str, length: int) -> bytes:
    """The key of `length` bytes for one purpose; neither name may hold a "/"."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # No part can hold a "/", so that labels of different parts never meet (P38).
    label = f"holdfast/1/{environment}/{purpose}"
    return HKDF(SHA256(), length, salt=None, info=label.encode()).derive(secret)
