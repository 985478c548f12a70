"""Numbers that are none, and those that something below cannot count: refused at the start, by name."""

import math
from dataclasses import fields
from datetime import timedelta
from typing import get_type_hints

import pytest

from holdfast.errors import ConfigurationError
from holdfast.service.options import ServiceOptions
from holdfast.settings import Cookie, Limits, Rate, Settings

WRONG = {
    "yes": True,
    "no": False,
    "not a number": math.nan,
    "no end": math.inf,
    "a fraction": 1.5,
    "a text": "5",
    "below zero": -1,
    "zero": 0,
    "huge": 2**62,
    "more than 64 bits": 2**70,
    "a duration below zero": timedelta(seconds=-1),
    "no time": timedelta(0),
    "below what is counted": timedelta(microseconds=1),
    "for ever": timedelta.max,
}
MAY_BE_NO_TIME = {"refresh_grace", "leeway", "stale_reads"}
KINDS = {Settings: "", Cookie: "cookie.", Rate: "rate.", ServiceOptions: ""}


def numbers():
    """Each field that is a number or a duration, with the name by which it is refused."""
    for kind, prefix in KINDS.items():
        for name, hint in get_type_hints(kind).items():
            if name in {each.name for each in fields(kind)} and any(
                part in str(hint) for part in ("int", "timedelta")
            ):
                yield pytest.param(kind, name, prefix, id=f"{prefix}{name}")


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("kind", "name", "prefix"), list(numbers()))
def test_a_number_that_nothing_can_be_done_with_is_refused_by_name(kind, name, prefix, wrong):
    """NaN passes every comparison, True is a 1, and a lock that waits for ever is an OverflowError."""
    if wrong == "no time" and name in MAY_BE_NO_TIME:
        kind(**{name: WRONG[wrong]})
        return
    with pytest.raises(ConfigurationError) as refused:
        kind(**{name: WRONG[wrong]})
    assert str(refused.value).startswith(f"{prefix}{name}: ")
    assert "; for example " in str(refused.value)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(idle=timedelta(0)), r"policies\['long'\]\.idle"),
        (Limits(idle=timedelta(seconds=-1)), r"policies\['long'\]\.idle"),
        (Limits(absolute=timedelta(0)), r"policies\['long'\]\.absolute"),
        (Limits(idle=timedelta(minutes=1), absolute=timedelta(minutes=1)), "touch_every"),
    ],
)
def test_named_limits_as_well(limits, told):
    with pytest.raises(ConfigurationError, match=f"^{told}: "):
        Settings(policies={"long": limits})


def test_what_is_noted_late_does_not_keep_a_session():
    """Idle is judged with the time that notes of activity may be late by: they must be a small part."""
    with pytest.raises(ConfigurationError, match=r"^flush_every: must be at most a tenth of idle"):
        Settings(idle=timedelta(minutes=10), flush_every=timedelta(minutes=2))
    Settings(idle=timedelta(seconds=30), touch_every=timedelta(seconds=3))
