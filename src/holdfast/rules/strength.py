"""Whether a secret is fit to be a key: long, no example, not made up by a person (R91, R169).

Randomness cannot be proved, only its absence seen. Random bytes, hex, base64 and base64url of 32
bytes or more pass (all but one in 10^8); what people copy, repeat, count up or make of words does
not.
"""

from __future__ import annotations

import re
from base64 import b64decode
from itertools import pairwise

NEEDED = 32
ADVICE = (
    'make a good one with: python -c "import secrets; print(secrets.token_urlsafe(32))"'
    "  or: holdfast keys new"
)

_SAMPLE = 256
_EXAMPLES = (
    # Letters and digits only, lower case; each at least 8 long, so that chance never writes one.
    "abcdefgh", "asecretkey", "atleast256bits", "changeit", "changeme", "changethis",
    "correcthorse", "developmentkey", "developmentsecret", "devsecret", "djangoinsecure",
    "donotuse", "donttell", "examplekey", "examplesecret", "flasksecret", "holdfastsecret",
    "iloveyou", "insecure", "jwtsecret", "keyboardcat", "letmein123", "mysecret", "notasecret",
    "notsosecret", "notverysecret", "password", "placeholder", "privatekey", "productionsecret",
    "qwertyui", "replaceme", "replacethis", "secretkey", "sessionsecret", "shhhhhhh", "signingkey",
    "somesecret", "supersafe", "supersecret", "testsecret", "thisisas", "thisismy", "topsecret",
    "verysecret", "your256bitsecret", "yourkeyhere", "yoursecret", "1234567890", "0987654321",
)  # fmt: skip
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_FORMS: tuple[tuple[re.Pattern[str], float], ...] = (
    # What a text is made of, and how many bits each character can then hold at most.
    (re.compile(r"[A-Za-z][a-z]*(?:[ ,_.-]+[A-Za-z][a-z]*)*\W*\d{0,6}\W*"), 2),
    (re.compile(r"[A-Z]+(?:[ ,_.-]+[A-Z]+)*"), 2),
    (re.compile(r"[0-9]+"), 3.3),
    (_HEX, 4),
    (re.compile(r"[a-z2-7]+=*|[A-Z2-7]+=*"), 5),
)


def weakness(secret: bytes) -> str | None:
    """Why `secret` must not be a key, in words that do not show it; None if it may.

    A text counts by the bytes that its form can hold: 64 hex digits are 32 bytes.
    """
    text = _text(secret)
    if text is not None and any(example in _folded(text) for example in _EXAMPLES):
        return "contains a well-known example"
    size = len(secret) if text is None else _size(text)
    if size < NEEDED:
        return f"holds at most {size} bytes of randomness, {NEEDED} are needed"
    if _is_patterned(secret[:_SAMPLE]):
        return "repeats itself or counts up"
    inner = None if text is None else _inside(text)
    return None if inner is None else weakness(inner)


def _text(secret: bytes) -> str | None:
    text = secret.strip().decode("latin-1")
    return text if text.isascii() and text.isprintable() else None


def _folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _size(text: str) -> int:
    bits = next((bits for form, bits in _FORMS if form.fullmatch(text)), None)
    if bits is None:
        bits = 2 if _reads_like_words(text) else 6.5 if re.search(r"[^\w+/=-]", text) else 6
    return int(len(text.rstrip("=")) * bits / 8)


def _reads_like_words(text: str) -> bool:
    """Random texts jump between lower case, capitals and digits; people's stay for long."""
    stays = re.findall(r"(?=[a-z]{2}|[A-Z]{2}|[0-9]{2})", text)
    return len(stays) > 0.85 * len(text)


def _is_patterned(sample: bytes) -> bool:
    triples = [sample[at : at + 3] for at in range(len(sample) - 2)]
    steps = sum(abs(left - right) <= 1 for left, right in pairwise(sample))
    few = len(set(sample)) < 10
    return few or len(set(triples)) < 0.6 * len(triples) or steps > 0.6 * len(sample)


def _inside(text: str) -> bytes | None:
    """A readable text that was only wrapped in hex or base64."""
    try:
        inner = bytes.fromhex(text) if _HEX.fullmatch(text) else b64decode(_standard(text))
    except ValueError:
        return None
    return inner if len(inner) >= 8 and _text(inner) is not None else None


def _standard(text: str) -> str:
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    return bare + "=" * (-len(bare) % 4)
