"""A name on a page turns nothing around and hides nothing; every script reads as it is written."""

import sys
import unicodedata

import pytest

from holdfast.rules.shown import REPLACEMENT, shown

MONGOLIAN = "\u1830\u1820\u1837\u180e\u1820"
WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
# Default_Ignorable_Code_Point of Unicode 16: what is not seen, in ranges.
IGNORABLE = (
    "00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF"
    " FFA0 FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
# Joiners, direction marks, and what chooses between forms.
NEEDED = "061C 180B-180D 180F 200C-200F FE00-FE0F E0100-E01EF"
OBEYED = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B", "S"}


def test_no_character_that_reorders_is_left():
    """Every one that the Unicode bidirectional algorithm knows, and every control."""
    for character in map(chr, range(sys.maxunicode + 1)):
        kind = unicodedata.bidirectional(character)
        if kind in OBEYED or unicodedata.category(character) in {"Cc", "Cs"}:
            assert shown(f"a{character}b") == f"a{REPLACEMENT}b", hex(ord(character))


def of(ranges):
    for each in ranges.split():
        first, _, last = each.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def test_no_character_that_is_not_seen_is_left():
    """But those that some script or emoji needs: two names that differ by it would read as one."""
    needed = set(of(NEEDED))
    for number in of(IGNORABLE):
        name = f"ada{chr(number)}"
        assert (shown(name) == name) == (number in needed), hex(number)
        assert len(shown(name)) == 4


@pytest.mark.parametrize(
    "hidden",
    [
        WALES[1:],
        f"{WALES[0]}{WALES[1:-1]}",
        f"{WALES[0]}{WALES[1:-1]}{WALES[1]}{WALES[-1]}",
        f"\U0001f3f4{chr(0xE0041)}\U000e007f",
        f"a\u180e{MONGOLIAN[0]}",
        f"{MONGOLIAN[0]}\u180ea",
        "\u180e\u180e",
    ],
    ids=ascii,
)
def test_what_some_text_needs_is_replaced_elsewhere(hidden):
    """Tags but in the three flags, the vowel separator but between Mongolian letters."""
    text = shown(hidden)
    assert REPLACEMENT in text
    assert len(text) == len(hidden)
    assert not any(0xE0000 <= ord(each) <= 0xE007F or each == "\u180e" for each in text)


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
        "葛\U000e0100城",
        "❤\ufe0f",
        MONGOLIAN,
        f"Gwen {WALES}",
        "",
    ],
)
def test_names_of_people_stay(name):
    """Whatever their script; joiners and direction marks belong to some."""
    assert shown(name) == name


def test_a_name_does_not_become_another_s():
    """What is left out would make them the same."""
    assert shown("ad\u202ea") not in {"ada", "ad a"}
