"""The facts of a WSGI request, from its `environ`."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from holdfast.chain import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.chain.request import FormField

Environ = dict[str, Any]

_BARE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def key_of(name: str) -> str:
    """Where an `environ` has the header of this name, in lower case."""
    return _BARE.get(name) or "HTTP_" + name.upper().replace("-", "_")


@lru_cache(maxsize=8)
def _names(wanted: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Their keys in an `environ`, each with its name."""
    return tuple((key_of(name), name) for name in wanted)


def headers_of(environ: Environ, wanted: frozenset[str]) -> dict[str, str]:
    """Those of the wanted headers that were sent; names in lower case."""
    found: dict[str, str] = {}
    for key, name in _names(wanted):
        if key in environ:
            found[name] = environ[key]
    return found


def facts(environ: Environ, wanted: frozenset[str], form_field: FormField) -> Request:
    """What the chain is told of a request; `wanted` are the headers that count."""
    return Request(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        host=host_of(environ),
        path=_path(environ),
        peer=environ.get("REMOTE_ADDR") or None,
        headers=headers_of(environ, wanted),
        form_field=form_field,
    )


def host_of(environ: Mapping[str, Any]) -> str:
    """The name that was asked for; the server's own if none was sent (HTTP/1.0)."""
    sent: str | None = environ.get("HTTP_HOST")
    return f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}" if sent is None else sent


def _path(environ: Environ) -> str:
    """PEP 3333 hands over the bytes of the path as if they were Latin-1."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")
