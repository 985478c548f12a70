"""The documentation names only tests and files that exist."""

import re
from pathlib import Path

from holdfast.testing import StoreContract

ROOT = Path(__file__).parents[2]
PAGES = [
    page for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if "_build" not in page.parts
]


def test_the_tests_that_pages_name_exist():
    """A renamed test shows here, so no page claims a proof that is gone."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"`StoreContract\.(test_\w+)`", text):
            assert hasattr(StoreContract, name), (page, name)
        for file, name in re.findall(r"`tests/([\w./-]+\.py)(?:::(test_\w+))?`", text):
            path = ROOT / "tests" / file
            assert path.is_file(), (page, file)
            assert f"def {name}" in path.read_text(encoding="utf-8"), (page, name)


def test_the_files_that_the_entry_pages_link_to_exist():
    """Sphinx checks the links inside docs/; these pages are read in the repository."""
    for page in ROOT.glob("*.md"):
        links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))
        assert [link for link in links if not (ROOT / link).exists()] == [], page
