"""Cookies: reading one name from a request, and the text of `Set-Cookie`.

Two spellings of one credential are one too many, so nothing is unquoted or decoded: our own values
are bare `cookie-octet`s, and quotes belong to the value (RFC 6265bis, section 4.1.1).
"""

from __future__ import annotations

import re

from holdfast.errors import TooLarge, UsageError

MAX_HEADER = 64 * 1024
MAX_PAIR = 4096
MAX_ATTRIBUTE = 1024
MAX_AGE = 400 * 24 * 3600

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]*")
_ATTRIBUTE = re.compile(r"[!-+\--:<-~]+")
_SAME_SITE = frozenset({"Strict", "Lax", "None"})
_LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"


def read(header: str, name: str) -> tuple[str, ...]:
    """The distinct values that `header` (the `Cookie` field) carries under exactly this name.

    More than one means that somebody planted a twin: which one is ours cannot be told from the
    order (R60), so the caller must not pick. Names are compared case-sensitively (R59). A header
    above 64 KiB is treated as empty. Never raises.
    """
    wanted = name + "="
    if len(header) > MAX_HEADER:
        return ()
    found: dict[str, None] = {}
    for part in header.split(";"):
        if wanted in part and (pair := part.strip(" \t")).startswith(wanted):
            found[pair[len(wanted) :]] = None
    return tuple(found)


def set_cookie(
    name: str,
    value: str,
    *,
    max_age: int | None,
    secure: bool,
    same_site: str,
    domain: str | None = None,
    path: str = "/",
) -> str:
    """The value of a `Set-Cookie` field: always `HttpOnly`, `SameSite` always explicit (R54, R55).

    `max_age` is in seconds and clamped to 400 days (R57); None: until the browser closes (R12).

    Raises:
        TooLarge: name and value exceed 4096 bytes, or an attribute 1024 (R56); browsers would drop
            the cookie without a word.
        UsageError: a part contains what could end it and begin something else.
    """
    age = "" if max_age is None else f"; Max-Age={min(max(max_age, 0), MAX_AGE)}"
    scope = _attributes(secure=secure, same_site=same_site, domain=domain, path=path)
    return _pair(name, value) + age + scope


def expire_cookie(
    name: str, *, secure: bool, same_site: str, domain: str | None = None, path: str = "/"
) -> str:
    """The `Set-Cookie` that erases what `set_cookie` with the same attributes has set (R41)."""
    scope = _attributes(secure=secure, same_site=same_site, domain=domain, path=path)
    return f"{_pair(name, '')}; Expires={_LONG_AGO}; Max-Age=0{scope}"


def _pair(name: str, value: str) -> str:
    _require(_NAME, "name", name)
    _require(_VALUE, "value", value)
    if len(name) + len(value) > MAX_PAIR:
        raise TooLarge(f"cookie {name}: name and value exceed {MAX_PAIR} bytes")
    return f"{name}={value}"


def _attributes(*, secure: bool, same_site: str, domain: str | None, path: str) -> str:
    if same_site not in _SAME_SITE or (same_site == "None" and not secure):
        raise UsageError("cookie: SameSite is 'Strict', 'Lax', or with secure=True 'None'")
    for label, text in (("domain", domain), ("path", path)):
        if text is not None:
            _require(_ATTRIBUTE, label, text)
            if len(text) > MAX_ATTRIBUTE:
                raise TooLarge(f"cookie: {label} exceeds {MAX_ATTRIBUTE} bytes")
    scope = f"; Path={path}" if domain is None else f"; Domain={domain}; Path={path}"
    return f"{scope}; HttpOnly; SameSite={same_site}" + ("; Secure" if secure else "")


def _require(pattern: re.Pattern[str], part: str, text: str) -> None:
    if not pattern.fullmatch(text):
        raise UsageError(f"cookie: the {part} is empty or contains a character that it must not")
