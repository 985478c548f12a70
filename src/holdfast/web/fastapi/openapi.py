"""What the OpenAPI document says of the ways to sign in: the session cookie, or an access token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi import models
from fastapi.security.base import SecurityBase

from holdfast.settings import Cookie


class Scheme(SecurityBase):
    """A way to sign in, for the document only: the guards themselves do the work."""

    def __init__(self, name: str, model: models.SecurityBase) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        """Let everything pass."""


COOKIE = Scheme(
    "session_cookie", models.APIKey.model_validate({"in": "cookie", "name": Cookie().name})
)
BEARER = Scheme("access_token", models.HTTPBearer(bearerFormat="JWT"))


def name_cookie(app: FastAPI, name: str) -> None:
    """The schemes are shared by all applications; the cookie's name is each one's own."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemes = document.get("components", {}).get("securitySchemes", {})
        if COOKIE.scheme_name in schemes:
            schemes[COOKIE.scheme_name]["name"] = name
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual extends a document
