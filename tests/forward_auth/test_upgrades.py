"""What becomes of a connection that is to be another one: sockets of our own pass, nothing else."""

import pytest

from forward_auth.bytewise import HANDSHAKE, raw, requested


def test_a_socket_of_another_site_does_not_pass(browser, proxy):
    """No application behind has to look at `Origin` itself; a sibling's page sends the cookie (R80)."""
    shake = (f"Cookie: {browser.headers['Cookie']}", *HANDSHAKE)
    for origin in ("https://evil.example", proxy.replace("localhost", "evil.localhost"), "null"):
        assert raw(proxy, "/socket", *shake, f"Origin: {origin}") == 403
    assert raw(proxy, "/socket", *HANDSHAKE, f"Origin: {proxy}") == 401


def test_a_socket_of_our_own_passes(browser, proxy):
    """It is open in both directions, and the application knows whose it is."""
    cookie, origin = f"Cookie: {browser.headers['Cookie']}", f"Origin: {proxy}"
    with requested(proxy, "/socket", cookie, origin, *HANDSHAKE) as connection:
        came = connection.makefile("rb")
        assert b" 101 " in came.readline()
        while came.readline() != b"\r\n":
            pass
        connection.sendall(b"hello\n")
        assert came.readline().strip() not in {b"", b"nobody"}
        assert came.readline() == b"hello\n"


@pytest.mark.parametrize("name", ["h2c", "H2C", "websocket, h2c", "TLS/1.0", "websocket\tx"])
def test_no_other_upgrade_passes(browser, proxy, name):
    """Behind an upgrade to h2c a client would speak to the application unseen."""
    cookie = f"Cookie: {browser.headers['Cookie']}"
    settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    status = raw(proxy, "/", cookie, settings, f"Upgrade: {name}", end="Upgrade, HTTP2-Settings")
    assert status in {200, 400, 403}
