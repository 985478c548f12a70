"""One field of a form: found as browsers write it, bounded, and never an exception."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import form

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=----geckoform1"


def part(name, value, *, rest="", line="\r\n"):
    head = f'Content-Disposition: form-data; name="{name}"{rest}'
    return f"------geckoform1{line}{head}{line}{line}{value}{line}".encode()


def multipart(*parts, end=b"------geckoform1--\r\n"):
    return b"".join(parts) + end


@pytest.mark.parametrize(
    ("content_type", "is_form"),
    [
        (URLENCODED, True),
        (f"{URLENCODED}; charset=utf-8", True),
        (" Application/X-WWW-Form-Urlencoded ", True),
        (MULTIPART, True),
        ("multipart/form-data", True),
        ("multipart/mixed; boundary=x", False),
        ("application/json", False),
        ("text/plain", False),
        ("", False),
        ("application/x-www-form-urlencodedx", False),
    ],
)
def test_which_bodies_hold_a_field(content_type, is_form):
    """By the media type alone, however it is spelled."""
    assert form.is_form(content_type) is is_form
    if not is_form:
        assert form.field(content_type, b"t=1", "t") is None


# Urlencoded


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"t=1", "1"),
        (b"a=0&t=1&t=2", "1"),
        (b"t=", ""),
        (b"t=a+b%2Bc%26", "a b+c&"),
        (b"T=1", None),
        (b"xt=1&tx=2", None),
        (b"t", ""),
        (b"", None),
        (b"a;t=1", None),
        (b"%74=1", "1"),
        (b"t=%ff%00", "\ufffd\0"),
        (b"\xff\x00&t=1", "1"),
        (b"a=1&" * 999 + b"t=1", "1"),
        (b"a=1&" * 1001 + b"t=1", None),
    ],
)
def test_a_field_of_an_urlencoded_form(body, value):
    """The first of that name; more than 1000 fields are none of ours (P37)."""
    assert form.field(URLENCODED, body, "t") == value


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=4), st.text(max_size=5))
def test_an_urlencoded_form_as_a_browser_writes_it(fields, name):
    """Any text in UTF-8."""
    body = urlencode(fields, errors="replace").encode()
    told = {
        key.encode(errors="replace").decode(): value.encode(errors="replace").decode()
        for key, value in reversed(fields.items())
    }
    assert form.field(URLENCODED, body, name) == told.get(name)


# Multipart


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (multipart(part("t", "1")), "1"),
        (multipart(part("a", "0"), part("t", "1"), part("t", "2")), "1"),
        (multipart(part("t", "a\r\nb")), "a\r\nb"),
        (multipart(part("t", "")), ""),
        (multipart(part("t", "1", rest='; filename="x.txt"\r\nContent-Type: text/plain')), "1"),
        (multipart(part("a", 'name="t"\r\n\r\n1')), None),
        (multipart(part("a", "1", rest='; x="; name="t"')), None),
        (multipart(part("T", "1")), None),
        (multipart(part("t", "1", line="\n")), None),
        (b"preamble\r\n" + multipart(part("t", "1")), "1"),
        (multipart(), None),
        (b"", None),
        (b"------geckoform1\r\n\r\n1\r\n------geckoform1--", None),
        (multipart(part("a", "0") * 999, part("t", "1")), "1"),
        (multipart(part("a", "0") * 1001, part("t", "1")), None),
        (multipart(part("t", "1").replace(b"name=", b"x" * 1024 + b"; name=")), None),
    ],
)
def test_a_field_of_a_multipart_form(body, value):
    """By its own header only; a value that looks like a header is a value."""
    assert form.field(MULTIPART, body, "t") == value


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_part_that_is_not_complete_is_not_found(cut):
    """The body may be the beginning of a longer one: half a token is no token."""
    body = multipart(part("a", "0"), part("t", "0123456789"))
    assert form.field(MULTIPART, body[:-cut], "t") in {None, "0123456789"}
    assert form.field(MULTIPART, part("a", "0") + part("t", "0123456789"), "t") is None


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ('multipart/form-data; boundary="----geckoform1"', True),
        ("multipart/form-data;charset=utf-8;  BOUNDARY=----geckoform1", True),
        ("multipart/form-data", False),
        ("multipart/form-data; boundary=", False),
        ("multipart/form-data; boundary=other", False),
        ('multipart/form-data; boundary="----geckoform1', False),
        ("multipart/form-data; xboundary=----geckoform1", False),
    ],
)
def test_the_boundary_is_that_of_the_header(content_type, found):
    """Quoted or not, and no other parameter."""
    assert (form.field(content_type, multipart(part("t", "1")), "t") == "1") is found


@pytest.mark.parametrize("size", [1, 70, 72])
def test_a_boundary_has_any_usual_length(size):
    """70 characters by RFC 2046, and a few more as some clients write it."""
    body = multipart(part("t", "1")).replace(b"----geckoform1", b"x" * size)
    for boundary in ("x" * size, f'"{"x" * size}"'):
        assert form.field(f"multipart/form-data; boundary={boundary}", body, "t") == "1"


@given(
    st.sampled_from([URLENCODED, MULTIPART, "multipart/form-data; boundary=\ud800"])
    | st.text(max_size=60),
    st.binary(max_size=200) | st.lists(st.sampled_from(multipart(part("t", "1")).split(b"\r\n")))
    .map(b"\r\n".join),
    st.text(max_size=3),
)  # fmt: skip
def test_no_body_crashes_the_reader(content_type, body, name):
    """A text or None, whatever is sent."""
    assert isinstance(form.field(content_type, body, name), str | None)
