"""`flask.session` over a Holdfast session: existing code runs unchanged; see `DropIn`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from flask import current_app, has_app_context
from flask.sessions import SessionMixin

from holdfast.faces import run
from holdfast.web.drop_in import DropIn
from holdfast.web.flask import values
from holdfast.web.flask.config import tell_of_forms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.session import Session
    from holdfast.web.wsgi_exchange import Exchange

_OF_FORMS = "csrf_token"
"""Where Flask-WTF keeps what its tokens are made of; ours need nothing in the session."""


class FlaskSession(DropIn, SessionMixin):
    """The mapping that `flask.session` stands for. Nothing is read before it is touched."""

    kept = ("_flashes",)
    values_as = values

    def __init__(self, exchange: Exchange, subject_key: str) -> None:
        super().__init__()
        self.exchange = exchange
        self.subject_key = subject_key

    @property
    def held(self) -> Session:
        """The session of this request."""
        return self.exchange.session

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether nothing is stored yet."""
        return self.held.record is None

    @property
    def sid(self) -> str:
        """The public id, as Flask-Session calls it, empty before there is one; here no credential."""
        return self.held.id or ""

    # What a dict has beside, as Flask's own session is one

    def copy(self) -> dict[str, Any]:
        """A dict with the same values."""
        return dict(self)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(other) | dict(self)

    def __ior__(self, other: Mapping[str, Any]) -> Self:
        self.update(other)
        return self

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if key == _OF_FORMS and has_app_context():
            tell_of_forms(current_app)

    def save(self) -> None:
        """Take over what was changed in place, before the commit."""
        if not self.settled:
            run(self.settle(self.exchange.chain.sessions))
