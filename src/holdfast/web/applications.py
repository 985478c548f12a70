"""What `Holdfast(app)` is called with: one application of its framework, once; otherwise what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_ADVICE = (
    "call it with the application itself, of Flask from holdfast.web.flask, of FastAPI from"
    " holdfast.web.fastapi; around any other ASGI application: HoldfastMiddleware of holdfast.web.asgi"
)


def require_application(app: object, kind: type, taken: Callable[[], bool]) -> None:
    """Go on with an application of this kind that has no sessions yet.

    Raises:
        UsageError: it is something else, such as another framework's, or `taken`.
    """
    if not isinstance(app, kind):
        raise UsageError(
            f"Holdfast(app): must be a {kind.__name__} and is a {type(app).__name__}; {_ADVICE}"
        )
    if taken():
        raise UsageError("Holdfast(app): this application has sessions already; call it once")
