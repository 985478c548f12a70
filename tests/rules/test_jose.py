"""Tokens: ours are accepted, and no other text of any shape is."""

import base64
import hmac
import json
import random
import subprocess
import sys
import warnings
from pathlib import Path

import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import Reason
from holdfast.rules import base64url, jose
from holdfast.rules.keys import Key, KeyRing

VECTORS = Path(__file__).parent.parent / "vectors"
PEMS = json.loads((VECTORS / "signing_keys.json").read_text())
GOLDEN = json.loads((VECTORS / "jose.json").read_text())
ISS = AUD = "holdfast:production"
NOW = 1_800_000_000
LEEWAY = 30
ALGORITHMS = ["HS256", "EdDSA", "Ed25519", "ES256", "RS256"]
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def secret(seed):
    return random.Random(seed).randbytes(32).hex()


def make_ring(algorithm="HS256", seeds=(1,), environment="production"):
    signing = []
    if algorithm != "HS256":
        pem = PEMS["EdDSA" if algorithm == "Ed25519" else algorithm]["private"]
        signing = [Key.from_pem(pem, algorithm=algorithm)]
    secrets = [secret(seed) for seed in seeds]
    return KeyRing.from_secrets(secrets, environment=environment, signing=signing)


RINGS = {algorithm: make_ring(algorithm) for algorithm in ALGORITHMS}
RING = RINGS["HS256"]
KEY = RING.signer("access")
CLAIMS = {
    "iss": ISS, "aud": AUD, "sub": "user-1", "sid": "ab1session", "type": "access",
    "iat": NOW, "exp": NOW + 3600, "jti": "ab1session.random", "role": "admin",
}  # fmt: skip
REFRESH = CLAIMS | {"type": "refresh", "jti": "ab1session.family.0"}
HEADER = {"alg": "HS256", "kid": KEY.kid, "typ": "at+jwt"}
TOKEN = jose.sign(RING, "access", CLAIMS)


def check(text, ring=RING, *, kind="access", issuer=ISS, audience=AUD, now=NOW):
    return jose.verify(
        ring, text, kind=kind, issuer=issuer, audience=audience, now_s=now, leeway_s=LEEWAY
    )


