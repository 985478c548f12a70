"""A name that somebody has chosen, as pages show it: it changes nothing of the text around it.

An override such as U+202E turns what follows around, so that one name reads as another; a mark that
ends an isolate lets it reach beyond its element. Scripts that run from right to left need neither:
the direction of a name is found in its letters. A character that is never seen, such as U+2060, makes
two names out of what reads as one.

What some script or emoji needs stays, though it is not seen either: the joiners U+200C and U+200D,
the direction marks U+200E, U+200F and U+061C, which reorder nothing by themselves, and what chooses
between forms of the character before it.
"""

from __future__ import annotations

import re

REPLACEMENT = "\ufffd"

_TAGS = 0xE0000
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(_TAGS + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
_OBEYED = "\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u206f\ufff9-\ufffb\ud800-\udfff"
# Of what Unicode has renderers leave out (Default_Ignorable_Code_Point): soft hyphen, fillers, spaces
# and operators without width, format controls of music and shorthand, tags, and what is not assigned.
_UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u200b\u2060-\u2065\u3164\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
# The vowel separator U+180E shapes the Mongolian letters around it, which may have a mark that chooses
# their form; anywhere else it is not seen.
_MONGOLIAN = "\u180b-\u180d\u180f\u1820-\u18aa"
_REPLACED = re.compile(
    f"({_FLAGS})|[{_OBEYED}{_UNSEEN}]|(?<![{_MONGOLIAN}])\u180e|\u180e(?![{_MONGOLIAN}])"
)


def shown(name: str) -> str:
    """The name with U+FFFD for each character that a browser or terminal would obey or hide (R159).

    They are not left out, so that the name does not become somebody else's. The flags of England,
    Scotland and Wales, which are made of tags, stay.
    """
    return _REPLACED.sub(_replaced, name)


def _replaced(found: re.Match[str]) -> str:
    return found[1] or REPLACEMENT
