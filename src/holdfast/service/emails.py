"""E-mail addresses as sign-in names: one spelling for each, and a shape to store."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 254
_SHAPE = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)*")


def normalised(text: str) -> str | None:
    """The one spelling of a sign-in name: NFC, no case, no outer space; None if it cannot be one.

    Empty names are refused, since they would become one key for everybody (P60). The application's
    authenticator may use other names than e-mail addresses, so the shape is not judged here.
    """
    if len(text) > 2 * MAX_LENGTH:
        return None
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).casefold())
    if not 0 < len(folded) <= MAX_LENGTH or not folded.isprintable():
        return None
    return folded


def is_address(email: str) -> bool:
    """Whether a normalised name has the shape of an e-mail address."""
    return _SHAPE.fullmatch(email) is not None
