"""The key ring: rotation with overlap, one environment, no weak and no visible secret."""

import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigurationError
from holdfast.rules.keys import Key, KeyRing, Purpose

VECTORS = Path(__file__).parent.parent / "vectors"
GOLDEN = json.loads((VECTORS / "keys.json").read_text())
PEMS = json.loads((VECTORS / "signing_keys.json").read_text())
PURPOSES = get_args(Purpose)


def secret(seed):
    return random.Random(seed).randbytes(32).hex()


def ring(*seeds, environment="production", **more):
    return KeyRing.from_secrets([secret(seed) for seed in seeds], environment=environment, **more)


def test_each_purpose_has_a_key_of_its_own():
    """A CSRF key that leaks signs no token."""
    keys = [ring(1).derive(purpose) for purpose in PURPOSES]
    assert all(len(key) == 1 and len(key[0]) == 32 for key in keys)
    assert len(set(keys)) == len(PURPOSES)
    assert secret(1).encode() not in {key[0] for key in keys}


def test_another_environment_has_other_keys_and_other_names():
    """P36: the secret copied from staging verifies nothing in production."""
    production, staging = ring(1), ring(1, environment="staging")
    for purpose in PURPOSES:
        assert production.derive(purpose) != staging.derive(purpose)
    assert production.masters[0].kid != staging.masters[0].kid
    assert production.find("access", staging.signer("access").kid) is None


def test_keys_are_derived_by_hkdf_as_rfc_5869_says():
    """Computed here a second time, with nothing but HMAC."""
    extracted = hmac.digest(bytes(32), secret(1).encode(), "sha256")
    info = b"holdfast/1/production/csrf"
    assert ring(1).derive("csrf") == (hmac.digest(extracted, info + b"\x01", "sha256"),)


def test_formats_are_frozen():
    """Labels and names never change: old cookies and tokens must verify after an upgrade."""
    frozen = KeyRing.from_secrets([GOLDEN["secret"]], environment=GOLDEN["environment"])
    assert frozen.masters[0].kid == GOLDEN["kid"]
    assert {p: frozen.derive(p)[0].hex() for p in PURPOSES} == GOLDEN["derived"]
    assert frozen.dump() == GOLDEN["file"]
    assert KeyRing.load(GOLDEN["file"]).derive("access") == frozen.derive("access")


def test_after_a_rotation_the_new_key_signs_and_the_old_one_verifies():
    """P35."""
    old = ring(1)
    new = old.rotated(secret(2))
    assert new.derive("csrf") == ring(2).derive("csrf") + old.derive("csrf")
    assert new.signer("access").material == ring(2).signer("access").material
    assert new.find("access", old.signer("access").kid).material == old.signer("access").material
    assert new.derive("refresh") == ring(2, 1).derive("refresh")


def test_an_announced_key_verifies_and_signs_once_it_is_activated():
    """P35: rings of two neighbouring steps know what the other one signs."""
    old, kid = ring(1), ring(2).masters[0].kid
    announced = old.announced(secret(2))
    assert announced.signer("access").kid == old.signer("access").kid
    after = announced.activated(kid)
    assert after.derive("refresh") == ring(2, 1).derive("refresh")
    for kind in ("access", "refresh"):
        assert after.signer(kind).kid == kid
        for one, other in ((old, announced), (announced, after)):
            assert one.find(kind, other.signer(kind).kid)
            assert other.find(kind, one.signer(kind).kid)


@pytest.mark.parametrize("which", ["active", "retired", "unknown"])
def test_only_a_key_that_verifies_is_activated(which):
    """A retired one stays so."""
    active, older = (key.kid for key in ring(2, 1).masters)
    kid = {"active": active, "retired": older, "unknown": "unknown"}[which]
    with pytest.raises(ConfigurationError, match="announce one first"):
        ring(2, 1).retired(older).activated(kid)


def test_a_second_rotation_keeps_all_older_keys():
    """Rotating twice within the life of a token signs nobody out."""
    assert ring(1).rotated(secret(2)).rotated(secret(3)).derive("access") == ring(3, 2, 1).derive(
        "access"
    )


