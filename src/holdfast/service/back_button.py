"""The one script of the pages: what the back button brings from the browser's memory is judged anew.

Chromium keeps whole pages there, also those that say `no-store`, and shows one without a request. It
lets go of them when cookies of their site change, but not of every page, and not at all when the session
was ended from elsewhere; `Clear-Site-Data` comes before the page that it should clear is in the memory.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

SCRIPT = (
    'addEventListener("pageshow", ({ persisted }) => { if (persisted) {'
    ' document.documentElement.style.visibility = "hidden"; location.reload() } })'
)
"""Hides first: without a network the page would stay. It keeps its height, and where it was read."""

SOURCE = f"'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"
"""For the content security policy: this text may run, and no other, wherever it comes from."""
