"""Values of `flask.session` as plain JSON, so that a service in another framework can read them.

Flask's own tags are used (datetime, UUID, tuple, bytes, Markup), and for everything else the
application's JSON provider. A plain value is stored as itself.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flask.json.tag import TaggedJSONSerializer

from holdfast.errors import NotSerializable

if TYPE_CHECKING:
    from holdfast.adoption import Adopted

_tags = TaggedJSONSerializer()
_PLAIN = (str, int, float, bool, type(None))


def is_plain(value: object) -> bool:
    """Whether a value is its own JSON and cannot change in place."""
    return type(value) in _PLAIN


def to_text(key: str, value: Any) -> str:
    """The value as tagged JSON text.

    Raises:
        NotSerializable: Flask knows no JSON for it; the message names the key and the type.
    """
    try:
        return _tags.dumps(value)
    except RecursionError:
        raise NotSerializable(f"session[{key!r}] is nested too deep, or contains itself") from None
    except (TypeError, ValueError) as error:
        raise NotSerializable(
            f"session[{key!r}] is, or holds, what JSON cannot hold ({type(value).__name__});"
            " store plain values, such as the id of an object instead of the object"
        ) from error


def to_json(key: str, value: Any) -> Any:
    """The value as the session stores it."""
    return value if is_plain(value) else json.loads(to_text(key, value))


def from_json(raw: Any) -> Any:
    """What `to_json` was given, as a copy that may be changed."""
    return raw if is_plain(raw) else _tags.loads(json.dumps(raw))


def tagged(adopt: Adopted) -> Adopted:
    """Flask-Session keeps some values that are no JSON, such as moments, for which Flask has tags."""
    from holdfast.adoption import FlaskSession

    return replace(adopt, to_json=to_json) if isinstance(adopt, FlaskSession) else adopt
