"""Refusals with a face: what JSON says with a code, a page says with a sentence.

Which answers become pages is decided by the path alone, never by what a client says it accepts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.responses import RedirectResponse, Response

from holdfast.service.moments import wait
from holdfast.service.notices import ENDED

if TYPE_CHECKING:
    from holdfast.chain import Refusal
    from holdfast.service.rendering import Templates
    from holdfast.web.asgi_types import App, Message, Receive, Scope, Send

SENTENCES = {
    "invalid_credentials": "The e-mail or the password is not right.",
    "too_many_attempts": "Too many attempts. Try again in {wait}.",
    "sign_in_locked": "Too many failed attempts. Sign in from a browser that you have used before,"
    " or have your password reset.",
    "sign_in_busy": "Many people are signing in right now. Try again in a moment.",
    "csrf_failed": "This page was open for too long. Nothing was sent; please try once more.",
}
_OTHER_SENTENCE = "That did not work. Please try once more."


class Words(NamedTuple):
    """What an error page says."""

    heading: str
    text: str


PAGES = {
    "csrf_failed": Words(
        "This page is out of date",
        "It was open for too long, or you have signed in again since. Nothing was changed.",
    ),
    "https_required": Words("Please use HTTPS", "This service does not answer on plain HTTP."),
    "rate_limited": Words("That was a lot at once", "Try again in {wait}."),
    "conflict": Words(
        "Two things happened at once", "Something else changed first. Please try once more."
    ),
    "not_durable": Words(
        "Done, but not yet certain",
        "What you asked for was carried out, but not yet confirmed. Doing it once more is safe.",
    ),
    "too_many_sessions": Words(
        "You are signed in too often", "Sign out on another device first, then sign in here."
    ),
}
_BY_STATUS = {
    404: Words("There is no such page", "The address may be mistyped or out of date."),
    405: Words("There is no such page", "This address only takes what one of our forms sends."),
    408: Words("That took too long", "The form did not arrive in time. Nothing was changed."),
    413: Words("That was too large", "The form was larger than it can be. Nothing was changed."),
    503: Words(
        "We cannot check your session right now",
        "This is not your fault, and you have not been signed out. Try again in a moment.",
    ),
}
_CLEARED = Words(
    "Signed out in this browser only",
    "We could not end the session on our side right now. Sign in again in a moment and sign out once"
    " more; otherwise it ends when it expires.",
)
_REFUSED = Words("That did not work", "Nothing was changed.")
_BROKEN = Words("Something went wrong", "This is our fault. Please try again in a moment.")

_EXACT = frozenset({"/", "/sign-in", "/sign-out", "/confirm", "/sessions"})


def is_page(path: str) -> bool:
    """Whether people see this path with a browser, so that its errors are pages too."""
    return path in _EXACT or path.startswith("/sessions/")


class Problem(NamedTuple):
    """A refusal, as a form shows it. `wrong` says that the credentials were."""

    text: str
    wrong: bool
    status: int
    headers: Mapping[str, str]


def problem(refusal: Refusal) -> Problem:
    """The refusal in a sentence; its status and `Retry-After` stay."""
    reply = refusal.reply
    code = _code(reply.body)
    again = {name: value for name, value in reply.headers if name == "Retry-After"}
    text = _timed(SENTENCES.get(code, _OTHER_SENTENCE), again.get("Retry-After"))
    return Problem(text, code == "invalid_credentials", reply.status or 500, again)


class PageErrors:
    """Stands around the chain and the application, and turns their refusals into pages."""

    def __init__(self, app: App, templates: Templates) -> None:
        self._app = app
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, or with a page in place of its error."""
        if scope["type"] != "http" or not is_page(scope["path"]):
            await self._app(scope, receive, send)
            return
        held = _Held(send)
        await self._app(scope, receive, held.send)
        if held.start is not None:
            answer = self._page(scope, held.start, bytes(held.body))
            await answer(scope, receive, send)

    def _page(self, scope: Scope, start: Message, body: bytes) -> Response:
        status, code = start["status"], _code(body)
        own = MutableHeaders(raw=list(start["headers"]))
        if status == 401:
            answer: Response = RedirectResponse(f"/sign-in?notice={ENDED}", status_code=303)
        else:
            words = words_for(status, code, cleared="Clear-Site-Data" in own)
            retry = scope["method"] == "GET" and status not in {404, 405}
            answer = self._templates.page(
                "error.html",
                status,
                heading=words.heading,
                text=_timed(words.text, own.get("Retry-After")),
                href=scope["path"] if retry else "/",
                link="Try again" if retry else "Go on",
                status=status,
                code=code,
            )
        return _with(answer, own)


@dataclass(slots=True)
class _Held:
    """Passes an answer on, unless it is an error that is no page yet: that one is kept."""

    pass_on: Send
    start: Message | None = None
    body: bytearray = field(default_factory=bytearray)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _needs_face(message):
            self.start = message
        elif self.start is None:
            await self.pass_on(message)
        else:
            self.body += message.get("body", b"")


def words_for(status: int, code: str, *, cleared: bool = False) -> Words:
    """What a page says about this error; `cleared`: the browser has lost its cookie all the same."""
    if code in PAGES:
        return PAGES[code]
    if cleared and status == 503:
        return _CLEARED
    return _BY_STATUS.get(status) or (_BROKEN if status >= 500 else _REFUSED)


def _needs_face(start: Message) -> bool:
    kind = MutableHeaders(raw=list(start["headers"])).get("Content-Type", "")
    return start["status"] >= 400 and not kind.startswith("text/html")


def _with(answer: Response, own: MutableHeaders) -> Response:
    """The answer with what the refusal said beside its body: cookies, when to try again."""
    for name, value in own.items():
        if name not in {"content-type", "content-length", "www-authenticate"}:
            answer.headers.append(name, value)
    return answer


def _code(body: bytes) -> str:
    try:
        return str(json.loads(body)["code"])
    except (ValueError, LookupError, TypeError):
        return "error"


def _timed(text: str, seconds: str | None) -> str:
    return text.format(wait=wait(int(seconds or 60)))