def segment(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64url.encode(raw)


def forge(header, claims=CLAIMS, key=KEY.material):
    """A token of any header and payload with a genuine HMAC: only the named defect is wrong."""
    signed = f"{segment(header)}.{segment(claims)}"
    return f"{signed}.{base64url.encode(hmac.digest(key, signed.encode(), 'sha256'))}"


# What is accepted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_our_tokens_are_accepted(algorithm):
    """With every kind of key."""
    ring = RINGS[algorithm]
    text = jose.sign(ring, "access", CLAIMS)
    assert check(text, ring) == CLAIMS
    header = json.loads(base64.urlsafe_b64decode(text.split(".")[0] + "=="))
    assert header == {"alg": algorithm, "kid": ring.signer("access").kid, "typ": "at+jwt"}


@pytest.mark.parametrize("algorithm", ["HS256", "EdDSA", "ES256", "RS256"])
def test_two_jose_libraries_accept_our_tokens(algorithm):
    """We speak JWT, not something of our own."""
    ring = RINGS[algorithm]
    text = jose.sign(ring, "access", CLAIMS)
    key = ring.signer("access")
    options = {"verify_exp": False, "verify_iat": False}
    ours = jwt.decode(
        text, key.verifying_key, [algorithm], audience=AUD, issuer=ISS, options=options
    )
    assert ours == CLAIMS
    if algorithm == "HS256":
        other = joserfc.jwk.OctKey.import_key(key.material)
    else:
        other = joserfc.jwk.import_key(
            PEMS[algorithm]["public"], {"EdDSA": "OKP", "ES256": "EC", "RS256": "RSA"}[algorithm]
        )
    with warnings.catch_warnings(action="ignore"):
        assert joserfc.jwt.decode(text, other, algorithms=[algorithm]).claims == CLAIMS


def test_the_same_claims_give_the_same_text():
    """A retry inside the grace is handed the current refresh token again, letter for letter."""
    assert jose.sign(RING, "refresh", REFRESH) == jose.sign(make_ring(), "refresh", REFRESH)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_refresh_tokens_are_symmetric_in_every_ring(algorithm):
    """Nobody but the issuer reads them, so nobody else can take them for access tokens."""
    text = jose.sign(RINGS[algorithm], "refresh", REFRESH)
    assert check(text, RINGS[algorithm], kind="refresh") == REFRESH
    assert json.loads(base64.urlsafe_b64decode(text.split(".")[0] + "=="))["alg"] == "HS256"


def test_a_token_outlives_the_rotation_of_its_key():
    """R105; and not its retirement."""
    rotated = RING.rotated(secret(2))
    assert check(TOKEN, rotated) == CLAIMS
    assert check(TOKEN, rotated.retired(KEY.kid)) is Reason.UNKNOWN_KEY


def test_verified_claims_cannot_be_changed():
    """A cached verdict is shared by many requests."""
    with pytest.raises(TypeError):
        check(TOKEN)["sub"] = "other"


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt"])
def test_both_spellings_of_the_type_are_accepted(typ):
    """R94, RFC 9068 section 4."""
    assert check(forge(HEADER | {"typ": typ})) == CLAIMS


def test_unknown_header_members_are_ignored():
    """RFC 7515 section 4; a newer release may write one during an upgrade."""
    assert check(forge(HEADER | {"cty": "x", "new": [1]})) == CLAIMS


# The header


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "none"}, Reason.BAD_SIGNATURE),
        ({"alg": "None"}, Reason.BAD_SIGNATURE),
        ({"alg": "nOnE"}, Reason.BAD_SIGNATURE),
        ({"alg": "hs256"}, Reason.BAD_SIGNATURE),
        ({"alg": "HS512"}, Reason.BAD_SIGNATURE),
        ({"alg": "RS256"}, Reason.BAD_SIGNATURE),
        ({"alg": "ES256"}, Reason.BAD_SIGNATURE),
        ({"alg": ["HS256"]}, Reason.BAD_SIGNATURE),
        ({"alg": None}, Reason.BAD_SIGNATURE),
        ({"alg": ""}, Reason.BAD_SIGNATURE),
        ({"kid": None}, Reason.UNKNOWN_KEY),
        ({"kid": ""}, Reason.UNKNOWN_KEY),
        ({"kid": 1}, Reason.UNKNOWN_KEY),
        ({"kid": [KEY.kid]}, Reason.UNKNOWN_KEY),
        ({"kid": {"a": 1}}, Reason.UNKNOWN_KEY),
        ({"kid": "' OR '1'='1"}, Reason.UNKNOWN_KEY),
        ({"kid": "../../../dev/null"}, Reason.UNKNOWN_KEY),
        ({"kid": "k" * 600}, Reason.MALFORMED),
        ({"kid": "k" * 10_000}, Reason.MALFORMED),
        ({"typ": "JWT"}, Reason.WRONG_TYPE),
        ({"typ": "rt+jwt"}, Reason.WRONG_TYPE),
        ({"typ": "logout+jwt"}, Reason.WRONG_TYPE),
        ({"typ": "dpop+jwt"}, Reason.WRONG_TYPE),
        ({"typ": "dbsc+jwt"}, Reason.WRONG_TYPE),
        ({"typ": None}, Reason.WRONG_TYPE),
        ({"typ": ["at+jwt"]}, Reason.WRONG_TYPE),
        ({"crit": ["exp"]}, Reason.MALFORMED),
        ({"crit": []}, Reason.MALFORMED),
        ({"crit": ["b64"], "b64": False}, Reason.MALFORMED),
        ({"b64": False}, Reason.MALFORMED),
        ({"b64": True}, Reason.MALFORMED),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, Reason.MALFORMED),
        ({"jku": "https://attacker.test/keys"}, Reason.MALFORMED),
        ({"x5u": "https://attacker.test/cert"}, Reason.MALFORMED),
        ({"x5c": ["AAAA"]}, Reason.MALFORMED),
        ({"zip": "DEF"}, Reason.MALFORMED),
        ({"enc": "A256GCM"}, Reason.MALFORMED),
    ],
)
def test_defects_of_the_header(header, reason):
    """R86 to R88, R94, P30 to P32: refused although the HMAC is right."""
    assert check(forge(HEADER | header)) is reason


@pytest.mark.parametrize("missing", ["alg", "kid", "typ"])
def test_each_header_member_is_required(missing):
    """No default stands in for what is not there."""
    header = {name: value for name, value in HEADER.items() if name != missing}
    assert isinstance(check(forge(header)), Reason)


