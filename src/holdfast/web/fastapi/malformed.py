r"""FastAPI's answer to what is not as declared, also where FastAPI cannot make one.

It repeats what was sent. There is no JSON of `NaN` or half a character (`"\ud800"`), and none of deep
nesting; a client's mistake was then a 500.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exception_handlers import request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

_UNREPEATABLE = {
    "type": "malformed",
    "loc": ["body"],
    "msg": "Not as declared, and nothing that JSON could repeat",
}


def answer_malformed(app: FastAPI) -> None:
    """Answer 422 where FastAPI's own handler fails; a handler of the application is left alone."""
    handlers: dict[Any, Any] = app.exception_handlers
    if handlers.get(RequestValidationError) is request_validation_exception_handler:
        handlers[RequestValidationError] = _malformed


async def _malformed(request: Request, error: RequestValidationError) -> JSONResponse:
    try:
        return await request_validation_exception_handler(request, error)
    except (ValueError, RecursionError):
        return JSONResponse({"detail": [_UNREPEATABLE]}, 422)
