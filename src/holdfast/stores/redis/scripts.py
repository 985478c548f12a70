"""The Lua scripts: one a verb, put together from the parts that it needs.

A script is known to the server by the hash of its text, so the text is its version: two releases run
side by side on one server, each with its own, and a server that has forgotten one is given the text.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.stores.redis import answers

if TYPE_CHECKING:
    from collections.abc import Callable

_FOLDER = Path(__file__).with_name("lua")


class Script(NamedTuple):
    """The text of a script, the hash that EVALSHA calls it by, and what makes something of its replies."""

    text: bytes
    sha: bytes
    read: Callable[[Any], Any]


def script(read: Callable[[Any], Any], *parts: str) -> Script:
    """The script that these files make, one after another."""
    text = b"\n".join((_FOLDER / f"{part}.lua").read_bytes() for part in parts)
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode(), read)


GET = script(answers.text, "get")
GET_AND_TAKE = script(answers.value_and_taken, "now", "quota", "get_and_take")
TAKE = script(answers.taken, "now", "quota", "take")
INSERT = script(answers.inserted, "now", "record", "index", "insert")
UPDATE = script(answers.flag, "record", "update")
TOUCH = script(answers.flag, "record", "touch")
DELETE = script(answers.flag, "record", "index", "delete")
DELETE_ALL = script(answers.removed, "record", "index", "delete_all")
PAGE_OF = script(answers.names_and_rows, "record", "page_of")
PAGE_TAG = script(answers.rows, "record", "index", "page_tag")
RAISE = script(answers.number, "record", "index", "raise")
DUE = script(answers.flag, "now", "record", "index", "due")
PURGE = script(answers.purged, "now", "record", "index", "purge")
LIST_ELSEWHERE = script(answers.flag, "record", "list_elsewhere")
SALT = script(answers.salt, "salt")
