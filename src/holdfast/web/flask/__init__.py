"""Holdfast for Flask: `Holdfast(app)`, guards for views, and `flask.session` as before.

from holdfast.web import flask as holdfast

app = Flask(__name__)
holdfast.Holdfast(app)

@app.post("/login")
def login():
    user = check_password(request.get_json())  # yours; aborts with 401
    holdfast.session.sign_in(user.id, role=user.role)
    return {"success": True}

@app.get("/me")
@holdfast.require
def me():
    return {"user": holdfast.session.subject}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response
from markupsafe import Markup

from holdfast.assembly import Assembly, assemble
from holdfast.chain import Chain, Refusal
from holdfast.errors import HoldfastError
from holdfast.rules.local_path import local_path
from holdfast.session import Rotate, Session, SignIn
from holdfast.settings import Settings
from holdfast.signed_in import SignedIn
from holdfast.web.applications import require_application
from holdfast.web.flask import here as at
from holdfast.web.flask import values
from holdfast.web.flask.guards import require, require_csrf, require_fresh, require_role
from holdfast.web.flask.here import exchange
from holdfast.web.flask.interface import HoldfastInterface
from holdfast.web.wsgi import HoldfastMiddleware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.adoption import Adopted
    from holdfast.blocking import Sessions

__all__ = [
    "Holdfast",
    "Refusal",
    "Session",
    "SignedIn",
    "csrf_field",
    "csrf_token",
    "local_path",
    "require",
    "require_csrf",
    "require_fresh",
    "require_role",
    "session",
    "signed_in",
]


class Holdfast:
    """Sessions for a Flask application, from `HOLDFAST_SECRET` and `HOLDFAST_STORE` by default.

    Args:
        app: the application; its `wsgi_app` is wrapped, and its `session_interface` replaced.
        settings: defaults to `Settings()`.
        secret: the master secret; a list, newest first, while it is being rotated.
        store: a store URL; the default is SQLite in the working directory.
        subject_key: the key of `flask.session` that says who is signed in: setting it signs in,
            removing it signs out. The default is Flask-Login's.
        adopt: another library whose live sessions become ours, such as Flask-Session; see
            `holdfast.adoption`.
        assembly: parts that were put together elsewhere, in place of all these but `app` and
            `subject_key`.

    `sessions` is the engine for code outside requests, `assembly` holds the parts.

    Raises:
        ConfigurationError: there is no secret, or a setting contradicts another.
        UsageError: the application has sessions already, or is none of Flask.
    """

    def __init__(
        self,
        app: Flask,
        settings: Settings | None = None,
        *,
        secret: str | Sequence[str] | None = None,
        store: str | None = None,
        subject_key: str = "_user_id",
        adopt: Adopted | None = None,
        assembly: Assembly | None = None,
    ) -> None:
        require_application(app, Flask, lambda: "holdfast" in app.extensions)
        self.assembly = assembly or assemble(
            settings or Settings(), secret=secret, store=store, adopt=adopt and values.tagged(adopt)
        )
        app.wsgi_app = HoldfastMiddleware(app.wsgi_app, self.chain)  # type: ignore[method-assign]
        app.session_interface = HoldfastInterface(self.chain, subject_key)
        app.register_error_handler(HoldfastError, _answer)
        app.add_template_global(csrf_token, "csrf_token")
        app.add_template_global(csrf_field, "csrf_field")
        app.extensions["holdfast"] = self

    @property
    def sessions(self) -> Sessions:
        """All operations on sessions, for threads."""
        return self.assembly.blocking

    @property
    def chain(self) -> Chain:
        """The chain that runs around the application."""
        return self.assembly.blocking_chain


def _answer(error: HoldfastError) -> Response:
    here = exchange()
    here.visit.raised = True
    reply = here.chain.reply_to(error)
    return Response(reply.body, reply.status, list(reply.headers))


session = at.session  # the module of this name was here before
signed_in = at.signed_in


def csrf_token() -> str:
    """A token for the next unsafe request: header `X-CSRF-Token` or field `csrf_token`.

    Code for `flask.session` cannot know that a sign-in changes it, and Flask-Login's remember cookie
    signs in while a page is made: such a sign-in is carried out here, and not after the page.

    Raises:
        UsageError: `session.sign_in` or `session.rotate` is still to be carried out; redirect instead.
    """
    here = exchange()
    held = here.seen().session
    if held.last_wins and isinstance(held.intent, SignIn | Rotate):
        here.commit_early()
    return here.chain.csrf.token(here.seen())


def csrf_field() -> Markup:
    """The hidden field of a form; templates have this function, too."""
    name = exchange().chain.sessions.settings.csrf_field
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, csrf_token())