@pytest.mark.parametrize(
    "header",
    [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff", b"[" * 300, b"\xef\xbb\xbf{}",
        json.dumps(HEADER).encode("utf-16"), json.dumps(HEADER).encode() + b"x",
        b'{"alg":"none",' + json.dumps(HEADER).encode()[1:],
        json.dumps(HEADER).encode()[:-1] + b',"alg":"HS256"}',
        json.dumps(HEADER).encode()[:-1] + b',"a":{"b":1,"b":2}}',
    ],
)  # fmt: skip
def test_headers_that_are_no_json_object_or_name_something_twice(header):
    """Parsers differ in which of two equal names wins."""
    assert check(forge(header)) is Reason.MALFORMED


# The shape


HEAD, PAYLOAD, SIGNATURE = TOKEN.split(".")


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "...", "a.b.c", "a" * 100, HEAD, f"{HEAD}.{PAYLOAD}",
        f"{HEAD}.{PAYLOAD}.{SIGNATURE}.",
        f"{TOKEN}.x.y", f".{PAYLOAD}.{SIGNATURE}", f"{TOKEN} ", f" {TOKEN}", f"{TOKEN}\n",
        f"{HEAD} .{PAYLOAD}.{SIGNATURE}", f"{HEAD}\n.{PAYLOAD}.{SIGNATURE}", f"{TOKEN}=",
        f"{HEAD}=.{PAYLOAD}.{SIGNATURE}", f"{HEAD}.{PAYLOAD}.{SIGNATURE[:-2]}?_", f"{TOKEN}\0",
        f"Bearer {TOKEN}", TOKEN + "é", f"{HEAD}.é.{SIGNATURE}", "\ud800" + TOKEN, "A" * 1_000_000,
        "." * 1_000_000, TOKEN + "A" * 8192, f"{HEAD}.{PAYLOAD}.{SIGNATURE[:-1]}",
        json.dumps({"payload": PAYLOAD, "protected": HEAD, "signature": SIGNATURE}),
        json.dumps({"payload": PAYLOAD, "signatures": [{"protected": HEAD}]}),
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
    ],
)  # fmt: skip
def test_other_shapes_are_malformed(text):
    """R89, R90, P37: compact, unpadded, three parts, at most 8 KiB; no white space, JSON or JWE."""
    assert check(text) is Reason.MALFORMED


def test_an_empty_signature_is_no_signature():
    """The text form of `alg: none`."""
    assert check(f"{HEAD}.{PAYLOAD}.") is Reason.BAD_SIGNATURE


