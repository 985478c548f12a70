"""How the statements of the SQLite store name their places."""

import re

import pytest

from holdfast.record import changed
from holdfast.stores.sqlite import sql

STATEMENTS = {name: text for name, text in vars(sql).items() if isinstance(text, str)}


@pytest.mark.parametrize("name", [each for each in STATEMENTS if each.isupper()])
def test_places_are_by_order_or_by_name(name):
    """Never by number: Python 3.12.0 to 3.12.3 take `?1` for a name and warn at each request."""
    text = STATEMENTS[name]
    assert not re.search(r"\?\d", text)
    assert not ("?" in text and re.search(r":[a-z_]", text))


@pytest.mark.parametrize("later", [-1, 1], ids=["in place", "with its indices"])
def test_an_update_by_an_older_request_moves_no_time_back(store, samples, clock, later):
    """Whichever of the two statements carries it out."""
    old = samples.stored(address="203.0.113.9")
    seen_at, end = old.seen_at + 5000, old.expires_at + 5000
    assert store.touch(old.id, seen_at=seen_at, expires_at=end, address="192.0.2.7")
    new = changed(old, version=9, expires_at=end + later)
    assert store.update(new, expected=old.version)
    found = store.get(old.id, now=clock()).record
    assert (found.seen_at, found.address) == (seen_at, "192.0.2.7")
    assert found.expires_at == max(end, end + later)
