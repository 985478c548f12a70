"""The records behind `vectors/records.json`: what each of its bodies says."""

from msgspec import Raw

from holdfast.record import Assurance, Client, Policy, Record, Refresh

ROW = (1_700_000_060_000, 1_700_608_400_000, "192.0.2.7")
"""`seen_at`, `expires_at` and `address` as a store keeps them beside the body."""

_ANONYMOUS = {
    "id": "qm1AAECAwQFBgcICQoLDA0ODw",
    "secret_hash": bytes(range(32)),
    "created_at": 1_700_000_000_000,
    "seen_at": ROW[0],
    "expires_at": ROW[1],
    "policy": Policy("default", 86_400_000, 604_800_000),
    "version": 1,
}
_SIGNED_IN = _ANONYMOUS | {
    "subject": "ada@example.org",
    "claims": {"role": "admin", "groups": ["a", "é"], "level": 3, "beta": None},
    "data": '{"cart":[1,2.5,"ü"],"theme":"dark"}'.encode(),
    "authenticated_at": 1_700_000_000_500,
    "version": 2**64 - 1,
    "refresh": Refresh(
        "AAECAwQFBgcICQoL", 3, 1_700_000_050, 1_700_604_800_000, (1_700_000_050_000,)
    ),
    "revoked": {"AAECAwQFBgcI": 1_700_003_600},
    "tokens_not_before": 1_700_000_001,
    "assurance": Assurance("urn:example:2", ("pwd", "otp")),
    "client": Client("Mozilla/5.0 (X11; Linux) Firefox/140.0", "my laptop"),
    "address": ROW[2],
    "bound_key": b"\x01key",
}

WRITTEN = {
    "anonymous": Record(**_ANONYMOUS),
    "signed_in": Record(**_SIGNED_IN),
    # Three fields of a later minor release, one of them spelled as our encoder never would.
    "newer_minor": Record(
        **_SIGNED_IN,
        extensions=(
            Raw(b"\xa5later"),
            Raw(b"\x82\xa1a\x01\xa1b\x92\xc3\xc0"),
            Raw(b"\xcd\x00\x07"),
        ),
    ),
}
"""What this release writes, by its name in the vectors."""
