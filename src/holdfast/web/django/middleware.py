"""The middleware: the chain around Django's views, in threads and on an event loop.

It stands where Django's `SessionMiddleware` stood, of which it is one for those who look for it, and
in place of `CsrfViewMiddleware`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.sessions.middleware import SessionMiddleware
from django.core.handlers.wsgi import WSGIRequest

from holdfast.errors import HoldfastError, StoreError
from holdfast.faces import run
from holdfast.web.django import csrf, here, trial
from holdfast.web.django.answers import answer, applied, replaced
from holdfast.web.django.body import too_late
from holdfast.web.django.exchange import Exchange
from holdfast.web.django.failure import awaited, last_refusal, refusal
from holdfast.web.django.sessions import SessionStore
from holdfast.web.django.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

_SERVER_ERROR = 500


class HoldfastMiddleware(SessionMiddleware):
    """Runs the chain; commits the session before the first byte of the answer.

    Raises:
        ConfigurationError: at start: there is no secret, or a setting contradicts another.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        self._answer = get_response
        self._threaded = not here.awaits(get_response)
        self._config = here.config()
        self._streams, self._trial = Streams(), trial.is_on()
        self._config.settled()  # to be put together, or refused, before the first request
        self.process_view = self._judge if self._threaded else self._judge_awaiting

    def __call__(self, request: HttpRequest) -> Any:
        """Answer one request, or return the coroutine that does."""
        if not self._threaded:
            return self._call_awaiting(request)
        exchange = self._begin(request)
        if exchange.visit.reply is not None:
            return answer(request, exchange.visit.reply)
        try:
            response: HttpResponseBase = self._answer(request)
        except Exception:  # DEBUG_PROPAGATE_EXCEPTIONS; a sign-out is carried out all the same
            run(exchange.commit(_SERVER_ERROR))
            raise
        reply = exchange.commit_at_once() or run(exchange.commit(response.status_code))
        if reply.status is not None:
            return replaced(response, last_refusal(request, reply))
        return self._streams.followed(exchange, applied(request, response, reply))

    async def _call_awaiting(self, request: HttpRequest) -> HttpResponseBase:
        exchange = self._begin(request)
        visit = exchange.visit
        if visit.reply is None and not visit.unsafe:
            try:
                await exchange.look(exchange.chain)
            except StoreError as error:
                visit.reply = exchange.chain.reply_to(error)
        if visit.reply is not None:
            return answer(request, visit.reply)
        try:
            response: HttpResponseBase = await self._answer(request)
        except Exception:  # as above
            await exchange.commit(_SERVER_ERROR)
            raise
        reply = await exchange.commit(response.status_code)
        if reply.status is not None:
            return replaced(response, await awaited(last_refusal, request, reply))
        return self._streams.followed(exchange, applied(request, response, reply))

    def _begin(self, request: HttpRequest) -> Exchange:
        exchange = Exchange(self._config.assembly, request, threaded=self._threaded)
        exchange.visit.trial = self._trial
        request.holdfast_exchange = exchange  # type: ignore[attr-defined]  # for `here`
        request.session = SessionStore(source=exchange)
        request.META[csrf.META] = csrf.Secret(exchange)
        return exchange

    def _judge(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponse | None:
        exchange = here.exchange_of(request)
        if exchange.visit.unsafe:
            refused = run(exchange.judge(exempt=_exempt(request, view)))
            if refused is not None:
                return refusal(request, refused)
            if (late := too_late(request)) is not None:
                return late
        csrf.let_in(request, view)
        return None

    async def _judge_awaiting(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponse | None:
        exchange = here.exchange_of(request)
        refused = await exchange.judge(exempt=_exempt(request, view))
        if refused is not None:
            return await awaited(refusal, request, refused)
        still_comes = exchange.visit.unsafe and isinstance(request, WSGIRequest)
        if still_comes and (late := too_late(request)) is not None:
            return late
        csrf.let_in(request, view)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer to an error of ours that a view raised, such as a guard's refusal."""
        exchange = here.found(request)
        if exchange is None or not isinstance(exception, HoldfastError):
            return None
        exchange.visit.raised = True
        reply = exchange.chain.reply_to(exception)
        if exchange.visit.csrf == "exempt":  # such as a view of the REST framework
            return answer(request, reply)
        return refusal(request, reply)


def _exempt(request: HttpRequest, view: Callable[..., Any]) -> bool:
    return getattr(view, "csrf_exempt", False) or is_left_out(request)


def is_left_out(request: HttpRequest) -> bool:
    """Whether a test client leaves CSRF checks out; no request of the network can say so."""
    return getattr(request, "_dont_enforce_csrf_checks", False)
