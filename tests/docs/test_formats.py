"""The page of formats says what the code does: fields and their places, purposes, versions, golden files.

It explains more than code can say, so it is written by hand; what can drift is compared here.
"""

import re
from pathlib import Path
from typing import get_args

import pytest

from holdfast import record
from holdfast.rules import keys, quota
from holdfast.stores.sqlite import schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")


def section(title):
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def test_the_fields_of_a_record_at_their_places():
    """As they are written: a new field, or another order, is another format."""
    rows = re.findall(r"^\| (\d+) \| `?(\w+)[^|]*\| (.+) \|$", section("Record"), re.MULTILINE)
    assert [name for _, name, _ in rows] == list(record.Record.__struct_fields__)
    assert [int(place) for place, _, _ in rows] == list(range(len(rows)))
    assert f"now {record.FORMAT} " in section("Record")


def _spelled(told):
    """A name as the page writes it: as it is, or in words."""
    words = {"rotations": "rotation times"}
    return lambda name: name if name in told else words.get(name, name.replace("_", " "))


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("policy", record.Policy),
        ("refresh", record.Refresh),
        ("assurance", record.Assurance),
        ("client", record.Client),
    ],
)
def test_the_parts_of_what_is_nested(field, kind):
    """Each is named, in its order; `rotations` and `user_agent` are said in words."""
    (told,) = re.findall(rf"`{field}` \| (.+) \|$", section("Record"), re.MULTILINE)
    places = [told.find(spelled) for spelled in map(_spelled(told), kind.__struct_fields__)]
    assert -1 not in places
    assert places == sorted(places)


def test_every_purpose_of_a_key_and_none_that_is_gone():
    told = re.findall(r"`([a-z]+)`", section("Key-purpose labels").split("The purposes are")[1])
    assert set(get_args(keys.Purpose)) == set(told[: told.index("kid")])


def test_the_state_of_a_quota():
    """Its bytes, and the name that it is kept under."""
    told = section("Quota state")
    state, _ = quota.take(None, limit=5, period=1000, now=0)
    assert told.split()[0] == str(len(state or b""))
    assert f"{quota.SLOTS} counts" in told
    assert quota.name("k", 5).startswith(re.search(r"`(w\d+):", told)[1])


def test_whose_a_file_of_sqlite_is():
    assert f"{schema.APPLICATION_ID:#x}" in section("SQLite schema")


def test_golden_files_are_there():
    for name in re.findall(r"`(\w+\.json)`", PAGE):
        assert (ROOT / "tests" / "vectors" / name).is_file(), name
    for name in re.findall(r"in `(test_\w+\.py)`", PAGE):
        assert list((ROOT / "tests").rglob(name)), name
