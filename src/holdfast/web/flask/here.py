"""Where a view stands: the exchange of the request that is being answered, and its session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request
from werkzeug.local import LocalProxy

from holdfast.errors import UsageError
from holdfast.web import wsgi

if TYPE_CHECKING:
    from holdfast.session import Session
    from holdfast.signed_in import SignedIn
    from holdfast.web.wsgi_exchange import Exchange


def exchange() -> Exchange:
    """The exchange of the current request.

    Raises:
        UsageError: the application has no Holdfast.
        RuntimeError: there is no request.
    """
    found = wsgi.exchange_of(request.environ)
    if found is None:
        raise UsageError("no session here: make one with Holdfast(app)")
    return found


def _current() -> Session:
    return exchange().seen().require_session()


def _signed_in() -> SignedIn:
    here = exchange()
    return here.chain.require(here.seen())


session: Session = LocalProxy(_current)  # type: ignore[assignment]  # stands for it
"""The visitor's session, empty if nobody is signed in."""

signed_in: SignedIn = LocalProxy(_signed_in)  # type: ignore[assignment]  # as above
"""The session of somebody who is signed in; without one, using it is a 401, as behind a guard."""
