"""The pages: sign in, see your sessions, end them. Plain forms; a change is a POST and a redirect.

What is done is done in `accounts` and `devices`, as for the JSON routes; here it gets a face.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from holdfast.chain import Refusal
from holdfast.errors import Reason
from holdfast.rules.local_path import local_path
from holdfast.service import accounts, devices, notices
from holdfast.service.assets import Assets
from holdfast.service.bodies import bounded, media_type
from holdfast.service.intent import END, END_OTHERS, Intent
from holdfast.service.page_errors import problem
from holdfast.service.rendering import Templates
from holdfast.service.sentences import Sentence
from holdfast.service.way_back import HOME, way_back
from holdfast.web.asgi import csrf_token, require_csrf, require_fresh, session_of

if TYPE_CHECKING:
    from holdfast.service.context import ServiceContext
    from holdfast.session import Session

SIGN_IN = "/sign-in"


class Pages:
    """The pages of one service, as `routes`."""

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self._assets = Assets()
        self.templates = Templates(self._assets, context.clock)

    @property
    def routes(self) -> list[Route]:
        """What the application mounts; `page_errors.is_page` knows the same paths."""
        return [
            Route("/", self.home),
            Route(SIGN_IN, self.sign_in_page),
            Route(SIGN_IN, self.sign_in, methods=["POST"]),
            Route("/sign-out", self.sign_out_page),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/sessions", self.sessions),
            Route("/sessions/end", self.end, methods=["POST"]),
            Route("/sessions/end-others", self.end_others, methods=["POST"]),
            Route("/confirm", self.confirm_page),
            Route("/confirm", self.confirm, methods=["POST"]),
            self._assets.route,
        ]

    async def home(self, request: Request) -> Response:
        """The way in."""
        return _see(HOME if session_of(request).subject else SIGN_IN)

    # Signing in and out

    async def sign_in_page(self, request: Request) -> Response:
        """The form."""
        target = self._way_back(request.query_params.get("next"))
        if session_of(request).subject:
            return _see(target)
        notice = notices.named(request.query_params.get("notice"))
        return self._sign_in_form(request, notice=notice, next=target)

    async def sign_in(self, request: Request) -> Response:
        """Check the form, and go where the person was going."""
        session, form = session_of(request), await self._form(request)
        target = self._way_back(form.get("next"))
        if session.subject:
            return _see(target)
        attempt = accounts.Attempt(
            email=form.get("email", ""),
            password=form.get("password", ""),
            client=session.client,
            cookies=request.headers.get("cookie", ""),
        )
        try:
            require_csrf(request)
            known_device = await accounts.sign_in(self._context, session, attempt)
        except Refusal as refusal:
            return self._sign_in_form(request, refusal, email=attempt.email, next=target)
        answer = _see(target)
        answer.headers.append("Set-Cookie", known_device)
        return answer

    def _way_back(self, text: str | None) -> str:
        return way_back(text, self._context.options.return_hosts)

    async def sign_out_page(self, request: Request) -> Response:
        """A question with a button: an application's link leads here, and a link ends nothing."""
        if not session_of(request).subject:
            return _see(SIGN_IN)
        return self._page(request, "sign_out.html")

    async def sign_out(self, request: Request) -> Response:
        """End this session and say so."""
        session_of(request).sign_out()
        return _see(f"{SIGN_IN}?notice={notices.SIGNED_OUT}")

    # Your sessions

    async def sessions(self, request: Request) -> Response:
        """The list."""
        session = session_of(request)
        if not session.subject:
            return _to_sign_in(request)
        after = request.query_params.get("after")
        page = await devices.devices_of(self._context, session, after=after)
        return self._page(
            request,
            "sessions.html",
            devices=page.devices,
            after=page.after,
            earlier=after is not None,
            here=f"{HOME}?{urlencode({'after': after})}" if after else HOME,
            others=any(not device.current for device in page.devices) or after or page.after,
            notice=notices.take(session),
        )

    async def end(self, request: Request) -> Response:
        """End one session, after the password if the sign-in is old."""
        form = await self._form(request)
        return await self._unless_stale(request, Intent.read({**form, "do": END}))

    async def end_others(self, request: Request) -> Response:
        """End all sessions but this one, after the password if the sign-in is old."""
        return await self._unless_stale(request, Intent(do=END_OTHERS))

    # The password once more

    async def confirm_page(self, request: Request) -> Response:
        """Ask for the password, and say for what."""
        if not session_of(request).subject:
            return _to_sign_in(request)
        return await self._confirm_form(request, Intent.read(request.query_params))

    async def confirm(self, request: Request) -> Response:
        """Check the password, and do what was asked for before."""
        session, form = session_of(request), await self._form(request)
        if not session.subject:
            return _to_sign_in(request)
        intent = Intent.read(form)
        cookies = request.headers.get("cookie", "")
        try:
            await accounts.reauthenticate(self._context, session, form.get("password", ""), cookies)
        except Refusal as refusal:
            return await self._confirm_form(request, intent, refusal)
        return await self._carry_out(session, intent)

    async def _unless_stale(self, request: Request, intent: Intent) -> Response:
        session = session_of(request)
        if not session.subject:
            return _to_sign_in(request)
        try:
            require_fresh(request, self._context.options.fresh_for)
        except Refusal:
            return _see(intent.confirmation)
        return await self._carry_out(session, intent)

    async def _carry_out(self, session: Session, intent: Intent) -> Response:
        if intent.do == END and intent.session == session.id:
            session.sign_out()
            return _see(f"{SIGN_IN}?notice={notices.SIGNED_OUT}")
        if intent.do == END:
            notices.put(session, await self._end_one(session, intent.session))
        elif intent.do == END_OTHERS:
            notices.put(session, _counted(await devices.end_others(self._context, session)))
        return _see(intent.next)

    async def _end_one(self, session: Session, id: str) -> Sentence:
        name = await self._name(session, id)
        if name is None:
            return Sentence("That session had already ended.")
        with suppress(Refusal):  # it ended by itself just now
            await devices.end(self._context, session, id)
        return Sentence("Signed out ", name, ".")

    async def _name(self, session: Session, id: str) -> str | None:
        """What one of this person's sessions is called; None if there is no such session."""
        device = await devices.find(self._context, session, id)
        return device.label if device else None

    async def _form(self, request: Request) -> Mapping[str, str]:
        if media_type(request) != "application/x-www-form-urlencoded":
            return {}
        return _fields(await bounded(request, self._context.options.body_limit))

    # Rendering

    def _sign_in_form(
        self, request: Request, refusal: Refusal | None = None, **values: Any
    ) -> Response:
        return self._page(
            request, "sign_in.html", refusal, **{"email": "", "notice": None, **values}
        )

    async def _confirm_form(
        self, request: Request, intent: Intent, refusal: Refusal | None = None
    ) -> Response:
        return self._page(
            request,
            "confirm.html",
            refusal,
            purpose=await self._purpose(session_of(request), intent),
            confirm="Sign out" if intent.do else "Continue",
            intent=intent,
        )

    async def _purpose(self, session: Session, intent: Intent) -> Sentence:
        if intent.do == END_OTHERS:
            return Sentence("sign out all other sessions")
        if intent.do == END:
            name = await self._name(session, intent.session)
            return Sentence("sign out ", name) if name else Sentence("sign out that session")
        return Sentence("go on")

    def _page(
        self, request: Request, name: str, refusal: Refusal | None = None, **values: Any
    ) -> Response:
        session = session_of(request)
        found = problem(refusal) if refusal else None
        return self.templates.page(
            name,
            found.status if found else 200,
            found.headers if found else None,
            problem=found,
            account=session.claims.get("email") or session.subject,
            csrf_field=self._context.sessions.settings.csrf_field,
            csrf_token=csrf_token(request),
            **values,
        )


def _fields(raw: bytes) -> Mapping[str, str]:
    """What a form has sent; nothing if that was no form of ours."""
    try:
        pairs = parse_qsl(raw.decode(errors="replace"), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return {}
    return dict(pairs)


def _see(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _to_sign_in(request: Request) -> Response:
    """To the form and back; whoever was signed in is told that this has ended."""
    session = session_of(request)
    url = request.url
    here = f"{url.path}?{url.query}" if url.query else url.path
    query = {"next": local_path(here, HOME) if request.method == "GET" else HOME}
    if session.reason not in {None, Reason.ABSENT}:
        query["notice"] = notices.ENDED
    return _see(f"{SIGN_IN}?{urlencode(query)}")


def _counted(ended: int) -> Sentence:
    if ended == 0:
        return Sentence("No other session was signed in.")
    what = "one other session" if ended == 1 else f"{ended} other sessions"
    return Sentence(f"Signed out {what}.")
