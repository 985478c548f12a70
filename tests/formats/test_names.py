"""Names that programs match on never change their meaning: events, reasons, codes and statuses.

`vectors/names.json` holds those of release 0.1. A new name is added to it with the release that
brings it; none is ever taken out.
"""

import json
from pathlib import Path

import pytest

from holdfast import errors, events
from holdfast.sinks import as_dict

GOLDEN = json.loads((Path(__file__).parent.parent / "vectors" / "names.json").read_text())


@pytest.mark.parametrize(
    ("kind", "enum"),
    [
        ("events", events.EventName),
        ("severities", events.Severity),
        ("reasons", errors.Reason),
    ],
)
def test_no_name_goes_or_changes(kind, enum):
    """Each released name is there, under its member's name (R155)."""
    now = {member.name: member.value for member in enum}
    assert {name: now.get(name) for name in GOLDEN[kind]} == GOLDEN[kind]


def test_no_code_goes_or_changes():
    """Each exception keeps its code and its status."""
    now = {
        name: [found.code, found.http_status]
        for name in GOLDEN["errors"]
        if (found := getattr(errors, name, None))
    }
    assert now == GOLDEN["errors"]


def test_two_errors_never_share_a_code():
    """So a client can tell them apart."""
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = [each.code for each in found if issubclass(each, errors.HoldfastError)]
    assert len(codes) == len(set(codes))


def test_the_fields_of_an_event():
    """Their names and their order in a line of JSON."""
    event = events.Event(
        name=events.EventName.SESSION_CREATED,
        at=0,
        subject="ada",
        session="0a",
        reason="why",
        address="192.0.2.7",
        user_agent="curl",
        request_id="r-1",
        detail={"n": 1},
    )
    assert list(as_dict(event)) == GOLDEN["event_fields"]
