"""Values of `request.session` as plain JSON, through the project's `SESSION_SERIALIZER`."""

from __future__ import annotations

import json
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from holdfast.errors import NotSerializable

_PLAIN = (str, int, float, bool, type(None))


class Serializer(Protocol):
    """What Django asks of `SESSION_SERIALIZER`; here its bytes must be JSON."""

    def dumps(self, obj: Any, /) -> bytes:
        """The object as bytes."""
        ...

    def loads(self, data: bytes, /) -> Any:
        """The object in the bytes."""
        ...


def serializer_of(_: object) -> type[Serializer]:
    """The class that `SESSION_SERIALIZER` names; for any session store alike."""
    found: type[Serializer] = import_string(settings.SESSION_SERIALIZER)
    return found


class SerializerValues:
    """How Django's session keeps its values."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def is_plain(self, value: object, /) -> bool:
        """Whether a value is its own JSON and cannot change in place."""
        return type(value) in _PLAIN

    def to_text(self, key: str, value: Any, /) -> str:
        """The value as JSON text.

        Raises:
            NotSerializable: there is no JSON for it; the message names the key and the type.
        """
        try:
            return self._serializer.dumps(value).decode()
        except (TypeError, ValueError, RecursionError) as error:
            raise NotSerializable(
                f"session[{key!r}] is, or holds, what JSON cannot hold ({type(value).__name__});"
                " store plain values, such as the id of an object instead of the object"
            ) from error

    def to_json(self, key: str, value: Any, /) -> Any:
        """The value as the session stores it."""
        return value if self.is_plain(value) else json.loads(self.to_text(key, value))

    def from_json(self, raw: Any, /) -> Any:
        """What `to_json` was given, as a copy that may be changed."""
        return raw if self.is_plain(raw) else self._serializer.loads(json.dumps(raw).encode())
