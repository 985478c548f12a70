"""User agents: a coarse family to compare, and a clean text to store.

A user agent is what a client says of itself: a signal, never identity (P61). The family survives
updates, so that comparing it signs nobody out.
"""

from __future__ import annotations

import re

MAX_LENGTH = 512
UNKNOWN = "unknown"

_BROWSERS = (
    # The first match counts: browsers also name those that they descend from.
    ("Edge", ("Edg/", "EdgA/", "EdgiOS/", "Edge/")),
    ("Opera", ("OPR/", "OPiOS/", "Opera")),
    ("Samsung Internet", ("SamsungBrowser/",)),
    ("Firefox", ("Firefox/", "FxiOS/")),
    ("Chrome", ("Chrome/", "CriOS/", "Chromium/")),
    ("Safari", ("Safari/",)),
    ("Internet Explorer", ("Trident/", "MSIE ")),
)
_SYSTEMS = (
    ("Windows", ("Windows",)),
    ("Android", ("Android",)),
    ("iOS", ("iPhone", "iPad", "iPod")),
    ("macOS", ("Macintosh", "Mac OS X")),
    ("ChromeOS", ("CrOS",)),
    ("Linux", ("Linux", "X11")),
)
_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def family(user_agent: str | None) -> str:
    """What kind of client this is, without versions: "Chrome/Windows", "curl", "unknown".

    Browsers give browser and system; programs the name of their first product. Bounded work: only
    the first 512 characters count. Never raises. A stored, clean text has the family of its original:
    otherwise a retry of an oddly named client would look like a theft.
    """
    text = clean(user_agent or "").strip()
    if text.startswith(("Mozilla/", "Opera/")):
        return f"{_first(_BROWSERS, text)}/{_first(_SYSTEMS, text)}"
    product = _PRODUCT.match(text)
    return product[0].rstrip(".-_") if product else UNKNOWN


def clean(user_agent: str) -> str:
    """The text for storage and logs: at most 512 characters, nothing that a terminal obeys (R159).

    Controls, line and paragraph separators, direction marks and surrogates are left out.
    """
    text = user_agent[:MAX_LENGTH]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _first(table: tuple[tuple[str, tuple[str, ...]], ...], text: str) -> str:
    return next((name for name, marks in table if any(mark in text for mark in marks)), UNKNOWN)
