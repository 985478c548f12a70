"""The cookie of a browser that has signed in before."""

import os
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.rules.keys import KeyRing
from holdfast.service.known_device import KnownDevices
from holdfast.settings import Cookie
from holdfast.testing import FakeClock
from service.clients import EMAIL, KEYS, PASSWORD, Client

DAYS = 24 * 3_600_000


def devices(keys=KEYS, clock=None, cookie=None):
    return KnownDevices(
        keys,
        cookie or Cookie(),
        timedelta(days=400),
        clock=clock or FakeClock(),
        entropy=os.urandom,
    )


def sent(text):
    """What a browser sends of a `Set-Cookie`."""
    return text.partition(";")[0]


def test_it_is_read_for_the_name_it_was_made_for():
    """And tells one browser from another."""
    known = devices()
    one, two = known.cookie(EMAIL), known.cookie(EMAIL)
    assert known.read(sent(one), EMAIL) != known.read(sent(two), EMAIL)
    assert known.read(sent(one), "bob@example.org") is None


def test_its_attributes_are_those_of_the_session_cookie():
    """`__Host-`, Secure, HttpOnly, SameSite, 400 days; without Secure in development."""
    assert devices().cookie(EMAIL).startswith("__Host-device=d1")
    assert "; Max-Age=34560000; Path=/; HttpOnly; SameSite=Strict; Secure" in devices().cookie(
        EMAIL
    )
    plain = devices(cookie=Cookie(name="session", secure=False)).cookie(EMAIL)
    assert plain.startswith("device=")
    assert "Secure" not in plain


def test_it_ends_after_its_time():
    """By the server's clock."""
    clock = FakeClock()
    known = devices(clock=clock)
    cookie = sent(known.cookie(EMAIL))
    clock.advance(400 * DAYS - 1000)
    assert known.read(cookie, EMAIL) is not None
    clock.advance(1000)
    assert known.read(cookie, EMAIL) is None


def test_an_older_key_still_verifies_and_a_foreign_one_does_not():
    """Rotation keeps browsers known; another environment's cookie is unknown."""
    cookie = sent(devices().cookie(EMAIL))
    rotated = KEYS.rotated(os.urandom(32))
    assert devices(rotated).read(cookie, EMAIL) is not None
    foreign = KeyRing.generate(os.urandom, environment="production")
    assert devices(foreign).read(cookie, EMAIL) is None


def test_twins_are_not_trusted():
    """Two cookies of this name: which one is ours cannot be told (R60)."""
    known = devices()
    both = f"{sent(known.cookie(EMAIL))}; {sent(known.cookie(EMAIL))}"
    assert known.read(both, EMAIL) is None


@given(st.text(max_size=200))
def test_any_text_is_unknown(text):
    """Never an exception."""
    known = devices()
    assert known.read(f"__Host-device={text}", EMAIL) is None
    assert known.read(text, text) is None


@pytest.mark.parametrize("at", [0, 5, 40, 70])
def test_a_changed_cookie_is_unknown(at):
    """Each part is signed."""
    known = devices()
    name, _, value = sent(known.cookie(EMAIL)).partition("=")
    changed = value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]
    assert known.read(f"{name}={changed}", EMAIL) is None


def test_it_signs_nobody_in(client, app):
    """It only lets its browser try."""
    client.sign_in()
    device = client.http.cookies["device"]
    other = Client(app)
    other.http.cookies.set("device", device)
    assert other.get("/api/me").status_code == 401


def test_a_known_browser_has_a_count_of_its_own(client, app):
    """A stolen device cookie gives twenty tries, not twenty more each time it is sent."""
    client.sign_in()
    for _ in range(20):
        client.sign_in(password="no")
    assert client.sign_in(password=PASSWORD).status_code == 429
    assert Client(app).sign_in().status_code == 200
