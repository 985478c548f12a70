"""The headers of an answer, with those of the chain added."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from holdfast.chain import Reply, merged
from holdfast.chain.reply import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Iterable

Message = MutableMapping[str, Any]
RawHeaders = list[tuple[bytes, bytes]]

_MERGED = frozenset({b"cache-control", b"set-cookie", b"vary"})


def in_hand(message: Message) -> Message:
    """The message with headers that can be looked at more than once: ASGI allows any iterable."""
    headers = message.get("headers", ())
    return message if isinstance(headers, list | tuple) else {**message, "headers": list(headers)}


def joined(message: Message, reply: Reply) -> Message:
    """The message with the chain's headers added to its own."""
    added = reply.headers
    if not added:
        return message
    own: RawHeaders = message.get("headers") or []
    for name, _ in own:
        if name in _MERGED or not name.islower():
            text = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in own]
            return {**message, "headers": encoded(merged(text, added))}
    return {**message, "headers": [*own, *(_PRIVATE if added is PRIVATE else encoded(added))]}


def encoded(headers: Iterable[tuple[str, str]]) -> RawHeaders:
    """Headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


_PRIVATE = encoded(PRIVATE)
