"""Django's tokens, made of ours: `{% csrf_token %}`, `get_token` and `csrf_protect` work unchanged.

Django takes a secret of 32 letters and digits and masks it anew for each token that it shows. Here
that secret is the session's own (`rules.csrf.secret`): bound to its id and secret, stored nowhere,
ending with it. Django finds it where it looks, in `request.META` and, under `CSRF_USE_SESSIONS`, in
the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from django.middleware.csrf import CSRF_ALLOWED_CHARS, CSRF_SECRET_LENGTH, CSRF_TOKEN_LENGTH

from holdfast.session import Rotate, SignIn
from holdfast.web.django import finishing, here

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from django.http import HttpRequest

    from holdfast.chain import Visit
    from holdfast.web.django.exchange import Exchange  # noqa: TC004 - which imports this one, and nobody decodes

FIELD = "csrfmiddlewaretoken"
"""The name that Django's template tag gives the field."""

META = "CSRF_COOKIE"
"""Where Django looks for the secret."""


class Secret(msgspec.Struct, eq=False):
    """Stands for the secret until somebody looks: a page without a form asks no store for it.

    It is made anew each time, since a sign-in changes it within a request.
    """

    exchange: Exchange

    def __str__(self) -> str:
        exchange = self.exchange
        session = exchange.session
        if isinstance(session.intent, SignIn | Rotate):
            finishing.carry_out_now(exchange)  # it will change the secret
        return exchange.chain.csrf.secret(exchange.visit)

    def __iter__(self) -> Iterator[str]:
        return iter(str(self))

    def __len__(self) -> int:
        return CSRF_SECRET_LENGTH

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.exchange is self.exchange

    def __hash__(self) -> int:
        return id(self.exchange)

    def __repr__(self) -> str:
        return "<Secret>"


def renew(request: HttpRequest | None = None, **_: object) -> None:
    """After `login`, which put a random secret in place of ours (signal `user_logged_in`)."""
    exchange = here.found(request)
    if request is not None and exchange is not None:
        request.META[META] = Secret(exchange)


def let_in(request: HttpRequest, view: Callable[..., Any]) -> None:
    """Tell `csrf_protect` whether the request has proved itself."""
    if not getattr(view, "csrf_exempt", False) and _is_proved(here.exchange_of(request).visit):
        vars(request)["csrf_processing_done"] = True  # csrf_protect need not look again


def _is_proved(visit: Visit) -> bool:
    """Who is not signed in may come without a token, but not where a view says `csrf_protect`."""
    return not visit.unsafe or visit.csrf in {"token", "bearer"}


def unmasked(text: str) -> str:
    """The secret in one of Django's tokens; any other text as it is. Never raises."""
    if len(text) != CSRF_TOKEN_LENGTH or not (text.isascii() and text.isalnum()):
        return text
    place = CSRF_ALLOWED_CHARS.index
    mask, cipher = text[:CSRF_SECRET_LENGTH], text[CSRF_SECRET_LENGTH:]
    pairs = zip(cipher, mask, strict=True)
    return "".join(CSRF_ALLOWED_CHARS[place(shown) - place(by)] for shown, by in pairs)
