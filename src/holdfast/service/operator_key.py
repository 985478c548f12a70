"""A key of the operator's, as a bearer token: for paths that programs of the house ask."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from holdfast.chain import Refusal, error_reply
from holdfast.web.asgi import visit_of

if TYPE_CHECKING:
    from starlette.requests import Request


def require_key(request: Request, key: str, realm: str) -> None:
    """Let through who holds the key (R122).

    Raises:
        Refusal: 401 with a challenge for `realm`.
    """
    given = visit_of(request).request.bearer or ""
    if hmac.compare_digest(sha256(given.encode()).digest(), sha256(key.encode()).digest()):
        return
    challenge = ("WWW-Authenticate", f'Bearer realm="{realm}"')
    raise Refusal(error_reply(401, "unauthenticated", "Unauthorized", challenge))
