"""The texts of docs/_data."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_DATA = Path(__file__).parents[2] / "docs" / "_data"


def words(section: str, names: Iterable[str] | None = None) -> dict[str, str]:
    """The texts of a section; with `names`, they must be exactly those of these names."""
    texts = _texts()[section]
    wanted = texts.keys() if names is None else set(names)
    if wanted != texts.keys():
        missing, left = sorted(wanted - texts.keys()), sorted(texts.keys() - wanted)
        raise SystemExit(f"docs/_data/words.toml, [{section}]: add {missing}, remove {left}")
    return texts


def requirements() -> list[tuple[str, str, str]]:
    """Number, source and text; a heading has an empty number and no source."""
    rows = []
    for line in (_DATA / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            rows.append(("", "", line[3:]))
        elif line and not line.startswith("#"):
            number, origin, text = line.split(" | ")
            rows.append((number, origin, text))
    return rows


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((_DATA / "words.toml").read_text(encoding="utf-8"))
