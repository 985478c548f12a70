"""What a handler asks for is checked where it asks: nothing is stored that would not come back."""

import enum
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import NotSerializable, TooLarge, UsageError
from holdfast.record import Assurance
from holdfast.rules import intents
from holdfast.rules.intents import CLAIMS_LIMIT, RESERVED_CLAIMS, Rotate


class Text(str):
    """As template engines make it of escaped text."""

    __slots__ = ()

    def __str__(self):
        return self

    def __getitem__(self, part):
        return Text(super().__getitem__(part))


class Role(enum.StrEnum):
    ADMIN = "admin"


def anything(*, but):
    return st.one_of(
        st.none(), st.booleans(), st.floats(), st.binary(max_size=4), st.lists(st.text()), but
    )


# Subjects


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("ada", "ada"),
        ("é@x", "é@x"),
        (42, "42"),
        (-1, "-1"),
        (Text("ada"), "ada"),
        ("x" * 512,) * 2,
        (Role.ADMIN, "admin"),
        (" a", " a"),
        ("\u202eada", "\u202eada"),
    ],
)
def test_a_subject_is_text_or_a_whole_number(subject, text):
    """As it is stored: plain text, whatever class it came in."""
    found = intents.subject_text(subject)
    assert found == text
    assert type(found) is str


@pytest.mark.parametrize(
    "subject",
    [
        "",
        " ",
        "\t",
        "\u2003",
        "a\nb",
        "\0",
        "\x7f",
        "\x85",
        "\ud800",
        "x" * 513,
        None,
        True,
        False,
        1.0,
        b"ada",
        ["ada"],
        pytest.param(object(), id="object"),
    ],
    ids=repr,
)
def test_what_would_be_an_account_of_everybody_is_refused(subject):
    """Nothing, the word "None", controls, halves of characters, and what is too long (P60)."""
    with pytest.raises(UsageError, match="subject"):
        intents.subject_text(subject)


@given(anything(but=st.text() | st.integers()))
def test_any_subject_is_stored_as_it_is_or_refused(subject):
    """No other exception, and what is accepted no log or store stumbles over."""
    try:
        found = intents.subject_text(subject)
    except UsageError:
        return
    assert found == str(subject)
    assert 0 < len(found) <= 512
    assert not {unicodedata.category(char) for char in found} & {"Cc", "Cs"}
    found.encode()


# Assurance and label


def test_assurance_is_what_was_given():
    """`acr` and `amr` as texts; nothing given is the lowest level (R48)."""
    assert intents.assurance("urn:2", ["pwd", "otp"]) == Assurance("urn:2", ("pwd", "otp"))
    assert intents.assurance(None, ()) == Assurance()
    plain = intents.assurance(Text("urn:2"), (Text("pwd"),))
    assert {type(each) for each in (plain.acr, *plain.amr)} == {str}


def test_an_assurance_fits_into_a_token():
    """As much as that, and no more: it stands in each access token."""
    assert len(intents.assurance("a" * 1_023, ()).acr) == 1_023
    assert len(intents.assurance(None, ["a"] * 511).amr) == 511
    for acr, amr in (("a" * 1_025, ()), (None, ["a"] * 513), ("a" * 1_000, ["b" * 30])):
        with pytest.raises(UsageError, match="1024"):
            intents.assurance(acr, amr)


@pytest.mark.parametrize(
    ("acr", "amr"),
    [
        (2, ()),
        (b"x", ()),
        ("a\n", ()),
        ("\ud800", ()),
        (None, "pwd"),
        (None, (1,)),
        (None, ("a\0",)),
        (None, (None,)),
        (None, (["pwd"],)),
    ],
    ids=repr,
)
def test_an_assurance_of_a_wrong_type_is_refused(acr, amr):
    """A text where a tuple belongs would be a list of letters."""
    with pytest.raises(UsageError, match=r"acr|amr"):
        intents.assurance(acr, amr)


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        (None, None),
        ("", ""),
        ("my laptop", "my laptop"),
        ("a\x1b[2Jb\r\n", "a[2Jb"),
        ("\u202eevil", "evil"),
        ("\ud800x", "x"),
        ("x" * 600, "x" * 512),
        (Text("x"), "x"),
    ],
)
def test_a_label_is_one_printable_line(label, kept):
    """People and terminals see it (R159)."""
    found = intents.label_text(label)
    assert found == kept
    assert type(found) in {str, type(None)}


