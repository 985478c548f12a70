"""Step 4, CSRF, decided once (R67-R83).

Cookie used for authentication and an unsafe method: a token is required, always. Fetch Metadata and
an exact `Origin` can only refuse; where both are absent the token decides. A request with a bearer
token needs none, since no page can make another's browser send it. Where a proxy keeps the body to
itself, one of them must vouch for a request without a token in its header. Before a session exists,
tokens are bound to a signed pre-session cookie that stores nothing on the server; with it, or with
a body that no foreign page can send unasked, a sign-in is allowed (R82).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from holdfast.chain.reply import Refusal, Reply, error_reply
from holdfast.errors import UsageError
from holdfast.events import EventName, Severity
from holdfast.rules import cookies, csrf, origin
from holdfast.session import Rotate, SignIn
from holdfast.settings import ms

if TYPE_CHECKING:
    from holdfast.chain.reply import Headers
    from holdfast.chain.request import Request, Visit
    from holdfast.engine import AsyncSessions
    from holdfast.protocols import Clock, Entropy
    from holdfast.record import Record

_VARY = ("Vary", "Origin, Sec-Fetch-Site")
_WITHOUT_TOKEN = {"token", "sign_in"}
_log = logging.getLogger("holdfast")


class Csrf:
    """The checks and tokens of one application."""

    def __init__(self, sessions: AsyncSessions, *, clock: Clock, entropy: Entropy) -> None:
        settings = sessions.settings
        self._sessions = sessions
        self._auditor = sessions.auditor
        self._clock = clock
        self._entropy = entropy
        self.header = settings.csrf_header.lower()
        self._asked = settings.csrf_header
        self._field = settings.csrf_field
        self._trusted = frozenset(
            known for each in settings.trusted_origins if (known := origin.canonical(each))
        )
        self._keys = sessions.keys.derive("csrf")
        self._presession_keys = sessions.keys.derive("presession")
        self._lifetime_s = ms(settings.presession_lifetime) // 1000
        self._cookie = settings.cookie
        self._advised: set[bool] = set()
        prefix = "__Host-" if settings.cookie.secure else ""
        self.cookie_name = f"{prefix}presession"

    # What a request is refused for

    def refuse_origin(self, visit: Visit) -> Reply | None:
        """Refuse what says of itself that it comes from elsewhere, before any look-up."""
        word = self._foreign(visit)
        return self._refuse(visit, word) if word else None

    async def require_token(self, visit: Visit) -> Reply | None:
        """Refuse an unsafe request of a session without a valid token; note what was proved."""
        request, record = visit.request, visit.session.record
        if not visit.unsafe:
            return None
        if visit.came_by == "bearer":
            visit.csrf = "bearer"
            return None
        self._read_presession(visit, record)
        if record is not None or visit.presession is not None or self.header in request.headers:
            text = await self._presented(request)
            if text is not None and self._valid(visit, record, text):
                visit.csrf = "token"
                return None
        if record is not None:
            if self._vouched(visit):
                visit.csrf = "origin"
                return None
            return self._refuse(visit, "token")
        # With a bearer header, valid or not, the origin has not been looked at yet.
        if request.preflighted and (request.bearer is None or self._foreign(visit) is None):
            visit.csrf = "preflight"
        return None

    def unproved_sign_in(self, visit: Visit) -> bool:
        """Whether an unsafe request would sign a browser in on any page's word (R82, login CSRF).

        It counts whether the sign-in is still to be carried out or the handler has done so itself.
        """
        session = visit.session
        if visit.csrf is not None:
            return False
        record = session.record if session.made else None
        return isinstance(session.intent, SignIn) or bool(record and record.subject)

    async def refuse_sign_in(self, visit: Visit) -> Refusal:
        """The refusal of an `unproved_sign_in`, audited; what the handler has carried out itself ends.

        What is still pending is forgotten: who renders the refusal could have it carried out.
        """
        visit.session.intent = None
        if visit.session.made:
            await self._sessions.sign_out(visit.session)
        return Refusal(self._refuse(visit, "sign_in"))

    def require(self, visit: Visit) -> None:
        """For handlers that want a token also where no session exists, such as a sign-in form.

        Raises:
            Refusal: 403, an unsafe request had no valid token and came with no bearer token.
        """
        visit.require_session()
        if visit.unsafe and visit.csrf not in {"token", "bearer"}:
            raise Refusal(self._refuse(visit, "token"))

    # What a visitor is given

    def token(self, visit: Visit) -> str:
        """A fresh token for the visitor's next unsafe request, bound to the session or pre-session.

        Raises:
            UsageError: the session is about to get a new secret, which ends the old one's tokens.
        """
        self._require_settled(visit)
        return csrf.token(self._keys[0], self._binding(visit), self._entropy(csrf.PAD))

    def secret(self, visit: Visit) -> str:
        """The same for a framework that masks it by itself, once for each token that it shows.

        Raises:
            UsageError: as `token`.
        """
        self._require_settled(visit)
        return csrf.secret(self._keys[0], self._binding(visit))

    def cookie_headers(self, visit: Visit) -> Headers:
        """`Set-Cookie` for a new pre-session, or to clear one that a sign-in has made useless."""
        record = visit.session.record
        if record is not None and record.subject is not None:
            made_useless = visit.session.cookie is not None and self._sent(visit)
            return (("Set-Cookie", self._expired()),) if made_useless else ()
        if not visit.new_presession or visit.presession is None:
            return ()
        expires = self._clock() // 1000 + self._lifetime_s
        value = csrf.presession(self._presession_keys[0], visit.presession, expires)
        return (("Set-Cookie", self._set(value)),)

    def _require_settled(self, visit: Visit) -> None:
        if isinstance(visit.require_session().intent, SignIn | Rotate):
            raise UsageError(
                "csrf_token: a sign-in or rotation is pending, after which a token of now is worth"
                " nothing; answer with a redirect, or first commit the session, sessions.commit(session)"
            )

    def _foreign(self, visit: Visit) -> str | None:
        request = visit.request
        headers = request.headers
        if request.websocket:
            same = origin.websocket_allowed(headers.get("origin"), visit.origin, self._trusted)
            return None if same else "foreign_origin"
        if not visit.unsafe:
            return None
        return origin.verdict(
            method=request.method,
            sec_fetch_site=headers.get("sec-fetch-site"),
            origin=headers.get("origin"),
            referer=headers.get("referer"),
            own=visit.origin,
            trusted=self._trusted,
        )

    def _vouched(self, visit: Visit) -> bool:
        """Whether the origin stands for a token that may be in a body which is not seen here.

        It must say so itself, and has been looked at before: silence vouches for nothing.
        """
        headers = visit.request.headers
        if not visit.request.body_unseen or self.header in headers:
            return False
        told = headers.get("origin", "null") != "null"
        return told or headers.get("sec-fetch-site") == "same-origin"

    def _binding(self, visit: Visit) -> bytes:
        """What the next request will prove itself by: after a sign-out that is the pre-session."""
        record = None if visit.session.intent == "sign_out" else visit.session.record
        if record is not None:
            return csrf.session_binding(record.id, record.secret_hash)
        self._read_presession(visit, None)
        if visit.presession is None:
            visit.presession = self._entropy(csrf.NONCE)
            visit.new_presession = True
        return csrf.presession_binding(visit.presession)

    def _valid(self, visit: Visit, record: Record | None, text: str) -> bool:
        if record is not None:
            binding = csrf.session_binding(record.id, record.secret_hash)
            if csrf.verify(self._keys, binding, text):
                return True
        # A form that was opened before the anonymous session was stored is still good; one that
        # was opened before a sign-in is not: `presession` is not even read then.
        if visit.presession is None:
            return False
        return csrf.verify(self._keys, csrf.presession_binding(visit.presession), text)

    async def _presented(self, request: Request) -> str | None:
        text = request.headers.get(self.header)
        return text if text is not None else await request.form_field(self._field)

    def _read_presession(self, visit: Visit, record: Record | None) -> None:
        if visit.presession is not None or (record is not None and record.subject is not None):
            return
        sent = self._sent(visit)
        if len(sent) == 1:
            now_s = self._clock() // 1000
            visit.presession = csrf.open_presession(self._presession_keys, sent[0], now_s)

    def _sent(self, visit: Visit) -> tuple[str, ...]:
        return cookies.read(visit.request.headers.get("cookie", ""), self.cookie_name)

    def _set(self, value: str) -> str:
        return cookies.set_cookie(
            self.cookie_name,
            value,
            max_age=self._lifetime_s,
            secure=self._cookie.secure,
            same_site=self._cookie.same_site,
            path="/",
        )

    def _expired(self) -> str:
        return cookies.expire_cookie(
            self.cookie_name, secure=self._cookie.secure, same_site=self._cookie.same_site, path="/"
        )

    def _refuse(self, visit: Visit, word: str) -> Reply:
        record = visit.session.record
        self._auditor.emit(
            EventName.AUTHZ_FAIL,
            visit.client,
            id=record.id if record else None,
            subject=record.subject if record else None,
            reason=f"csrf_{word}",
            severity=Severity.WARN,
        )
        self._advise(visit, word)
        return error_reply(403, "csrf_failed", "CSRF check failed", _VARY)

    def _advise(self, visit: Visit, word: str) -> None:
        """Tell the developer what to do: once of each, since anybody can send such requests."""
        elsewhere = word not in _WITHOUT_TOKEN
        if elsewhere in self._advised:
            return
        self._advised.add(elsewhere)
        if elsewhere:
            _log.warning(
                "refused a request that another origin sent (Origin: %.99r) to %.99r: if that is yours,"
                " name it in trusted_origins; if both are the same, see trusted_proxies",
                visit.request.headers.get("origin"),
                visit.origin,
            )
        else:
            _log.warning(
                "refused a request without a valid CSRF token: send csrf_token(), asked for after the"
                " sign-in, in the header %s or the form field %s; in tests holdfast.testing.csrf(client)",
                self._asked,
                self._field,
            )
