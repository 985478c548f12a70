"""The facts of a request, as an adapter hands them over, and the visit that they become."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec

from holdfast.chain.reply import Reply
from holdfast.engine.reading import Rest
from holdfast.errors import UsageError
from holdfast.protocols import NOBODY, ClientFacts
from holdfast.session import Session, Via

Proof = Literal["bearer", "token", "preflight", "origin", "exempt"]
"""What proves that an unsafe request was meant by its sender; `exempt`: the route asks for none."""

FormField = Callable[[str], Awaitable[str | None]]

MAX_FORM = 64 * 1024
"""Bytes of a body that an adapter buffers, at most, to find a form field."""

HEADERS = frozenset(
    {
        "authorization",
        "content-type",
        "cookie",
        "host",
        "origin",
        "referer",
        "sec-fetch-site",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
    }
)
"""The headers that the chain looks at, beside the CSRF header of the settings."""

FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})
"""Content types that a page of another site can send without asking first (R67, R68)."""

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_UNSEEN = Session()
_UNSEEN.closed = True


async def no_form_field(_name: str) -> str | None:
    """The `form_field` of a request without a form."""
    return None


class Request(msgspec.Struct, eq=False):
    """One request. Header names are in lower case; several lines of one name are joined.

    `peer` is the address of the connection, None for a Unix socket. `form_field` is called only for
    an unsafe request without the CSRF header, and let go of when the chain has judged it: it leads
    back to the connection, and only the garbage collector would ever undo that circle.
    `body_unseen`: a proxy asks for a request whose body it keeps.
    """

    method: str
    scheme: str
    host: str
    path: str
    peer: str | None
    headers: Mapping[str, str]
    form_field: FormField = no_form_field
    websocket: bool = False
    body_unseen: bool = False

    def __repr__(self) -> str:
        return f"<Request {self.method}>"

    @property
    def preflighted(self) -> bool:
        """Whether no page of another site can send such a body without asking first (R68).

        A missing, doubled or malformed type counts as one that any page can send: some browser, or
        some server behind us, reads it as a form.
        """
        text = self.headers.get("content-type", "").partition(";")[0].strip(" \t").lower()
        return text not in FORM_TYPES and _MEDIA_TYPE.fullmatch(text) is not None

    @property
    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer`, possibly empty; None for any other scheme."""
        value = self.headers.get("authorization")
        if value is None:
            return None
        scheme, _, token = value.partition(" ")
        return token.strip(" ") if scheme.lower() == "bearer" else None


class Visit(msgspec.Struct, eq=False):
    """One request on its way through the chain.

    `unsafe`: its method may change something. `reply` is set if the chain refuses.
    `csrf` says what proves that an unsafe request was meant by its sender: a bearer or CSRF token, a
    body that no foreign page can send unasked, its origin, the word of the application (`exempt`),
    or nothing.
    `came_by` is the credential that it came with and that counted; a sign-in does not change it.
    `identified`: the session was looked for; `rest` is what has to be awaited for that.
    `begun`: nothing of `Chain.begin` is left to do.
    `presession` is the nonce of the pre-session cookie; `new_presession` that it must be set.
    `excluded`: the path has no session. `session` is then, and until the chain has looked, an empty
    one that takes no change.
    `raised`: the answer is for one of our errors, so nothing of this request is kept.
    `forget_old`: its session of another library is gone, so the answer erases that cookie.
    `trial`: a test asks, with a client that sends a `Secure` cookie over plain HTTP too.
    """

    request: Request
    unsafe: bool
    origin: str = ""
    client: ClientFacts = NOBODY
    session: Session = _UNSEEN
    reply: Reply | None = None
    came_by: Via | None = None
    csrf: Proof | None = None
    presession: bytes | None = None
    new_presession: bool = False
    excluded: bool = False
    identified: bool = False
    begun: bool = False
    rest: Rest | None = None
    raised: bool = False
    forget_old: bool = False
    trial: bool = False

    def __repr__(self) -> str:
        return f"<Visit by {self.request!r}>"

    def require_session(self) -> Session:
        """The visitor's session, for handlers: whoever asks for it makes the answer depend on it.

        So a stream that looks into it after the headers have gone is not cached either (P50).

        Raises:
            UsageError: the path is one without sessions. "Nobody is signed in" would be a wrong
                answer: it was not asked, and no CSRF check was made.
        """
        if self.excluded:
            raise UsageError("this path is in exclude_paths or health_paths: it has no session")
        session = self.session
        session.accessed = True
        return session
