"""What a handler asks of its session, as values: sign in as somebody, or go on under a new secret.

They are checked when they are made, so that a mistake shows where it was made, and so that nothing
can be stored that would not come back as it went in: a record that cannot be decoded ends its
session. A text of a subclass, as template engines make it, is stored as plain text.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdfast.errors import TooLarge, UsageError
from holdfast.record import Assurance
from holdfast.rules import agent, data

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

RESERVED_CLAIMS = frozenset({
    "iss", "aud", "exp", "nbf", "iat", "jti", "sub", "sid", "type", "typ", "cnf",
    "acr", "amr", "auth_time", "client_id", "scope", "act",
})  # fmt: skip
CLAIMS_LIMIT = 4096
"""Bytes of JSON; a token that holds them must still fit into a header."""

_SUBJECT_LIMIT = 512
_ASSURANCE_LIMIT = 1024
"""Characters of `acr` and `amr` together: they stand in each access token, too."""
_LOWEST = Assurance()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Make this the session of `subject`, under a new id."""

    subject: str
    claims: dict[str, Any] = field(repr=False)
    policy: str = "default"
    assurance: Assurance = _LOWEST
    label: str | None = None
    still_valid: Callable[[], bool | Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """Go on under a new secret; None leaves claims and assurance as they are."""

    reauthenticated: bool = False
    claims: dict[str, Any] | None = field(default=None, repr=False)
    assurance: Assurance | None = None


def subject_text(subject: object) -> str:
    """The subject as it is stored.

    Text and whole numbers only: `str(None)` would make one account of everybody without an id
    (P60).

    Raises:
        UsageError: it is empty, too long, of another type, or holds control characters.
    """
    if not isinstance(subject, (str, int)) or isinstance(subject, bool):
        raise UsageError("subject: must be text or a whole number; use str(user.id)")
    text = str(subject) if isinstance(subject, int) else str.__str__(subject)
    if not text.strip() or len(text) > _SUBJECT_LIMIT or not _is_plain(text):
        raise UsageError(
            f"subject: must be 1 to {_SUBJECT_LIMIT} characters, none of them a control (P60)"
        )
    return text


def assurance(acr: object, amr: Iterable[object]) -> Assurance:
    """How the subject proved who it is.

    Raises:
        UsageError: `acr` is no text, or `amr` no list of texts, or they are too long for a token.
    """
    given = tuple(amr)
    methods = tuple(
        str.__str__(each) for each in given if isinstance(each, str) and _is_plain(each)
    )
    if isinstance(amr, str) or len(methods) != len(given):
        raise UsageError("amr: must be a tuple of texts; for example ('pwd', 'otp')")
    if acr is not None and not (isinstance(acr, str) and _is_plain(acr)):
        raise UsageError("acr: must be a text or None")
    if sum(len(each) + 1 for each in (acr or "", *methods)) > _ASSURANCE_LIMIT:
        raise UsageError(f"acr, amr: may have {_ASSURANCE_LIMIT} characters together")
    return Assurance(acr and str.__str__(acr), methods)


def label_text(label: object) -> str | None:
    """A name for the device as it is stored: one printable line.

    Raises:
        UsageError: it is no text.
    """
    if label is not None and not isinstance(label, str):
        raise UsageError("label: must be a text or None")
    return label and agent.clean(str.__str__(label))


def checked_claims(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What goes into access tokens beside the registered claims; those that are None are left out.

    Raises:
        UsageError: a name is reserved.
        NotSerializable: a value is not JSON.
        TooLarge: they would make a token too large for a header.
    """
    taken = RESERVED_CLAIMS & claims.keys()
    if taken:
        raise UsageError(f"claims: {sorted(taken)} are set by holdfast; use other names")
    data.require_json(claims, "claims")
    kept = {key: value for key, value in claims.items() if value is not None}
    encoded = data.encode(kept)
    if len(encoded) > CLAIMS_LIMIT:
        raise TooLarge(f"claims have {len(encoded)} bytes; the limit is {CLAIMS_LIMIT}")
    return data.decode(encoded)


def rotated(earlier: Rotate | None, later: Rotate) -> Rotate:
    """Both in one: a plain rotation after a re-authentication does not undo it."""
    if earlier is None:
        return later
    return Rotate(
        reauthenticated=earlier.reauthenticated or later.reauthenticated,
        claims=earlier.claims if later.claims is None else later.claims,
        assurance=later.assurance or earlier.assurance,
    )


def _is_plain(text: str) -> bool:
    """Whether every store and log can take it: no controls, no halves of characters."""
    return not any(unicodedata.category(char) in {"Cc", "Cs"} for char in text)
