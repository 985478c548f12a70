"""The page about personal data leaves out no field of a record, no cookie and no table."""

import re
from pathlib import Path

from holdfast.record import Record
from holdfast.service import schema

PAGE = (Path(__file__).parents[2] / "docs/reference/what-is-stored.md").read_text(encoding="utf-8")


def section(title):
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return found


def test_every_field_of_a_record():
    """A new field has to be thought of here."""
    first = re.findall(r"^\| ([^|]+) \|", section("A record"), re.MULTILINE)
    told = [name for cell in first for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(told) == sorted(Record.__struct_fields__)


def test_every_table_of_the_service():
    """As they are made."""
    scripts = (*schema.USERS.sqlite, *schema.SIGN_INS.sqlite)
    made = {name for script in scripts for name in re.findall(r"CREATE TABLE (\w+)", script)}
    assert set(re.findall(r"table `(\w+)`", section("The service's own users"))) == made
