"""What clients hold has a frozen spelling: ids, cookies, the names inside tokens."""

from datetime import timedelta

import pytest

from holdfast.record import FORMAT, Refresh
from holdfast.rules import base64url, csrf, quota, refresh, sealing, secret
from holdfast.rules.keys import FILE_FORMAT, KeyRing
from holdfast.service.known_device import KnownDevices
from holdfast.settings import Cookie

ID = "qm1AAECAwQFBgcICQoLDA0ODw"
SECRET = bytes(range(32))
DEVICE = "d1AAECAwQFBgcICQoLDA0ODwAAAABlU_E8qVVqlO-6NyTuL_5c_DaYb0Yk6nSizjjjVb2xX_TkEj4"


def test_ids():
    """Tag of two letters, version 1, 128 bits: 25 characters."""
    tag = ord("q") - ord("a") << 5 | ord("m") - ord("a")
    assert secret.new_id(tag, bytes(range(16))) == ID
    assert (secret.tag_of(ID), len(ID), secret.valid_id(ID)) == ("qm", 25, True)


def test_the_tag_of_a_subject():
    """HMAC-SHA256 with the store's salt, its first two bytes modulo 1,024."""
    assert secret.subject_tag("ada", bytes(32)) == 273
    assert secret.subject_tag("é", bytes(range(32))) == 69


def test_the_cookie():
    """Version 1, id, secret; and what a record keeps of the secret."""
    text = f"1.{ID}.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert secret.cookie_text(ID, SECRET) == text
    assert secret.parse_cookie(text) == secret.Token(ID, SECRET)
    assert secret.digest(SECRET).hex() == (
        "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
    )


def test_the_names_of_tokens():
    """`<sid>.<family>.<generation>` and `<sid>.<random>`; nine digits of generation are enough."""
    family = base64url.encode(bytes(range(12)))
    assert str(refresh.RefreshId(ID, family, 7)) == f"{ID}.AAECAwQFBgcICQoL.7"
    assert refresh.access_jti(ID, bytes(range(9))) == f"{ID}.AAECAwQFBgcI"
    assert refresh.parse_jti(f"{ID}.{family}.7") == (ID, family, 7)
    assert refresh.parse_access_jti(f"{ID}.AAECAwQFBgcI") == ID
    assert refresh.start(family, now=5999, lifetime=10) == Refresh(family, 0, 5, 6009, ())


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (0, "00000000000000000100000000000000" + "00" * 60),
        (1_700_000_000_000, "8e27cd01000000000100000000000000" + "00" * 60),
    ],
)
def test_the_state_of_a_quota(now, state):
    """Number of the newest bucket, then 17 counts, little-endian: 76 bytes, under a name of its own."""
    packed, _ = quota.take(None, limit=3, period=900_000, now=now)
    assert packed.hex() == state
    assert quota.name("s/x", 900_000) == "w16:900000:s/x"


def test_the_known_device():
    """The cookie of a browser that has signed in before, under one address of the service."""
    device = KnownDevices(
        KeyRing.generate(lambda size: bytes(range(size)), environment="production"),
        Cookie(),
        timedelta(seconds=60),
        clock=lambda: 1_700_000_000_000,
        entropy=lambda size: bytes(range(size)),
    )
    name, _, value = device.cookie("ada@example.org").partition(";")[0].partition("=")
    assert (name, value) == ("__Host-device", DEVICE)
    assert device.read(f"{name}={value}", "ada@example.org") == bytes(range(16))
    assert device.read(f"{name}={value}", "bob@example.org") is None


def test_the_versions():
    """Each format says which it is."""
    token = csrf.token(SECRET, b"binding", bytes(32))
    assert (FORMAT, FILE_FORMAT) == (1, 1)
    assert secret.cookie_text(ID, SECRET).startswith("1.")
    assert (token[:2], csrf.presession(SECRET, bytes(16), 1)[:2]) == ("c1", "p1")
    assert sealing.seal(SECRET, ID, b"{}", bytes(12))[0] == 1
