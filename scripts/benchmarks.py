"""Makes docs/reference/benchmarks.md and its chart from the latest results of scripts/bench."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "bench"
RESULTS = BENCH / "results"
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
CHART = ROOT / "docs" / "reference" / "benchmarks.svg"

_HEAD = """# Benchmarks

Made by `scripts/bench`; run it on your machine. Everything that is compared ran in the same run, in
interleaved rounds: A B C, A B C, and so on. A ratio is the median of the ratios of single rounds, with the
least and the greatest beside it. Targets are written as must / aim.

A *set* is what the same application is glued together of otherwise: sessions, limiter and CSRF protection
of separate libraries, on their usual stores.

```{image} benchmarks.svg
:alt: Requests a second of each chain, as a share of the bare framework under the same server
```
"""
_BAR, _TOP, _LEFT, _WIDTH = 26, 62, 230, 560
_STYLE = """<style>
.paper { fill: #fff } text { fill: #202124 } .grid { stroke: #dadce0 } .spread { stroke: #202124 }
.ours { fill: #2f7d5b } .theirs { fill: #9aa0a6 }
@media (prefers-color-scheme: dark) {
.paper { fill: #1b1c1e } text { fill: #e3e3e3 } .grid { stroke: #3c4043 } .spread { stroke: #e3e3e3 }
.ours { fill: #3f9d75 } .theirs { fill: #70757a }
}
</style>
"""


def main() -> None:
    """Write both files."""
    kept = sorted(RESULTS.glob("*.json"), key=lambda path: (path.stem != "chain", path.stem))
    runs = {path.stem: json.loads(path.read_text()) for path in kept}
    PAGE.write_text("\n".join([_HEAD, *(_section(name, run) for name, run in runs.items())]))
    CHART.write_text(_chart(runs["chain"]["ratios"]))


def _section(name: str, run: dict[str, Any]) -> str:
    machine, versions = run["machine"], run["versions"]
    known = ", ".join(f"{package} {version}" for package, version in versions.items())
    lines = [
        f"## {name}\n",
        f"{_what(name)}\n",
        f"{machine['cpu']}, {machine['system']}, Python {machine['python']}. {known}.\n",
        "| measured | median | from | to | target |\n|---|---:|---:|---:|---|",
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


def _what(name: str) -> str:
    """What a bench measures, in the words of its own docstring."""
    text = ast.get_docstring(ast.parse((BENCH / f"{name}.py").read_text())) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def _chart(ratios: list[dict[str, Any]]) -> str:
    bottom = _TOP + _BAR * len(ratios)
    rows = "".join(_row(_TOP + place * _BAR, each) for place, each in enumerate(ratios))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 60} {bottom + 12}"'
        ' font-family="sans-serif" font-size="13">\n'
        f"{_STYLE}"
        '<rect class="paper" width="100%" height="100%" rx="6"/>\n'
        '<text x="14" y="24" font-size="15">Requests a second, as a share of the bare framework;'
        " the line is the spread over the rounds</text>\n"
        f"{''.join(_line(share, bottom) for share in (0, 0.25, 0.5, 0.75, 1))}{rows}</svg>\n"
    )


def _line(share: float, bottom: int) -> str:
    x = _LEFT + share * _WIDTH
    return (
        f'<line class="grid" x1="{x:.0f}" y1="{_TOP - 8}" x2="{x:.0f}" y2="{bottom}"/>\n'
        f'<text x="{x:.0f}" y="{_TOP - 13}" text-anchor="middle" font-size="11">{share:.0%}</text>\n'
    )


def _row(top: int, each: dict[str, Any]) -> str:
    low, middle, high = (min(each[key], 1.0) * _WIDTH for key in ("low", "median", "high"))
    kind = "ours" if "Holdfast" in each["name"] else "theirs"
    name = each["name"].removesuffix(" / bare")
    mid = top + (_BAR - 6) / 2
    return (
        f'<text x="{_LEFT - 10}" y="{top + 15}" text-anchor="end">{name}</text>\n'
        f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{middle:.1f}" height="{_BAR - 6}"/>\n'
        f'<line class="spread" x1="{_LEFT + low:.1f}" y1="{mid}" x2="{_LEFT + high:.1f}" y2="{mid}"/>\n'
        f'<text x="{_LEFT + high + 8:.1f}" y="{top + 15}">{each["median"]:.2f}</text>\n'
    )


if __name__ == "__main__":
    main()
