"""What a framework's own session holds, and what of it is stored."""

from __future__ import annotations

from typing import Any, Protocol


class Values(Protocol):
    """How a framework's values are kept as plain JSON."""

    def is_plain(self, value: object, /) -> bool:
        """Whether a value is its own JSON and cannot change in place."""
        ...

    def to_text(self, key: str, value: Any, /) -> str:
        """The value as text, to be compared; `NotSerializable` if there is no JSON for it."""
        ...

    def to_json(self, key: str, value: Any, /) -> Any:
        """The value as the session stores it; `NotSerializable` if there is no JSON for it."""
        ...

    def from_json(self, raw: Any, /) -> Any:
        """What `to_json` was given, as a copy that may be changed."""
        ...