def test_a_retired_key_does_nothing_any_more():
    """Neither verify nor derive; but it stays in the file."""
    older = ring(1).masters[0].kid
    after = ring(2, 1).retired(older)
    assert after.derive("csrf") == ring(2).derive("csrf")
    assert after.find("access", older) is None
    assert after.find("refresh", older) is None
    assert KeyRing.load(after.dump()).find("access", older) is None


@pytest.mark.parametrize("which", ["active", "unknown"])
def test_only_an_older_key_can_be_retired(which):
    """Otherwise nothing could be signed."""
    kid = ring(1).masters[0].kid if which == "active" else "unknown"
    with pytest.raises(ConfigurationError) as caught:
        ring(1).retired(kid)
    assert "rotate first" in str(caught.value)


def test_a_signing_key_signs_access_tokens_and_nothing_else():
    """R86: symmetric and asymmetric keys are never both valid for one kind of token."""
    key = Key.from_pem(PEMS["EdDSA"]["private"])
    mixed = ring(1, signing=[key])
    assert mixed.signer("access") is key
    assert mixed.find("access", ring(1).masters[0].kid) is None
    assert mixed.signer("refresh").algorithm == "HS256"
    assert mixed.find("refresh", key.kid) is None


def test_the_active_key_signs_wherever_it_stands_in_the_list():
    """Its status says so, not its place."""
    older = Key.from_pem(PEMS["ES256"]["private"], status="verify")
    active = Key.from_pem(PEMS["EdDSA"]["private"])
    assert ring(1, signing=[older, active]).signer("access") is active


def test_jwks_shows_public_halves_of_live_keys():
    """R105."""
    keys = [
        Key.from_pem(PEMS["EdDSA"]["private"]),
        Key.from_pem(PEMS["RS256"]["private"], status="verify"),
        Key.from_pem(PEMS["ES256"]["private"], status="retired"),
    ]
    published = ring(1, signing=keys).jwks()["keys"]
    assert [(key["alg"], key["kid"]) for key in published] == [
        ("EdDSA", keys[0].kid),
        ("RS256", keys[1].kid),
    ]
    assert not {"d", "k", "p", "q"} & {name for key in published for name in key}


def test_jwks_of_a_symmetric_ring_is_empty():
    """R105: `k` is the secret itself."""
    assert ring(1, 2).jwks() == {"keys": []}


@pytest.mark.parametrize(
    "kid", ["", None, 7, ["x"], {"a": 1}, "' OR 1=1 --", "../../x", "k" * 10_000]
)
def test_a_strange_name_finds_no_key(kid):
    """R88: names are only looked up, whatever they are."""
    assert ring(1).find("access", kid) is None


@pytest.mark.parametrize(
    "secrets", [[], ["short"], ["changeme" * 8], ["0" * 64], [b"\0" * 32], ["your-256-bit-secret"]]
)
def test_weak_secrets_are_refused_with_a_command_that_makes_a_good_one(secrets):
    """R91: at start, with help, and without the secret in the message."""
    with pytest.raises(ConfigurationError) as caught:
        KeyRing.from_secrets(secrets, environment="production")
    assert "secrets.token_urlsafe(32)" in str(caught.value)
    assert not any(str(text) in str(caught.value) for text in secrets)


def test_a_weak_older_secret_is_refused_too():
    """It still verifies, so it can still be guessed."""
    with pytest.raises(ConfigurationError):
        KeyRing.from_secrets([secret(1), "changeme"], environment="production")
    with pytest.raises(ConfigurationError):
        ring(1).rotated("changeme")


def test_the_same_key_twice_is_a_mistake():
    """A rotation that was none; also as bytes, with a newline, or as a signing key."""
    for again in (secret(1), secret(1).encode(), secret(1) + "\n"):
        with pytest.raises(ConfigurationError) as caught:
            KeyRing.from_secrets([secret(1), again], environment="production")
        assert "twice" in str(caught.value)
    key = Key.from_pem(PEMS["EdDSA"]["private"])
    with pytest.raises(ConfigurationError):
        ring(1, signing=[key, Key.from_pem(PEMS["EdDSA"]["public"], status="verify")])


