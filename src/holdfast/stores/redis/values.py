"""The value of a record: a header that scripts read and change in place, the body, and the address.

What the header holds is left out of the body, and so is the id, which the key holds. The layout is
described in `lua/record.lua`. Its first 66 bytes, and the subject's key after them, are the same in
every layout that will ever be, so that each release can judge and end the records of any other.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from holdfast.errors import RecordReadOnly, UsageError
from holdfast.record import changed, decode, encode
from holdfast.stores.redis.answers import no_answer

if TYPE_CHECKING:
    from holdfast.record import Record

LAYOUT = 1
HEAD = 66

_HEAD = struct.Struct(">BBIQHIHIHI32sH")
_HEAD_TO_WRITE = struct.Struct(">BBIQ6s6s6s32sH")
_SUBJECT, _ELSEWHERE, _ADDRESS = 1, 2, 4
_SUBJECT_KEY = 16
_LATEST = 2**48 - 1
_LONGEST_ADDRESS = 2**16 - 1
_set = msgspec.structs.force_setattr


def packed_version(version: int) -> bytes:
    """A version as it stands in the header."""
    return version.to_bytes(8, "big")


def pack(record: Record, subject_key: bytes | None, *, elsewhere: bool = False) -> bytes:
    """The value of a record, whose epoch the script fills in.

    `subject_key` names the list of the subject's sessions, which with `elsewhere` lies in another
    slot than the record.

    Raises:
        RecordReadOnly: the record has a newer major format than this release writes.
        UsageError: the secret hash or the address do not have the size of one.
    """
    body = encode(
        changed(
            record,
            id="",
            secret_hash=b"",
            version=0,
            created_at=0,
            seen_at=0,
            expires_at=0,
            address=None,
        )
    )
    address = (record.address or "").encode("utf-8", "replace")
    if len(record.secret_hash) != 32 or len(address) > _LONGEST_ADDRESS:
        raise UsageError("a record has a secret hash of 32 bytes and an address below 64 KiB")
    flags = (_SUBJECT if subject_key else 0) | (_ELSEWHERE if elsewhere else 0)
    head = _HEAD_TO_WRITE.pack(
        LAYOUT,
        flags | (0 if record.address is None else _ADDRESS),
        0,
        record.version,
        _time(record.created_at),
        _time(record.seen_at),
        _time(record.expires_at),
        record.secret_hash,
        len(address),
    )
    return b"".join((head, subject_key or b"", body, address))


def unpack(value: bytes, id: str) -> Record | None:
    """The record of this value, None if it is damaged.

    Raises:
        StoreUnavailable: it is nothing that could be the value of a key.
        RecordReadOnly: a newer release wrote it, and this one cannot read it.
    """
    try:
        layout, flags, _, version, made, created, saw, seen, ends, expires, digest, length = (
            _HEAD.unpack_from(value)
        )
    except struct.error:  # too short
        return None
    except TypeError:
        raise no_answer() from None
    if layout != LAYOUT:
        raise RecordReadOnly(f"the stored record has layout {layout}, newer than {LAYOUT}")
    start = HEAD + (_SUBJECT_KEY if flags & _SUBJECT else 0)
    end = len(value) - length
    address = value[end:].decode("utf-8", "replace") if flags & _ADDRESS else None
    record = decode(value[start:end], saw << 32 | seen, ends << 32 | expires, address)
    if record is None:
        return None
    _set(record, "id", id)
    _set(record, "secret_hash", digest)
    _set(record, "version", version)
    _set(record, "created_at", made << 32 | created)
    return record


def time_text(time: int) -> bytes:
    """A time as an argument of a script, within what a header holds."""
    return b"%d" % min(max(time, 0), _LATEST)


def _time(time: int) -> bytes:
    """48 bits of a time; one beyond them never comes."""
    try:
        return time.to_bytes(6, "big")
    except OverflowError:
        return (_LATEST if time > 0 else 0).to_bytes(6, "big")


def version_of(value: bytes) -> int | None:
    """The version of the record with this value; None if it is damaged."""
    return int.from_bytes(value[6:14], "big") if len(value) >= HEAD else None


def epoch_of(value: bytes) -> int | None:
    """The epoch of the record with this value; None if it is damaged."""
    return int.from_bytes(value[2:6], "big") if len(value) >= HEAD else None


def subject_key_of(value: bytes) -> bytes | None:
    """The key of the list that the record with this value is on; None if it is on none."""
    has_subject = len(value) >= HEAD + _SUBJECT_KEY and value[1] & _SUBJECT
    return value[HEAD : HEAD + _SUBJECT_KEY] if has_subject else None
