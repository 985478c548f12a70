"""Refresh rotation: one live family per session, one current generation, a bounded grace.

A refresh token's `jti` is `<sid>.<family>.<generation>`, an access token's `<sid>.<random>`. A
`jti` is no credential, the signature is; so nothing of a token is stored, and a `jti` leads to its
record.

Which of these a refresh token is decides what happens (RFC 9700 §4.14.2, R107-R112, P6-P8):

    another family          superseded: `issue_tokens` or a sign-in has started a new one
    current generation      rotate
    rotated within grace    repeat: the lost answer again, the same successor, same client only
    older                   reused: somebody has a copy; the session ends
    later than the record   ahead: the store has lost writes; roll forward
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import NamedTuple

from holdfast.record import Refresh
from holdfast.rules import base64url

ROTATIONS_KEPT = 8
ACCESS_BYTES = 9
SID_PART = slice(0, 25)
ACCESS_PART = slice(26, None)
"""Where an access token's `jti` has its random part, under which its revocation is noted."""

_JTI = re.compile(r"([^.]{25})\.([A-Za-z0-9_-]{16})\.(0|[1-9][0-9]{0,8})\Z")
_ACCESS_JTI = re.compile(r"([^.]{25})\.[A-Za-z0-9_-]{12}\Z")


class RefreshId(NamedTuple):
    """The parts of a refresh token's `jti`."""

    sid: str
    family: str
    generation: int

    def __str__(self) -> str:
        return f"{self.sid}.{self.family}.{self.generation}"


class Step(Enum):
    """What to do with a validly signed refresh token."""

    ROTATE = auto()
    REPEAT = auto()
    AHEAD = auto()
    SUPERSEDED = auto()
    REUSED = auto()
    WRONG_CLIENT = auto()
    EXPIRED = auto()


def parse_jti(jti: str) -> RefreshId | None:
    """The parts of a refresh token's `jti`; None for any other shape."""
    match = _JTI.match(jti)
    return match and RefreshId(match[1], match[2], int(match[3]))


def access_jti(sid: str, random: bytes) -> str:
    """A new access token's `jti`, from 9 random bytes."""
    return f"{sid}.{base64url.encode(random)}"


def parse_access_jti(jti: str) -> str | None:
    """The `sid` in an access token's `jti`; None for any other shape."""
    match = _ACCESS_JTI.match(jti)
    return match and match[1]


def decide(
    live: Refresh | None, token: RefreshId, *, now: int, grace: int, same_client: bool
) -> Step:
    """What this token asks for, given the record's live family; `now` and `grace` in ms."""
    if live is None or live.family != token.family:
        return Step.SUPERSEDED
    if now >= live.ends_at:
        return Step.EXPIRED
    if token.generation == live.generation:
        return Step.ROTATE
    if token.generation > live.generation:
        return Step.AHEAD
    if not _in_grace(live, token.generation, now, grace):
        return Step.REUSED
    return Step.REPEAT if same_client else Step.WRONG_CLIENT


def _in_grace(live: Refresh, generation: int, now: int, grace: int) -> bool:
    steps_back = live.generation - generation
    if steps_back > len(live.rotations):
        return False
    return now - live.rotations[-steps_back] < grace


def start(family: str, *, now: int, lifetime: int) -> Refresh:
    """A new family; every token of it ends `lifetime` ms from now at the latest (R111, P40)."""
    return Refresh(family, 0, now // 1000, now + lifetime)


def rotate(live: Refresh, used: int, *, now: int, grace: int) -> Refresh:
    """The family after the token of generation `used` was exchanged for its successor.

    Rotation times are kept while they are inside the grace, at most 8, and in order also when
    another machine's clock is ahead. After a roll forward (`used` is ahead of the record) nothing
    is known of the generations between, so none of them is in the grace.
    """
    kept = live.rotations if used == live.generation else ()
    inside = tuple(at for at in kept if now - at < grace)
    latest = max(now, *inside) if inside else now
    rotations = (*inside, latest)[-ROTATIONS_KEPT:] if grace else ()
    return Refresh(live.family, used + 1, now // 1000, live.ends_at, rotations)
