"""What the chain answers: headers to add, or a whole answer in place of the application's.

Error bodies are the same JSON under every framework: `{"error": "…", "code": "…"}`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from holdfast.errors import HoldfastError

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = tuple[tuple[str, str], ...]

PRIVATE: Headers = (("Vary", "Cookie"), ("Cache-Control", "no-store"))
"""What is added to an answer that depends on the session."""

_SPECIAL = frozenset({"cache-control", "set-cookie", "vary"})
"""What `merged` has to look at."""

CHALLENGE = ("WWW-Authenticate", 'Bearer realm="holdfast"')
"""What a 401 asks for; RFC 6750 wants at least one parameter."""

_MESSAGES = {
    401: "Unauthorized",
    403: "Forbidden",
    409: "Conflict",
    429: "Too many requests",
    503: "Service unavailable",
}


class Reply(msgspec.Struct, frozen=True, gc=False):
    """Headers for the answer; with a `status`, an answer that replaces the application's.

    `code` is that of the error which it tells, if it does.
    """

    status: int | None = None
    headers: Headers = ()
    body: bytes = b""
    code: str | None = None

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"


class Refusal(HoldfastError):
    """Raised by guards; carries the answer that the client gets, with its code and status."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"refused with status {reply.status}")
        self.reply = reply
        self.code = reply.code or self.code
        self.http_status = reply.status or self.http_status


def error_reply(
    status: int, code: str, message: str | None = None, *headers: tuple[str, str]
) -> Reply:
    """An error with its stable code; never cached."""
    body = {"error": message or _MESSAGES.get(status, "Error"), "code": code}
    fixed = (("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store"))
    return Reply(status, (*fixed, *headers), json.dumps(body).encode(), code)


def retry_after(ms: int) -> tuple[str, str]:
    """The header that says when to come back: in whole seconds, rounded up, and at least one."""
    return "Retry-After", str(max(-(-ms // 1000), 1))


def merged(own: Iterable[tuple[str, str]], added: Headers) -> list[tuple[str, str]]:
    """The application's headers with the chain's, which win.

    `Vary` is joined and `Cache-Control` replaced (P50). Of two `Set-Cookie` with one name the
    chain's stays (R58), everything else is appended.
    """
    own = tuple(own)
    if _SPECIAL.isdisjoint([name.lower() for name, _ in own]):
        return [*own, *added]
    extra = {name.lower(): value for name, value in added if name in {"Vary", "Cache-Control"}}
    taken = {_cookie_name(value) for name, value in added if name == "Set-Cookie"}
    result: list[tuple[str, str]] = []
    for name, value in own:
        match name.lower():
            case "cache-control" if "cache-control" in extra:
                continue
            case "set-cookie" if _cookie_name(value) in taken:
                continue
            case "vary" if "vary" in extra:
                extra["vary"] = _joined(value, extra["vary"])
            case _:
                result.append((name, value))
    result += [(name, value) for name, value in added if name.lower() not in extra]
    return result + [(name.title(), value) for name, value in extra.items()]


def _joined(first: str, second: str) -> str:
    present = [name for part in first.split(",") if (name := part.strip())]
    known = {name.lower() for name in present}
    if "*" in known:
        return "*"
    wanted = (part.strip() for part in second.split(","))
    return ", ".join([*present, *(name for name in wanted if name.lower() not in known)])


def _cookie_name(text: str) -> str:
    return text.partition("=")[0].strip()
