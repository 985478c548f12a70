"""The headers of an answer, with those of the chain added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.chain import merged
from holdfast.chain.reply import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdfast.chain.reply import Headers
    from holdfast.web.asgi_types import RawHeaders

_MERGED = frozenset({b"cache-control", b"set-cookie", b"vary"})


def joined(own: RawHeaders, names: Mapping[bytes, bytes], added: Headers) -> RawHeaders:
    """The application's headers with the chain's; `names` holds each name of its own."""
    if _MERGED.isdisjoint(names) and b"".join(names).islower():
        return own + (_PRIVATE if added is PRIVATE else encoded(added))
    text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in own]
    return encoded(merged(text, added))


def encoded(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


_PRIVATE = encoded(PRIVATE)
