"""Names of a package that are imported when they are first asked for (PEP 562)."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def names_of(
    package: str, homes: Mapping[str, Iterable[str]], elsewhere: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """The `__getattr__` of a package that stands in for these modules, each with the names it has.

    What was asked for once is the package's own from then on. `elsewhere` has names that people look
    for here, and what they are told: an `ImportError`, since Python hides an `AttributeError`'s text.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> Any:
        if elsewhere and name in elsewhere:
            raise ImportError(elsewhere[name], name=package)
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