@pytest.mark.parametrize("label", [7, b"x", ["x"], True], ids=repr)
def test_a_label_of_a_wrong_type_is_refused(label):
    """It would not come back from the store."""
    with pytest.raises(UsageError, match="label"):
        intents.label_text(label)


# Claims


def test_claims_are_plain_json():
    """None stands for "not known", tuples for lists, and what is handed in may change later."""
    roles = ["a"]
    found = intents.checked_claims(
        {"role": Text("admin"), "email": None, "roles": roles, "x": (1,)}
    )
    roles.append("b")
    assert found == {"role": "admin", "roles": ["a"], "x": [1]}
    assert type(found["role"]) is str


@pytest.mark.parametrize("name", sorted(RESERVED_CLAIMS))
def test_no_claim_takes_the_place_of_a_registered_one(name):
    """Or a handler could mint tokens of somebody else, or without an end."""
    with pytest.raises(UsageError, match=name):
        intents.checked_claims({name: None, "role": "admin"})


@pytest.mark.parametrize(
    ("claims", "place"),
    [
        ({"role": {1}}, r"claims\['role'\] is of type set"),
        ({"role": [b"x"]}, r"claims\['role'\]\[0\] is of type bytes"),
        ({"n": float("nan")}, r"claims\['n'\] is of type float"),
        ({"n": 2**64}, r"claims\['n'\] is an integer of more than 64 bits"),
        ({1: 2}, "key of type int"),
    ],
)
def test_claims_that_are_not_json_are_refused(claims, place):
    """By place and type."""
    with pytest.raises(NotSerializable, match=place):
        intents.checked_claims(claims)


def test_claims_fit_into_a_header():
    """At most 4096 bytes of JSON (R56)."""
    room = CLAIMS_LIMIT - len('{"a":""}')
    assert intents.checked_claims({"a": "x" * room}) == {"a": "x" * room}
    with pytest.raises(TooLarge, match="4097 bytes; the limit is 4096"):
        intents.checked_claims({"a": "x" * (room + 1)})
    with pytest.raises(TooLarge):
        intents.checked_claims({"a": "é" * (room // 2 + 1)})


# Rotations


PLAIN = Rotate()
PROVED = Rotate(reauthenticated=True, assurance=Assurance("urn:2"))


def test_the_first_rotation_is_itself():
    """Nothing to add."""
    assert intents.rotated(None, PROVED) is PROVED


@pytest.mark.parametrize(
    ("earlier", "later", "both"),
    [
        (PLAIN, PLAIN, PLAIN),
        (PROVED, PLAIN, PROVED),
        (PLAIN, PROVED, PROVED),
        (
            PROVED,
            Rotate(claims={}),
            Rotate(reauthenticated=True, claims={}, assurance=PROVED.assurance),
        ),
        (Rotate(claims={"a": 1}), PLAIN, Rotate(claims={"a": 1})),
        (Rotate(claims={"a": 1}), Rotate(claims={}), Rotate(claims={})),
        (PROVED, Rotate(reauthenticated=True, assurance=Assurance()), None),
    ],
)
def test_two_rotations_of_one_request_are_one(earlier, later, both):
    """A plain one does not undo a re-authentication; the latest claims and assurance count."""
    assert intents.rotated(earlier, later) == (both or later)


def test_intents_show_no_claims():
    """Their repr goes to logs (R158)."""
    shown = repr(intents.SignIn(subject="ada", claims={"email": "secret"})) + repr(
        Rotate(claims={"email": "secret"})
    )
    assert "secret" not in shown
