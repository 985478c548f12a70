"""Bytes as text, in exactly one spelling (RFC 4648, section 5, without padding; R89).

The last character of an unpadded text may hold bits that a lenient decoder ignores, so that several
texts mean the same bytes. Here only the text that `encode` writes is accepted.

Straight from `binascii`: the functions of `base64` for URLs cost twice as much, at every request.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

_FOR_URLS = bytes.maketrans(b"+/", b"-_")


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return b2a_base64(raw, newline=False).translate(_FOR_URLS, b"=").decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes that `encode` writes as exactly this text; None for every other text."""
    try:
        raw = a2b_base64(text.replace("-", "+").replace("_", "/") + "==")
    except ValueError:
        return None
    return raw if encode(raw) == text else None
