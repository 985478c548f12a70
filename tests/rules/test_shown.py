"""A name on a page turns nothing around, and every script reads as it is written."""

import sys
import unicodedata

import pytest

from holdfast.rules.shown import REPLACEMENT, shown

OBEYED = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B", "S"}


def test_no_character_that_reorders_is_left():
    """Every one that the Unicode bidirectional algorithm knows, and every control."""
    for character in map(chr, range(sys.maxunicode + 1)):
        kind = unicodedata.bidirectional(character)
        if kind in OBEYED or unicodedata.category(character) in {"Cc", "Cs"}:
            assert shown(f"a{character}b") == f"a{REPLACEMENT}b", hex(ord(character))


@pytest.mark.parametrize(
    "name",
    [
        "ada@example.org",
        "محمد عبد الله",
        "דנה",
        "می‌خواهم",
        "👩‍👩‍👧",
        "Z\u0301\u0335",
        "\u200fא",
        "",
    ],
)
def test_names_of_people_stay(name):
    """Whatever their script; joiners and direction marks belong to some."""
    assert shown(name) == name


def test_a_name_does_not_become_another_s():
    """What is left out would make them the same."""
    assert shown("ad\u202ea") not in {"ada", "ad a"}
