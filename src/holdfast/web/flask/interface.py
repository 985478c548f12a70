"""What Flask asks of an extension for sessions; the commit itself is the middleware's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask.sessions import SessionInterface, SessionMixin

from holdfast.web import wsgi
from holdfast.web.flask.config import tell_unheeded
from holdfast.web.flask.guards import refuse_bypassed
from holdfast.web.flask.session import FlaskSession

if TYPE_CHECKING:
    from flask import Flask, Request, Response

    from holdfast.chain import Chain


class HoldfastInterface(SessionInterface):
    """Makes `flask.session` a view of the session that `chain` takes care of."""

    def __init__(self, chain: Chain, subject_key: str) -> None:
        self._chain = chain
        self._subject_key = subject_key
        self._looked_at = False

    def open_session(self, app: Flask, request: Request) -> FlaskSession:
        """The session of this request; nothing is read yet.

        Raises:
            UsageError: a guard stands above its route, or above `before_request`.
        """
        if not self._looked_at:
            before = [each for own in app.before_request_funcs.values() for each in own]
            refuse_bypassed([*app.view_functions.values(), *before])
            tell_unheeded(app, self._chain.sessions.settings)
            self._looked_at = True
        environ = request.environ
        exchange = wsgi.exchange_of(environ)
        if exchange is None:
            exchange = wsgi.begin_alone(self._chain, environ)
        session = FlaskSession(exchange, self._subject_key)
        exchange.before_commit = session.save
        return session

    def regenerate(self, session: SessionMixin) -> None:
        """Give the session a new secret, where code for Flask-Session asks for a new id.

        A sign-in and a sign-out see to it by themselves.
        """
        held = session.held if isinstance(session, FlaskSession) else None
        if held is not None and held.record is not None and held.intent != "sign_out":
            held.last_wins = True  # as everything that code for `flask.session` does
            held.rotate()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:  # noqa: ARG002 - Flask's signature
        """Commit here only where no middleware does, as in a test's `session_transaction`."""
        if not isinstance(session, FlaskSession) or not session.exchange.alone:
            return
        reply = session.exchange.commit(response.status_code)
        if reply.status is not None:
            response.status_code = reply.status
            response.set_data(reply.body)
        response.headers.extend(reply.headers)