def test_of_two_active_signing_keys_nobody_knows_which_signs():
    """So there is at most one."""
    keys = [Key.from_pem(PEMS[name]["private"]) for name in ("EdDSA", "ES256")]
    with pytest.raises(ConfigurationError):
        ring(1, signing=keys)


def kids_of(made):
    return {kid for kid in (made.masters[0].kid, made.signing[0].kid) if made.find("access", kid)}


def test_the_first_signing_key_is_announced_takes_over_and_settles():
    """Each step knows what its neighbours sign; R86 holds again at the end of the change."""
    key = Key.from_pem(PEMS["ES256"]["private"])
    announced = ring(1).announced(key)
    master = announced.masters[0].kid
    assert announced.jwks()["keys"][0]["kid"] == key.kid
    assert announced.signer("access").kid == master
    assert kids_of(announced) == {master, key.kid}

    active = announced.activated(key.kid)
    assert active.signer("access").kid == key.kid
    assert kids_of(active) == kids_of(KeyRing.load(active.dump())) == {master, key.kid}
    assert kids_of(active.settled()) == kids_of(KeyRing.load(active.settled().dump())) == {key.kid}
    assert active.signer("refresh").kid == announced.signer("refresh").kid == master


def test_a_signing_key_that_counts_from_now_on_settles():
    """Half way, too: `keys asymmetric` refuses the masters' access tokens, as it says."""
    first, second = (Key.from_pem(PEMS[name]["private"]) for name in ("EdDSA", "ES256"))
    half_way = ring(1).announced(first).activated(first.kid)
    assert kids_of(half_way.signed_by(second)) == {second.kid}


def test_a_later_signing_key_brings_the_masters_tokens_not_back():
    """They were settled, or never mixed."""
    first, second = (Key.from_pem(PEMS[name]["private"]) for name in ("EdDSA", "ES256"))
    for before in (
        ring(1).signed_by(first),
        ring(1).announced(first).activated(first.kid).settled(),
    ):
        after = before.announced(second).activated(second.kid)
        assert after.find("access", after.masters[0].kid) is None
        assert after.find("access", first.kid)
        assert after.signer("access").kid == second.kid


def test_since_when_both_count_is_kept_until_they_are_settled():
    """It stands in the file, and a second key that signs begins nothing anew."""
    first, second = (Key.from_pem(PEMS[name]["private"]) for name in ("EdDSA", "ES256"))
    half_way = ring(1).announced(first).activated(first.kid, now=7)
    later = KeyRing.load(half_way.dump()).announced(second).activated(second.kid, now=9)
    assert (half_way.unsettled, half_way.mixed_since, later.mixed_since) == (True, 7, 7)
    for settled in (later.settled(), later.signed_by(Key.from_pem(PEMS["RS256"]["private"]))):
        assert (settled.unsettled, settled.mixed_since) == (False, None)
        assert "mixed" not in settled.dump()
    assert "mixed_since" not in ring(1).announced(first).activated(first.kid).dump()


@pytest.mark.parametrize("moment", ["-1", "1e3", "true", '"now"', "253402300800000", "1" * 30])
def test_a_moment_that_is_none_is_refused(moment):
    """Commands that show it could not."""
    key = Key.from_pem(PEMS["EdDSA"]["private"])
    text = ring(1).announced(key).activated(key.kid, now=7).dump()
    damaged = text.replace('"mixed_since": 7', f'"mixed_since": {moment}')
    assert damaged != text
    with pytest.raises(ConfigurationError, match="not a key file"):
        KeyRing.load(damaged)


def test_what_cannot_take_over():
    """A public half cannot sign; before a key has taken over there is nothing to settle."""
    public = Key.from_pem(PEMS["EdDSA"]["public"], status="verify")
    with pytest.raises(ConfigurationError, match="public key"):
        ring(1).announced(public).activated(public.kid)
    for made in (ring(1), ring(1).announced(public)):
        with pytest.raises(ConfigurationError, match="activate one first"):
            made.settled()


