"""One field of a form body: `application/x-www-form-urlencoded` or `multipart/form-data`.

Just enough for a CSRF token that is written as browsers write it, in one pass over a bounded body.
Whatever another parser makes of an odd body is no matter here: a token proves itself.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_MAX_FIELDS = 1000
_MAX_PART_HEAD = 1024
# RFC 2046 allows 70 characters; the test client of Flask now and then writes 71 or 72.
_BOUNDARY = re.compile(
    r";[ \t]*boundary=(?:\"([^\"\\\r\n]{1,100})\"|([^\s\";,]{1,100}))", re.IGNORECASE
)
_NAME = re.compile(
    rb"^content-disposition:[ \t]*form-data[ \t]*;[ \t]*name=\"([^\"\r\n]*)\"(?=[ \t]*(?:;|\r|\Z))",
    re.IGNORECASE | re.MULTILINE,
)


def is_form(content_type: str) -> bool:
    """Whether a body of this type can hold a form field."""
    return _media_type(content_type) in {_URLENCODED, _MULTIPART}


def field(content_type: str, body: bytes, name: str) -> str | None:
    """The first value of the field; None if there is none, or this is no such form. Never raises.

    `body` may be the beginning of a longer one: a part that is not complete is not found.
    """
    kind = _media_type(content_type)
    if kind == _URLENCODED:
        return _urlencoded(body, name)
    return _multipart(content_type, body, name) if kind == _MULTIPART else None


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip(" \t").lower()


def _urlencoded(body: bytes, name: str) -> str | None:
    try:
        pairs = parse_qsl(
            body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        return None
    return next((value for key, value in pairs if key == name), None)


def _multipart(content_type: str, body: bytes, name: str) -> str | None:
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        return None
    delimiter = f"\r\n--{boundary[1] or boundary[2]}".encode("utf-8", "surrogatepass")
    parts = (b"\r\n" + body).split(delimiter, _MAX_FIELDS + 1)
    for part in parts[1:-1]:
        head, blank, value = part.partition(b"\r\n\r\n")
        if blank and _named(head) == name:
            return value.decode("latin-1")
    return None


def _named(head: bytes) -> str | None:
    found = _NAME.search(head) if len(head) <= _MAX_PART_HEAD else None
    return found[1].decode("utf-8", "replace") if found else None
