"""Ids, secrets and the cookie's text: `1.<id>.<secret>`.

The id is public: it names the record, appears in tokens as `sid`, and is no credential. It is a tag
of 10 bits (two characters), the format version, and 128 random bits (R3). The secret is 256 random
bits, of which only the SHA-256 is stored (R8); a fast hash is right for a secret that cannot be
guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from binascii import a2b_base64

import msgspec

from holdfast.rules import base64url
from holdfast.rules.cookies import MAX_HEADER

TAGS = 1024
ID_BYTES = 16
SECRET_BYTES = 32

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_ID = r"[a-z2-7]{2}1[A-Za-z0-9_-]{21}[AQgw]"
_ID_SHAPE = re.compile(rf"{_ID}\Z")
_COOKIE = rf"1\.({_ID})\.([A-Za-z0-9_-]{{42}}[AEIMQUYcgkosw048])"
_as_cookie = re.compile(rf"{_COOKIE}\Z").match
_as_cookie_among_others = re.compile(rf"{_COOKIE}(?:;|\Z)").match


class Token(msgspec.Struct, frozen=True, gc=False):
    """The two halves of a session cookie."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return "<Token>"


def new_id(tag: int, random: bytes) -> str:
    """An id of this tag (0 to 1023) from 16 random bytes."""
    return f"{_LETTERS[tag >> 5]}{_LETTERS[tag & 31]}1{base64url.encode(random)}"


def subject_tag(subject: str, salt: bytes) -> int:
    """The tag that all sessions of this subject share; tells 1 in 1,024 to who lacks the salt."""
    return random_tag(hmac.digest(salt, subject.encode("utf-8", "surrogatepass"), "sha256"))


def random_tag(random: bytes) -> int:
    """A tag from the first two of some random bytes."""
    return int.from_bytes(random[:2], "big") % TAGS


def tag_of(id: str) -> str:
    """The two characters that ids of one store slot begin with."""
    return id[:2]


def valid_id(text: str) -> bool:
    """Whether this has the shape of an id; checked before any look-up (R7)."""
    return _ID_SHAPE.match(text) is not None


def cookie_text(id: str, secret: bytes) -> str:
    """What the session cookie holds."""
    return f"1.{id}.{base64url.encode(secret)}"


def parse_cookie(text: str) -> Token | None:
    """The halves of a cookie; None for any other shape, or a second spelling of the same bits."""
    return _token(_as_cookie(text))


def sole_cookie(header: str, wanted: str) -> Token | None:
    """The halves of the only cookie of its name in a `Cookie` header, where it is plain to see.

    So it is in most. None: look closely, with `cookies.read`. `wanted` is the name with its equals sign.
    """
    at = header.find(wanted)
    if at < 0 or header.rfind(wanted) != at or len(header) > MAX_HEADER:
        return None
    if at and header[at - 2 : at] != "; ":
        return None
    return _token(_as_cookie_among_others(header, at + len(wanted)))


def _token(found: re.Match[str] | None) -> Token | None:
    if found is None:
        return None
    id, text = found.groups()
    return Token(id, a2b_base64(text.replace("-", "+").replace("_", "/") + "="))


def digest(secret: bytes) -> bytes:
    """What a record stores of a secret."""
    return hashlib.sha256(secret).digest()


matches = hmac.compare_digest
"""Whether a digest is the stored one, in constant time."""
