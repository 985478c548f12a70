"""The measured speed in the README, from the latest results of scripts/bench."""

from __future__ import annotations

import json
import re

from pages.source import ROOT

_RESULTS = ROOT / "bench" / "results" / "chain.json"
_BLOCK = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- /measured -->)", re.DOTALL)

# What the README says, and the ratio of the results that it is.
_SAID = {
    "GET Starlette, Holdfast memory / bare": "{} with sessions in memory",
    "GET Starlette, Holdfast SQLite / bare": "{} in SQLite",
    "POST Starlette, Holdfast SQLite / bare": "{} for writes with token and quota",
    "GET Starlette, starsessions set / bare": "separate libraries glued together {}",
}


def page() -> str:
    """The README with today's figures in its block."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return _BLOCK.sub(lambda _: _figures(), text)


def _figures() -> str:
    results = json.loads(_RESULTS.read_text(encoding="utf-8"))
    ratios = {each["name"]: each for each in results["ratios"]}
    said = [text.format(_share(ratios[name])) for name, text in _SAID.items() if name in ratios]
    machine, versions = results["machine"], results["versions"]
    return (
        f"- **It costs little.** Of bare Starlette's requests a second the whole chain keeps"
        f" {', '.join(said)} (`./scripts/bench`, {machine['cpu']}, Python {machine['python']},"
        f" Starlette {versions['starlette']}; run it on yours).\n"
    )


def _share(ratio: dict[str, float]) -> str:
    low, middle, high = (round(100 * ratio[name]) for name in ("low", "median", "high"))
    return f"{middle} % ({low} to {high})"
