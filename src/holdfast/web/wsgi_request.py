"""The facts of a WSGI request, read from its `environ` only as far as somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from holdfast.chain import Request

if TYPE_CHECKING:
    from holdfast.chain.request import FormField

Environ = dict[str, Any]

CREDENTIALS = frozenset({"HTTP_COOKIE", "HTTP_AUTHORIZATION"})
_BARE = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def key_of(name: str) -> str:
    """Where an `environ` has the header of this name, in lower case."""
    return _BARE.get(name) or "HTTP_" + name.upper().replace("-", "_")


class Headers(Mapping[str, str]):
    """The headers in an `environ` by their names in lower case; those in `hidden` are not there."""

    __slots__ = ("_environ", "_hidden")

    def __init__(self, environ: Environ, hidden: frozenset[str] = frozenset()) -> None:
        self._environ = environ
        self._hidden = hidden

    def __getitem__(self, name: str) -> str:
        key = key_of(name)
        if key in self._hidden:
            raise KeyError(name)
        value: str = self._environ[key]
        return value

    def __iter__(self) -> Iterator[str]:
        for key in self._environ.keys() - self._hidden:
            if key.startswith("HTTP_"):
                yield key[5:].lower().replace("_", "-")
        yield from (name for name, key in _BARE.items() if key in self._environ)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def facts(environ: Environ, form_field: FormField, hidden: frozenset[str] = frozenset()) -> Request:
    """What the chain is told of a request."""
    return Request(
        method=environ["REQUEST_METHOD"],
        scheme=environ["wsgi.url_scheme"],
        host=host_of(environ),
        path=_path(environ),
        peer=environ.get("REMOTE_ADDR") or None,
        headers=Headers(environ, hidden),
        form_field=form_field,
    )


def host_of(environ: Environ) -> str:
    """The name that was asked for; the server's own if none was sent (HTTP/1.0)."""
    sent: str | None = environ.get("HTTP_HOST")
    return f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}" if sent is None else sent


def _path(environ: Environ) -> str:
    """PEP 3333 hands over the bytes of the path as if they were Latin-1."""
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return path if path.isascii() else path.encode("latin-1").decode("utf-8", "replace")
