"""How the statements of the SQLite store name their places."""

import re

import pytest

from holdfast.stores.sqlite import sql

STATEMENTS = {name: text for name, text in vars(sql).items() if isinstance(text, str)}


@pytest.mark.parametrize("name", [each for each in STATEMENTS if each.isupper()])
def test_places_are_by_order_or_by_name(name):
    """Never by number: Python 3.12.0 to 3.12.3 take `?1` for a name and warn at each request."""
    text = STATEMENTS[name]
    assert not re.search(r"\?\d", text)
    assert not ("?" in text and re.search(r":[a-z_]", text))
