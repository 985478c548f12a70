"""What is stored: one record per session, and its codec.

Wire format 1 is a MessagePack array in the order of the fields of `Record`. The first element is
the major format; the last, `extensions`, belongs to newer minor releases and is kept byte for byte,
so that an old release never strips a security field that it does not know. A record of a newer
major format can be read, and is refused with `RecordReadOnly` when written.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from holdfast.errors import RecordReadOnly

FORMAT = 1

CLAIMS = frozenset({"adoption", "idempotency"})
"""Policies of records that are nobody's session: claims, which no list shows (docs/reference/formats)."""


class Policy(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A named pair of time limits in milliseconds, fixed at sign-in."""

    name: str
    idle: int
    absolute: int


class Refresh(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The live refresh family: its current generation.

    `rotations[-1]` is the rotation of generation - 1, and so on back. `issued_at` is in Unix seconds,
    as in the token; `ends_at` and `rotations` are in Unix ms.
    """

    family: str
    generation: int
    issued_at: int
    ends_at: int
    rotations: tuple[int, ...] = ()


class Assurance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How the subject proved who it is: `acr` and `amr` as in RFC 8176 and OpenID Connect."""

    acr: str | None = None
    amr: tuple[str, ...] = ()


class Client(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the client said of itself at sign-in; a signal for people, never identity (P61)."""

    user_agent: str | None = None
    label: str | None = None


class Record(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    """One session. All times are integer Unix milliseconds unless a name says otherwise.

    `expires_at` is only an eviction hint for the store: the latest possible end plus an hour.
    `revoked` maps the random part of an access token's `jti` to the end of its life in Unix
    seconds; access tokens with `iat` below `tokens_not_before` (Unix seconds) are refused.
    `seen_at`, `expires_at` and `address` may be changed by `touch` without a new `version`.
    """

    format: int = FORMAT
    id: str
    secret_hash: bytes
    subject: str | None = None
    claims: dict[str, Any] = {}
    data: bytes = b"{}"
    created_at: int
    authenticated_at: int | None = None
    seen_at: int
    expires_at: int
    policy: Policy
    version: int
    refresh: Refresh | None = None
    revoked: dict[str, int] = {}
    tokens_not_before: int = 0
    assurance: Assurance = Assurance()
    client: Client = Client()
    address: str | None = None
    bound_key: bytes | None = None
    extensions: tuple[msgspec.Raw, ...] = ()

    def __repr__(self) -> str:
        return f"<Record of {'a subject' if self.subject else 'nobody'}, format {self.format}>"


class _Head(msgspec.Struct, frozen=True, array_like=True, gc=False):
    format: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Record)
_head = msgspec.msgpack.Decoder(_Head)
_set = msgspec.structs.force_setattr


def encode(record: Record) -> bytes:
    """The record as bytes for a store.

    Raises:
        RecordReadOnly: the record has a newer major format than this release writes.
    """
    if record.format != FORMAT:
        raise RecordReadOnly(f"record format {record.format} is newer than {FORMAT}")
    return _encoder.encode(record)


def decode(raw: bytes, seen_at: int, expires_at: int, address: str | None) -> Record | None:
    """The record in `raw`, with the fields that `touch` keeps beside it; None if it is damaged.

    Raises:
        RecordReadOnly: a newer major format, of a shape that this release cannot even read. It is
            not damaged, so nobody may end it for that.
    """
    try:
        record = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _require_known_format(raw)
        return None
    _set(record, "seen_at", seen_at)
    _set(record, "expires_at", expires_at)
    _set(record, "address", address)
    return record


def _require_known_format(raw: bytes) -> None:
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        newer = _head.decode(raw).format
        if newer > FORMAT:
            raise RecordReadOnly(f"record format {newer} is newer than {FORMAT}")


def changed(record: Record, **fields: Any) -> Record:
    """A copy of `record` with some fields replaced."""
    return msgspec.structs.replace(record, **fields)
