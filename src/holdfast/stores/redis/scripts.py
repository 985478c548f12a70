"""The Lua scripts: one a verb, put together from the parts that it needs.

A script is known to the server by the hash of its text, so the text is its version: two releases run
side by side on one server, each with its own, and a server that has forgotten one is given the text.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

_FOLDER = Path(__file__).with_name("lua")


class Script(NamedTuple):
    """The text of a script, and the hash that EVALSHA calls it by."""

    text: bytes
    sha: bytes


def script(*parts: str) -> Script:
    """The script that these files make, one after another."""
    text = b"\n".join((_FOLDER / f"{part}.lua").read_bytes() for part in parts)
    return Script(text, hashlib.sha1(text, usedforsecurity=False).hexdigest().encode())


GET = script("get")
GET_AND_TAKE = script("now", "quota", "get_and_take")
TAKE = script("now", "quota", "take")
INSERT = script("now", "record", "index", "insert")
UPDATE = script("record", "update")
TOUCH = script("record", "touch")
DELETE = script("record", "index", "delete")
DELETE_ALL = script("record", "index", "delete_all")
PAGE_OF = script("record", "page_of")
PAGE_TAG = script("record", "index", "page_tag")
RAISE = script("record", "index", "raise")
DUE = script("now", "record", "index", "due")
PURGE = script("now", "record", "index", "purge")
LIST_ELSEWHERE = script("record", "list_elsewhere")
SALT = script("salt")
