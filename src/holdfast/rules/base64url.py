"""Bytes as text, in exactly one spelling (RFC 4648, section 5, without padding; R89).

The last character of an unpadded text may hold bits that a lenient decoder ignores, so that several
texts mean the same bytes. Here only the text that `encode` writes is accepted.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes that `encode` writes as exactly this text; None for every other text."""
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return raw if encode(raw) == text else None
