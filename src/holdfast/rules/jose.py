"""Tokens as JWTs: signed with the ring's key, and judged before anything in them is believed.

The shape is checked here and strictly (RFC 8725bis, R85 to R94); signatures are made and checked by
the JOSE library, on first use. A verdict is a value, never an exception. Why this split, and why
this library: docs/decisions/0007-jose-library.md.
"""

from __future__ import annotations

import json
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.errors import Reason
from holdfast.rules import base64url
from holdfast.rules.keys import TYP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jwt.algorithms import Algorithm

    from holdfast.rules.keys import Key, KeyRing, TokenKind

__all__ = ["MAX_TOKEN", "sign", "verify"]

MAX_TOKEN = 8 * 1024
"""Characters; longer texts are refused before any work (P37)."""

_MAX_HEADER = 512
_MAX_TIME = 2**53
_REFUSED_HEADERS = frozenset({
    # They would bring a key along (P31), change how to read the rest (P32), or are of a JWE.
    "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "crit", "b64", "enc", "zip",
})  # fmt: skip
_REQUIRED_TEXTS = ("sub", "sid", "jti")
_Json = dict[str, Any] | list[Any] | str | float | bool | None
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def sign(ring: KeyRing, kind: TokenKind, claims: Mapping[str, Any]) -> str:
    """A token of this kind with these claims, by the ring's active key.

    `claims` must hold `type` equal to `kind`, and what `verify` requires. With HS256 the same
    claims give the same text.
    """
    key = ring.signer(kind)
    signed = f"{ring.head(kind)}.{_segment(claims)}"
    signature = _algorithm(key.algorithm).sign(signed.encode("ascii"), key.signing_key)
    return f"{signed}.{base64url.encode(signature)}"


def verify(
    ring: KeyRing,
    text: str,
    *,
    kind: TokenKind,
    issuer: str,
    audience: str,
    now_s: int,
    leeway_s: int,
) -> Mapping[str, Any] | Reason:
    """The claims of a token of this kind that is ours and in time; otherwise the reason why not.

    Accepted are the compact form, exactly the algorithm of the key that `kid` names in the ring,
    the `typ` and `type` of this kind, exactly this issuer, and this audience alone or in a list.
    `exp` and `iat` must be there; `iat` may be in the future. Times are Unix seconds. Never raises.
    """
    if len(text) > MAX_TOKEN or text.count(".") != 2 or not text.isascii():
        return Reason.MALFORMED
    signed, _, tail = text.rpartition(".")
    head, _, payload = signed.partition(".")
    signature = base64url.decode(tail)
    if signature is None:
        return Reason.MALFORMED
    key = ring.find_by_head(kind, head) or _key(ring, kind, _header(head))
    if isinstance(key, Reason):
        return key
    if not _is_signed(key, signed, signature):
        return Reason.BAD_SIGNATURE
    claims = _claims(payload)
    if claims is None:
        return Reason.MALFORMED
    refusal = _refusal(claims, kind, issuer, audience) or _out_of_time(claims, now_s, leeway_s)
    return refusal or MappingProxyType(claims)


def _segment(value: Mapping[str, Any]) -> str:
    return base64url.encode(msgspec.json.encode(value))


def _header(segment: str) -> dict[str, Any] | None:
    raw = base64url.decode(segment) if len(segment) <= _MAX_HEADER else None
    if raw is None:
        return None
    try:
        header: _Json = json.loads(raw.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None
    return header if isinstance(header, dict) and not header.keys() & _REFUSED_HEADERS else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Parsers differ in which of two equal names wins, so neither may."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _key(ring: KeyRing, kind: TokenKind, header: dict[str, Any] | None) -> Key | Reason:
    """The ring's key that this header may be verified with: by its own algorithm and no other."""
    if header is None:
        return Reason.MALFORMED
    key = ring.find(kind, header.get("kid"))
    if key is None:
        return Reason.UNKNOWN_KEY
    if header.get("alg") != key.algorithm:
        return Reason.BAD_SIGNATURE
    typ = TYP[kind]
    return key if header.get("typ") in (typ, f"application/{typ}") else Reason.WRONG_TYPE


def _is_signed(key: Key, signed: str, signature: bytes) -> bool:
    return _algorithm(key.algorithm).verify(signed.encode("ascii"), key.verifying_key, signature)


@cache
def _algorithm(name: str) -> Algorithm:
    from jwt import get_algorithm_by_name

    return get_algorithm_by_name("EdDSA" if name == "Ed25519" else name)


def _claims(segment: str) -> dict[str, Any] | None:
    raw = base64url.decode(segment)
    try:
        return None if raw is None else _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _refusal(claims: dict[str, Any], kind: str, issuer: str, audience: str) -> Reason | None:
    if claims.get("type") != kind:
        return Reason.WRONG_TYPE
    if claims.get("iss") != issuer:
        return Reason.WRONG_ISSUER
    named = claims.get("aud")
    if named != audience and not (isinstance(named, list) and audience in named):
        return Reason.WRONG_AUDIENCE
    texts = (claims.get(name) for name in _REQUIRED_TEXTS)
    return None if all(isinstance(text, str) and text for text in texts) else Reason.MALFORMED


def _out_of_time(claims: dict[str, Any], now_s: int, leeway_s: int) -> Reason | None:
    expires, begins = _time(claims.get("exp")), _time(claims.get("nbf", 0))
    if expires is None or begins is None or _time(claims.get("iat")) is None:
        return Reason.MALFORMED
    if now_s >= expires + leeway_s:
        return Reason.TOKEN_EXPIRED
    return Reason.NOT_YET_VALID if now_s + leeway_s < begins else None


def _time(value: object) -> int | None:
    """Whole seconds: a string, a fraction, a boolean or an endless number is no time (R93)."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 <= value < _MAX_TIME else None
