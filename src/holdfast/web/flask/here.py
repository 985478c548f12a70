"""Where a view stands: the exchange of the request that is being answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import request

from holdfast.errors import UsageError
from holdfast.web import wsgi

if TYPE_CHECKING:
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
