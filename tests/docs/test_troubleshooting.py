"""The page for people in trouble leaves no reason and no code of theirs out."""

import re
from pathlib import Path

import pytest

from holdfast.errors import Reason

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\|.*?`([a-z_]+)` \| (\d{3}[^|]*) \|", re.MULTILINE)


def told_below(heading):
    (found,) = re.findall(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL
    )
    first = re.findall(r"^\| ([^|]+) \|", found, re.MULTILINE)
    return {name for cell in first for name in re.findall(r"`([a-z_]+)`", cell)}


def test_every_reason_has_its_line():
    """So whoever finds one in a log finds what to look at."""
    assert told_below("Why was I signed out?") >= {str(reason) for reason in Reason}


@pytest.mark.parametrize("status", ["401", "403", "409", "429", "503"])
def test_every_code_of_a_status_has_its_line(status):
    """As the reference lists them."""
    errors = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    codes = {code for code, statuses in ROW.findall(errors) if status in statuses}
    assert codes
    assert told_below(f"Why {status}?") >= codes
