"""Writes the generated pages of docs/reference/ from the code, and the figures in the README.

With --check it only compares.

What the code does not say of a name stands in docs/_data/words.toml. A name without its text, and a
text without its name, are errors, so neither can be forgotten.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pages import api, names, readme, rules, service, settings

README = Path(__file__).parents[1] / "README.md"
PAGES = README.parent / "docs" / "reference"
BUILDERS = {
    "settings.md": settings.page,
    "events.md": names.events_page,
    "errors.md": names.errors_page,
    "python-api.md": api.page,
    "cli.md": service.cli_page,
    "http-api.md": service.http_page,
    "requirements.md": names.requirements_page,
    **rules.builders(),
}
NOTE = "<!-- Made by scripts/reference.py from the code. Do not edit. -->\n"


def main() -> int:
    """Write the pages, or with --check name those that are stale; 1 if there are any."""
    check = "--check" in sys.argv[1:]
    known = {path.name for path in (PAGES / "rules").glob("*.md")}
    stale = [f"rules/{name}" for name in known if f"rules/{name}" not in BUILDERS]
    texts = {PAGES / name: NOTE + build().rstrip() + "\n" for name, build in BUILDERS.items()}
    for path, text in {**texts, README: readme.page()}.items():
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        print("stale:" if check else "written:", *stale, file=sys.stderr)
    if stale and check:
        print("run: .venv/bin/python scripts/reference.py", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
