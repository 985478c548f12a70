"""Times as people read them."""

import pytest

from holdfast.service import moments

AT = 1_700_000_000_000
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def test_exact_times_are_utc():
    """To the second for machines, to the minute for people."""
    assert moments.iso(AT) == "2023-11-14T22:13:20Z"
    assert moments.exact(AT) == "14 Nov 2023, 22:13"


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (-5 * SECOND, "just now"),
        (119 * SECOND, "just now"),
        (2 * MINUTE, "2 minutes ago"),
        (HOUR - 1, "59 minutes ago"),
        (HOUR, "1 hour ago"),
        (47 * HOUR, "1 day ago"),
        (13 * DAY, "13 days ago"),
        (14 * DAY, "14 Nov 2023, 22:13"),
    ],
)
def test_how_long_ago(passed, text):
    """Rounded down to one unit; a date when counting no longer helps."""
    assert moments.ago(AT, AT + passed) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 minute"), (60, "1 minute"), (61, "2 minutes"), (3600, "1 hour"), (3601, "2 hours")],
)
def test_how_long_to_wait(seconds, text):
    """Rounded up: who comes back then is not too early."""
    assert moments.wait(seconds) == text
