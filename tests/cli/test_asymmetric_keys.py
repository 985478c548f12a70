"""`holdfast keys asymmetric`: a key file gets a key whose public half can be handed out."""

import json

import pytest

from holdfast import keyfile
from holdfast.service.home import KEY_FILE
from service.running import command


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_it_signs_from_now_on(tmp_path, algorithm):
    """The new key is active, its file still private, and no private half is printed."""
    command(tmp_path, "user", "list", "--json", PROFILE="development")
    done = command(tmp_path, "keys", "asymmetric", "--algorithm", algorithm, "--json")
    assert done.returncode == 0, done.stderr
    ring = keyfile.load(tmp_path / KEY_FILE)
    (key,) = ring.jwks()["keys"]
    assert (key["kid"], key["alg"]) == (json.loads(done.stdout)["kid"], algorithm)
    assert ring.signer("access").kid == key["kid"]
    assert "PRIVATE" not in done.stdout + done.stderr


def test_the_one_before_still_verifies(tmp_path):
    """Tokens that are out stay good until the old key is retired."""
    command(tmp_path, "user", "list", "--json", PROFILE="development")
    first, second = (
        json.loads(command(tmp_path, "keys", "asymmetric", "--json").stdout)["kid"] for _ in "12"
    )
    ring = keyfile.load(tmp_path / KEY_FILE)
    assert ring.signer("access").kid == second
    assert ring.find("access", first) is not None
    assert command(tmp_path, "keys", "retire", first).returncode == 0
    assert keyfile.load(tmp_path / KEY_FILE).find("access", first) is None
