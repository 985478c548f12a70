"""Security headers of every answer of the service (ASVS 3.4, R66, R83, R84).

The pages run one script, which the policy names by its hash, and load nothing from elsewhere; all
else is forbidden. A header that the application has set itself stays: static files may be kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.service import back_button

if TYPE_CHECKING:
    from holdfast.web.asgi_types import App, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; script-src {back_button.SOURCE}; style-src 'self'; img-src 'self' data:; "
    "form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers then post forms to their own origin with `Origin: null` (R73).
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
}

HSTS = {"Strict-Transport-Security": "max-age=63072000; includeSubDomains"}


class SecurityHeaders:
    """Adds the headers to each answer.

    Args:
        app: the application.
        https: whether browsers reach the service by HTTPS, directly or through a proxy; they ignore
            Strict-Transport-Security on plain HTTP.
        return_hosts: where the answer to a form may lead; browsers hold redirects to the policy.
    """

    def __init__(self, app: App, *, https: bool, return_hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        policy = CONTENT_SECURITY_POLICY.format(targets=" ".join(("'self'", *return_hosts)))
        fixed = HEADERS | {"Content-Security-Policy": policy} | (HSTS if https else {})
        self._headers = [(name.lower().encode(), value.encode()) for name, value in fixed.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                message["headers"] = self.added(list(message.get("headers", ())))
            await send(message)

        await self._app(scope, receive, with_headers)

    def added(self, own: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of an answer, and those that it does not have itself."""
        present = {name.lower() for name, _ in own}
        return own + [(name, value) for name, value in self._headers if name not in present]
