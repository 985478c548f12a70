"""Makes docs/reference/benchmarks.md and its chart from the latest results of scripts/bench."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
CHART = ROOT / "docs" / "reference" / "benchmarks.svg"

_HEAD = """# Benchmarks

Made by `scripts/bench`; run it on your machine. Everything that is compared ran in the same run, in
interleaved rounds: A B C, A B C, and so on. A ratio is the median of the ratios of single rounds, with the
least and the greatest beside it. Targets are written as must / aim.

```{image} benchmarks.svg
:alt: Requests a second of each chain, as a share of the bare framework under the same server
```
"""
_BAR, _LEFT, _WIDTH = 26, 330, 460


def main() -> None:
    """Write both files."""
    runs = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    PAGE.write_text("\n".join([_HEAD, *(_section(name, run) for name, run in runs.items())]))
    CHART.write_text(_chart(runs["chain"]["ratios"]))


def _section(name: str, run: dict[str, Any]) -> str:
    machine, versions = run["machine"], run["versions"]
    known = ", ".join(f"{package} {version}" for package, version in versions.items())
    lines = [
        f"## {name}\n",
        f"{machine['cpu']}, {machine['system']}, Python {machine['python']}. {known}.\n",
        "| measured | median | from | to | |\n|---|---:|---:|---:|---|",
        *(_figure(each) for each in run["figures"]),
        *(_ratio(each) for each in run["ratios"]),
        "",
    ]
    return "\n".join(lines)


def _figure(each: dict[str, Any]) -> str:
    low, middle, high = (f"{each[key]:,.2f}" for key in ("low", "median", "high"))
    return f"| {each['name']} | {middle} {each['unit']} | {low} | {high} | |"


def _ratio(each: dict[str, Any]) -> str:
    low, middle, high = (f"{each[key]:.3f}" for key in ("low", "median", "high"))
    targets = " / ".join(
        f"{target:g}" for target in (each["must"], each["aim"]) if target is not None
    )
    verdict = f"{targets}: {each['verdict'] or 'open'}" if targets else ""
    return f"| {each['name']} | {middle} | {low} | {high} | {verdict} |"


def _chart(ratios: list[dict[str, Any]]) -> str:
    height = _BAR * len(ratios) + 10
    rows = "".join(_row(place, each) for place, each in enumerate(ratios))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 80} {height}"'
        ' font-family="sans-serif" font-size="13">\n'
        f"{rows}</svg>\n"
    )


def _row(place: int, each: dict[str, Any]) -> str:
    top, width = place * _BAR + 5, min(each["median"], 1.0) * _WIDTH
    colour = "#2f6f4f" if "Holdfast" in each["name"] else "#9aa0a6"
    name = each["name"].removesuffix(" / bare")
    return (
        f'<text x="{_LEFT - 10}" y="{top + 15}" text-anchor="end" fill="currentColor">{name}</text>\n'
        f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 6}" fill="{colour}"/>\n'
        f'<text x="{_LEFT + width + 8:.1f}" y="{top + 15}" fill="currentColor">{each["median"]:.2f}</text>\n'
    )


if __name__ == "__main__":
    main()
