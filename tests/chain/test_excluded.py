"""Paths that have no session."""

import pytest

from holdfast.chain.excluded import Excluded


@pytest.mark.parametrize(
    ("paths", "within", "outside"),
    [
        (
            ("/static/",),
            ("/static/", "/static/a/b.css"),
            ("/static", "/statics", "/", "/a/static/"),
        ),
        (("/feed",), ("/feed",), ("/feed/", "/feeds", "/feed/1", "/Feed")),
        (("/",), ("/",), ("/me", "//", "/static/")),
    ],
)
def test_as_written_and_all_below_a_slash(paths, within, outside):
    """The root is itself alone: else no page of the application would have a session."""
    excluded = Excluded(paths)
    assert [path for path in (*within, *outside) if path in excluded] == list(within)
