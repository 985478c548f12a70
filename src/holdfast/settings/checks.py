"""What the settings share: durations in milliseconds, and how a wrong value is refused."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast, get_args, get_origin, get_type_hints

from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAST = timedelta(milliseconds=1)
_LONGEST = timedelta(days=36_525)
_MOST = 2**40

_NAMES: dict[Any, str] = {
    str: "text",
    int: "a whole number",
    bool: "True or False",
    NoneType: "None",
}

_EXAMPLES: dict[Any, str] = {
    timedelta: "timedelta(minutes=30)",
    str: "'a text'",
    int: "10",
    bool: "True",
    tuple: "('one', 'two')",
    dict: "{'a name': ...}",
}


def refuse(field_name: str, problem: str, valid: str) -> NoReturn:
    """Name the field, what is wrong with it, and a valid value."""
    raise ConfigurationError(f"{field_name}: {problem}; for example {valid}")


def require_kinds(settings: Any, where: str = "") -> None:
    """Refuse a value that is not of its field's type, or beyond what the parts below can count.

    A text in place of a tuple of texts would be taken for its letters, a number for no duration.
    """
    kind: type[Any] = settings.__class__
    hints = get_type_hints(kind)
    for each in fields(settings):
        value, hint = getattr(settings, each.name), hints[each.name]
        if not _fits(value, hint):
            refuse(f"{where}{each.name}", f"must be {_words(hint)}", _example(hint))
        _require_bounds(f"{where}{each.name}", value)


def _require_bounds(name: str, value: Any) -> None:
    """Times are whole milliseconds below; databases, locks and dates each end somewhere."""
    if isinstance(value, timedelta):
        if timedelta(0) < value < _LEAST:
            refuse(name, "must be at least 1 ms if it is not 0", "timedelta(seconds=1)")
        if value > _LONGEST:
            refuse(name, "must be at most 100 years", "timedelta(days=400)")
    if isinstance(value, int) and value > _MOST:
        refuse(name, f"must be at most {_MOST}", "100")


def _fits(value: Any, hint: Any) -> bool:
    origin, within = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in within
    if origin is tuple:
        return isinstance(value, tuple | list) and _all_fit(cast("list[Any]", value), within[0])
    if origin is dict:
        return isinstance(value, dict) and _pairs_fit(value, within)
    if within:
        return any(_fits(value, each) for each in within)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _all_fit(values: Iterable[Any], hint: Any) -> bool:
    return all(_fits(each, hint) for each in values)


def _pairs_fit(pairs: Any, hints: tuple[Any, ...]) -> bool:
    return _all_fit(pairs, hints[0]) and _all_fit(pairs.values(), hints[1])


def _words(hint: Any) -> str:
    origin, within = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, within))
    if origin is tuple:
        return f"a tuple, each part {_words(within[0])}"
    if origin is dict:
        return f"a dict, each value {_words(within[1])}"
    if within:
        return " or ".join(_words(each) for each in within)
    return _NAMES.get(hint) or f"a {hint.__name__}"


def _example(hint: Any) -> str:
    origin, within = get_origin(hint), get_args(hint)
    if origin is Literal:
        return repr(within[0])
    if within and origin not in {tuple, dict}:
        return _example(within[0])
    return _EXAMPLES.get(origin or hint) or f"{hint.__name__}()"


def ms(duration: timedelta) -> int:
    """A duration in integer milliseconds (P21)."""
    return duration // timedelta(milliseconds=1)