def test_signing_keys_are_asymmetric_and_master_secrets_symmetric():
    """R86, R105: a secret among the signing keys would be published or unchecked."""
    symmetric = Key(kid="a", algorithm="HS256", material=b"changeme")
    with pytest.raises(ConfigurationError) as caught:
        ring(1, signing=[symmetric])
    assert "signing" in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        KeyRing(environment="production", masters=(Key.from_pem(PEMS["EdDSA"]["private"]),))
    assert "secrets" in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        KeyRing(environment="production", masters=(symmetric,))
    assert "token_urlsafe" in str(caught.value)


@pytest.mark.parametrize("environment", ["", "a/b", "a b", "é", "x" * 65, "production\n"])
def test_environment_names_are_plain(environment):
    """P38: a "/" could move a part of the label into its neighbour."""
    with pytest.raises(ConfigurationError):
        ring(1, environment=environment)


def test_one_secret_may_be_given_alone_and_with_white_space():
    """A string is not a list of one-letter secrets; files end with a newline."""
    alone = KeyRing.from_secrets(f" {secret(1)}\n", environment="production")
    assert alone.derive("csrf") == ring(1).derive("csrf")


def test_a_generated_ring_is_as_random_as_its_generator():
    """And good enough for its own check."""
    made = KeyRing.generate(random.Random(5).randbytes, environment="production")
    assert made.derive("csrf") != ring(1).derive("csrf")
    assert made.masters[0].status == "active"


def test_the_key_file_gives_the_same_ring_back():
    """Statuses, signing keys and bytes that are no text included."""
    raw = random.Random(6).randbytes(32)
    first = KeyRing.from_secrets(
        [raw, secret(1)],
        environment="staging",
        signing=[Key.from_pem(PEMS["ES256"]["private"], kid="es-1")],
    )
    again = KeyRing.load(first.dump())
    assert again.dump() == first.dump()
    assert again.environment == "staging"
    assert again.derive("audit") == first.derive("audit")
    assert again.jwks() == first.jwks()


def edited(change):
    file = json.loads(ring(1, 2).dump())
    change(file)
    return json.dumps(file)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", "x", "\ud800", "[" * 100_000,
        edited(lambda f: f.update(format=2)),
        edited(lambda f: f.update(format="1")),
        edited(lambda f: f.update(environment="staging")),
        edited(lambda f: f.update(extra=1)),
        edited(lambda f: f.update(masters=[])),
        edited(lambda f: f["masters"][0].update(status="verify")),
        edited(lambda f: f["masters"][1].update(status="active")),
        edited(lambda f: f["masters"][0].update(status="dead")),
        edited(lambda f: f["masters"][0].update(algorithm="none")),
        edited(lambda f: f["masters"][0].update(algorithm="RS256")),
        edited(lambda f: f["masters"][0].update(kid="other")),
        edited(lambda f: f["masters"][0].update(material="c2hvcnQ")),
        edited(lambda f: f["masters"][0].update(material="***")),
        edited(lambda f: f["masters"][0].update(material=f["masters"][1]["material"])),
    ],
)  # fmt: skip
def test_a_damaged_key_file_is_refused_and_not_shown(text):
    """A clear error at start; the message holds nothing of the file."""
    with pytest.raises(ConfigurationError) as caught:
        KeyRing.load(text)
    assert not any(
        json.loads(ring(seed).dump())["masters"][0]["material"] in str(caught.value)
        for seed in (1, 2)
    )
    assert caught.value.__cause__ is None


@given(st.text(max_size=200))
def test_no_text_crashes_the_reader(text):
    """ConfigurationError or a ring, nothing else."""
    with pytest.raises(ConfigurationError):
        KeyRing.load(text)


def test_nothing_of_a_ring_is_shown():
    """Promise 4: not in repr, str or format, of ring and keys."""
    full = ring(1, 2, signing=[Key.from_pem(PEMS["EdDSA"]["private"])])
    full.derive("csrf")
    shown = "".join(
        f"{thing!r}{thing!s}{thing}"
        for thing in (full, *full.masters, *full.signing, full.signer("refresh"))
    )
    for hidden in (
        secret(1),
        secret(2),
        "PRIVATE",
        full.derive("csrf")[0].hex(),
        hashlib.sha256(secret(1).encode()).hexdigest(),
    ):
        assert hidden not in shown