def test_every_other_character_anywhere_is_refused():
    """Header, payload and signature; also the last of each, whose low bits a decoder may ignore."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    ends = {at - 1 for at, character in enumerate(TOKEN + ".") if character == "."}
    for at in range(len(TOKEN)):
        for letter in letters if at in ends else "Az-":
            changed = TOKEN[:at] + letter + TOKEN[at + 1 :]
            assert changed == TOKEN or isinstance(check(changed), Reason)


@given(
    st.text(max_size=200)
    | st.binary(max_size=120).map(lambda raw: f"{HEAD}.{segment(raw)}.{SIGNATURE}")
)
def test_no_text_raises_or_passes(text):
    """Promise 7."""
    assert isinstance(check(text), Reason)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@given(json_values)
def test_no_payload_raises(payload):
    """Not even one with a genuine signature."""
    assert isinstance(check(forge(HEADER, payload)), Reason)
    if isinstance(payload, dict):
        verdict = check(forge(HEADER, CLAIMS | payload))
        assert verdict == CLAIMS | payload or isinstance(verdict, Reason)


# The key


def test_a_token_of_another_environment_is_refused():
    """P36: same secret, other environment."""
    staging = make_ring(environment="staging")
    assert check(jose.sign(staging, "access", CLAIMS)) is Reason.UNKNOWN_KEY


def test_the_name_of_our_key_over_another_secret_is_refused():
    """The name is public; it proves nothing."""
    assert (
        check(forge(HEADER, key=make_ring(seeds=(2,)).signer("access").material))
        is Reason.BAD_SIGNATURE
    )
    assert check(forge(HEADER, key=RING.masters[0].material)) is Reason.BAD_SIGNATURE
    assert check(forge(HEADER, key=b"")) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_public_key_is_no_hmac_secret(algorithm):
    """P30: the classic confusion, in the spellings that libraries have taken."""
    ring = RINGS[algorithm]
    header = HEADER | {"kid": ring.signer("access").kid}
    for public in (PEMS[algorithm]["public"].encode(), PEMS[algorithm]["public"].strip().encode()):
        assert check(forge(header, key=public), ring) is Reason.BAD_SIGNATURE
        assert check(forge(header | {"alg": algorithm}, key=public), ring) is Reason.BAD_SIGNATURE


def test_the_master_key_signs_no_access_token_beside_a_signing_key():
    """R86: one kind of key for one kind of token."""
    assert check(TOKEN, RINGS["EdDSA"]) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
@pytest.mark.parametrize(
    "signature",
    [b"", b"\0" * 64, b"\0" * 256, b"\xff" * 64, b"x" * 63, b"0\x06\x02\x01\x01\x02\x01\x01"],
)
def test_degenerate_signatures_are_refused(algorithm, signature):
    """Zero, too long, too short, DER."""
    ring = RINGS[algorithm]
    signed = jose.sign(ring, "access", CLAIMS).rpartition(".")[0]
    assert check(f"{signed}.{segment(signature)}", ring) is Reason.BAD_SIGNATURE


def test_the_twin_of_an_es256_signature_names_the_same_token():
    """R100, P16: (r, n - s) verifies too, so what is revoked is a `jti`, not a hash of the text."""
    ring = RINGS["ES256"]
    text = jose.sign(ring, "access", CLAIMS)
    signed, _, signature = text.rpartition(".")
    raw = base64url.decode(signature)
    s = P256_ORDER - int.from_bytes(raw[32:], "big")
    twin = f"{signed}.{base64url.encode(raw[:32] + s.to_bytes(32, 'big'))}"
    assert twin != text
    verdict = check(twin, ring)
    assert isinstance(verdict, Reason) or verdict["jti"] == check(text, ring)["jti"]


def test_signatures_of_the_rfcs():
    """RFC 7515 A.1 and A.3, RFC 8037 A.4: good as they stand, refused with any part altered."""
    keys = {
        "HS256": Key(kid="a1", algorithm="HS256", material=base64url.decode(PEMS["HS256"]["k"])),
        "ES256": Key.from_pem(PEMS["ES256"]["private"]),
        "EdDSA": Key.from_pem(PEMS["EdDSA"]["private"]),
    }
    for algorithm, key in keys.items():
        signed, _, signature = PEMS[algorithm]["jws"].rpartition(".")
        raw = base64url.decode(signature)
        assert jose._is_signed(key, signed, raw)
        assert not jose._is_signed(key, signed.swapcase(), raw)
        assert not jose._is_signed(key, signed + "A", raw)
        for at in range(len(raw)):
            assert not jose._is_signed(key, signed, raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "EdDSA"])
def test_tokens_of_the_rfcs_are_not_ours(algorithm):
    """No `kid`, no type: refused before any signature is looked at."""
    assert check(PEMS[algorithm]["jws"], RINGS[algorithm]) is Reason.UNKNOWN_KEY


def test_raw_signatures_are_r_and_s():
    """RFC 7515 A.3: 64 bytes, not DER."""
    text = jose.sign(RINGS["ES256"], "access", CLAIMS)
    raw = base64url.decode(text.rpartition(".")[2])
    assert len(raw) == 64
    with pytest.raises(ValueError):
        decode_dss_signature(raw)


# The claims


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"type": "refresh"}, Reason.WRONG_TYPE),
        ({"type": "ACCESS"}, Reason.WRONG_TYPE),
        ({"type": None}, Reason.WRONG_TYPE),
        ({"iss": "holdfast:staging"}, Reason.WRONG_ISSUER),
        ({"iss": "holdfast:production2"}, Reason.WRONG_ISSUER),
        ({"iss": "holdfast:prod"}, Reason.WRONG_ISSUER),
        ({"iss": [ISS]}, Reason.WRONG_ISSUER),
        ({"iss": None}, Reason.WRONG_ISSUER),
        ({"aud": "other"}, Reason.WRONG_AUDIENCE),
        ({"aud": "holdfast:production2"}, Reason.WRONG_AUDIENCE),
        ({"aud": []}, Reason.WRONG_AUDIENCE),
        ({"aud": ["other", "holdfast:production2"]}, Reason.WRONG_AUDIENCE),
        ({"aud": [[AUD]]}, Reason.WRONG_AUDIENCE),
        ({"aud": {AUD: 1}}, Reason.WRONG_AUDIENCE),
        ({"aud": None}, Reason.WRONG_AUDIENCE),
        ({"sub": None}, Reason.MALFORMED),
        ({"sub": 7}, Reason.MALFORMED),
        ({"sub": ""}, Reason.MALFORMED),
        ({"sid": None}, Reason.MALFORMED),
        ({"sid": ["ab1session"]}, Reason.MALFORMED),
        ({"jti": None}, Reason.MALFORMED),
        ({"jti": True}, Reason.MALFORMED),
    ],
)
def test_defects_of_the_claims(claims, reason):
    """R94 to R97, P33: compared whole and by type."""
    assert check(jose.sign(RING, "access", CLAIMS | claims)) is reason


def test_an_audience_may_stand_in_a_list():
    """RFC 7519 section 4.1.3."""
    claims = CLAIMS | {"aud": ["other", AUD]}
    assert check(jose.sign(RING, "access", claims)) == claims


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    ['"1900000000"', "true", "1900000000.5", "1e999", "1e3", "NaN", "-1", "[]", "{}",
     str(2**53), "9" * 400],
)  # fmt: skip
def test_times_are_whole_seconds(name, value):
    """R93: a genuine signature over what is no time."""
    text = json.dumps(CLAIMS | {name: "@"}).replace('"@"', value).encode()
    assert check(forge(HEADER, text)) is Reason.MALFORMED


@pytest.mark.parametrize("name", ["exp", "iat", "sub", "sid", "jti", "iss", "aud", "type"])
def test_each_claim_is_required(name):
    """Absent is refused, not ignored."""
    claims = {key: value for key, value in CLAIMS.items() if key != name}
    assert isinstance(check(jose.sign(RING, "access", claims)), Reason)


def test_expiry_to_the_second():
    """`exp` plus the leeway is the first second that is too late."""
    end = CLAIMS["exp"] + LEEWAY
    assert check(TOKEN, now=end - 1) == CLAIMS
    assert check(TOKEN, now=end) is Reason.TOKEN_EXPIRED


def test_not_before_to_the_second():
    """Honoured when present, with the same leeway."""
    text = jose.sign(RING, "access", CLAIMS | {"nbf": NOW + LEEWAY})
    assert not isinstance(check(text), Reason)
    assert check(text, now=NOW - 1) is Reason.NOT_YET_VALID


def test_a_future_iat_is_no_reason_to_refuse():
    """Clocks of two machines differ; DESIGN 6."""
    assert check(TOKEN, now=NOW - 1000) == CLAIMS


def test_access_and_refresh_tokens_never_stand_in_for_each_other():
    """R94: `typ`, `type` and the key each suffice to refuse."""
    refresh = jose.sign(RING, "refresh", REFRESH)
    assert check(refresh) is Reason.WRONG_TYPE
    assert check(TOKEN, kind="refresh") is Reason.WRONG_TYPE
    refresh_key = RING.signer("refresh").material
    assert check(forge(HEADER, REFRESH)) is Reason.WRONG_TYPE
    assert check(forge(HEADER, CLAIMS, refresh_key)) is Reason.BAD_SIGNATURE


def test_nothing_in_a_token_is_believed_before_its_signature():
    """R85: an expired, foreign, mistyped payload still only gives `bad_signature`."""
    for claims in ({"exp": 1}, {"iss": "x"}, {"aud": "x"}, {"type": "x"}, {"sub": None}):
        assert check(forge(HEADER, CLAIMS | claims, b"wrong")) is Reason.BAD_SIGNATURE
    assert check(forge(HEADER, b"no json", b"wrong")) is Reason.BAD_SIGNATURE


def test_the_format_is_frozen():
    """Tokens of an older release must verify after an upgrade."""
    ring = KeyRing.from_secrets([GOLDEN["secret"]], environment="production")
    for kind in ("access", "refresh"):
        claims = GOLDEN[kind]["claims"]
        assert jose.sign(ring, kind, claims) == GOLDEN[kind]["token"]
        assert check(GOLDEN[kind]["token"], ring, kind=kind) == claims


def test_the_library_is_loaded_on_first_use():
    """Section 8: `import holdfast` loads neither JOSE nor crypto."""
    program = (
        "import sys, holdfast.rules.jose, holdfast.rules.keys, holdfast.rules.sealing\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('jwt', 'cryptography')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
