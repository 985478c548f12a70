"""Weak secrets are refused, and good ones never."""

import base64
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules import strength

FORMS = {
    "raw": bytes,
    "hex": lambda raw: raw.hex().encode(),
    "HEX": lambda raw: raw.hex().upper().encode(),
    "base64": base64.b64encode,
    "urlsafe": base64.urlsafe_b64encode,
    "token_urlsafe": lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"="),
    "with newline": lambda raw: base64.b64encode(raw) + b"\n",
    "base64 of hex": lambda raw: base64.b64encode(raw.hex().encode()),
}


@pytest.mark.parametrize("form", FORMS)
def test_random_secrets_are_never_refused(form):
    """Ten thousand of each form, of 32 bytes and of more."""
    source = random.Random(form)
    for _ in range(10_000):
        raw = source.randbytes(source.choice((32, 32, 33, 48, 64, 128)))
        assert strength.weakness(FORMS[form](raw)) is None, raw.hex()


@pytest.mark.parametrize("size", [0, 1, 16, 24, 31])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "with newline"])
def test_short_secrets_are_refused_in_every_form(form, size):
    """R91: 16 bytes do not become 32 by being written as hex."""
    if form == "base64 of hex":
        size //= 2
    problem = strength.weakness(FORMS[form](random.Random(size).randbytes(size)))
    assert problem is not None


@pytest.mark.parametrize(
    "secret",
    [
        "secret", "changeme", "password", "dev", "test", "admin", "keyboard cat",
        "your-secret-key", "your_secret_key_here_please_change_it_in_production!",
        "your-256-bit-secret", "a-string-secret-at-least-256-bits-long",
        "django-insecure-3k#v9!x$2m^w8p&q5z@r7t*y4u(i6o)e1a_s0d-f+g=h~j",
        "SuperSecretKey1234567890abcdefXYZ!!", "dev-secret" * 6,
        "changeme-changeme-changeme-changeme", "k3Jx0Qm1ZpTn" * 5, "9f8e7d6c5b4a3021" * 5,
        "".join(random.Random(1).choices("12345qwer", k=64)),
        "My_Super-Secret.Key_with_9f8e7d6c5b4a39281706_noise",
        "secret" * 12, "secret" + "0" * 58, "0" * 64, "a" * 64, "ab" * 40, "f00d" * 16,
        "deadbeef" * 8, "0123456789abcdef" * 4, "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ",
        "zyxwvutsrqponmlkjihgfedcbazyxwvutsrqponmlkjihgfedcba", "1234567890" * 7,
        "qwertyuiopasdfghjklzxcvbnmqwertyuiopasdfghjklzxcvbnm",
        "correct horse battery staple correct horse battery staple",
        "this is only a sentence that somebody found long enough to sign with",
        "ThequickbrownfoxjumpsoverthelazydogandrunsawayfromitX2024!",
        "holdfast-secret-for-production-2026-do-not-share",
        base64.b64encode(b"password" * 5).decode(), b"changeme".hex() * 5,
        base64.b64encode(b"0123456789abcdef0123456789abcdef").decode(),
        "     " + "x" * 60,
    ],
)  # fmt: skip
def test_what_people_use_is_refused(secret):
    """Examples, repetitions, sequences and words, also wrapped in another encoding (R169)."""
    assert strength.weakness(secret.encode()) is not None


@pytest.mark.parametrize(
    "secret", [bytes(32), bytes(range(64)), b"\xff" * 64, b"\0\1" * 40, bytes(range(255, 190, -1))]
)
def test_patterns_of_bytes_are_refused(secret):
    """Not only texts can be weak."""
    assert strength.weakness(secret) is not None


@given(st.binary(max_size=300) | st.text(string.printable, max_size=100).map(str.encode))
def test_never_raises_and_never_shows_the_secret(secret):
    """P37 and §9: the reason is words and numbers."""
    problem = strength.weakness(secret)
    assert problem is None or len(secret) < 6 or secret.decode("latin-1") not in problem
