"""A name that somebody has chosen, as pages show it: it changes nothing of the text around it.

An override such as U+202E turns what follows around, so that one name reads as another; a mark that
ends an isolate lets it reach beyond its element. Scripts that run from right to left need neither:
the direction of a name is found in its letters.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"

# Controls and separators; marks that embed, override or isolate; tags and half characters. What joins
# letters or emoji, and the marks U+200E, U+200F and U+061C, which reorder nothing by themselves, stay.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff]"
)


def shown(name: str) -> str:
    """The name with U+FFFD for each character that a browser or terminal would obey (R159).

    They are not left out, so that the name does not become somebody else's.
    """
    return _OBEYED.sub(REPLACEMENT, name)
