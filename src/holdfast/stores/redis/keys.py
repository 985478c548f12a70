"""Names of keys. All that belongs to one tag lies in one slot of a Cluster, by the hash tag `{xy}`.

A key is the store's prefix, one letter for what it holds, the tag in braces, and the rest:

- `r` a record, by the rest of its id
- `e` the epoch of the tag; `z` the same, written only when all sessions end
- `n` nothing, ever
- `s` the list of a subject's sessions; `f` those whose records lie in another slot
- `d`, `x`, `l` all records in the order of their ids: directory, ends, leaves; `g` those of past epochs
- `q` a quota; `y` what fenced probes write
- `k` the salt
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple

from holdfast.rules import quota
from holdfast.rules.secret import TAGS, new_id, subject_tag, tag_of, valid_id

SLOTS = 16384

_TAG_OF_NUMBER = [tag_of(new_id(number, bytes(16))) for number in range(TAGS)]

ALL_TAGS = sorted(_TAG_OF_NUMBER)
"""Every tag there is, in the order of the ids that begin with it."""

SLOT_OF = {tag: binascii.crc_hqx(tag.encode(), 0) % SLOTS for tag in ALL_TAGS}
"""The slot of a Cluster that each tag lies in."""

_PREFIX_SHAPE = re.compile(r"[A-Za-z0-9_.:-]{1,32}\Z")
_QUOTA_OF_SESSION = re.compile(r"[a-z]+/([^/]+)/")


class Subject(NamedTuple):
    """Where a subject's sessions are listed: the tag of its ids, and 16 letters that stand for it."""

    tag: str
    key: bytes


def valid_prefix(prefix: str) -> bool:
    """Whether keys may begin with this: it must not bring a hash tag of its own."""
    return _PREFIX_SHAPE.match(prefix) is not None


def subject_of(subject: str, salt: bytes) -> Subject:
    """The place of a subject. The key is keyed by the salt, so nobody can make two of them meet."""
    key = urlsafe_b64encode(hmac.digest(salt, b"list\0" + _bytes(subject), "sha256")[:12])
    return Subject(_TAG_OF_NUMBER[subject_tag(subject, salt)], key)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class Keys:
    """The keys of one store, all of which begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.salt = f"{prefix}k{{{ALL_TAGS[0]}}}".encode()
        self.records = f"{prefix}r{{".encode()
        self.endings = f"{prefix}z{{".encode()

    def record(self, id: str) -> tuple[str, str]:
        """What the scripts of one record are given: its key, and the epoch of its tag."""
        return f"{self.prefix}r{{{id[:2]}}}{id[2:]}", f"{self.prefix}e{{{id[:2]}}}"

    def lists(self, tag: str) -> tuple[str, str]:
        """What the scripts of a tag's lists are given: the epoch, and a key that never exists."""
        return f"{self.prefix}e{{{tag}}}", f"{self.prefix}n{{{tag}}}"

    def epoch(self, tag: str) -> str:
        """The key of a tag's epoch."""
        return f"{self.prefix}e{{{tag}}}"

    def fence(self, tag: str) -> str:
        """The key that fenced probes write."""
        return f"{self.prefix}y{{{tag}}}"

    def directory(self, tag: str) -> bytes:
        """The key that exists if the tag has records."""
        return f"{self.prefix}d{{{tag}}}".encode()

    def quota(self, key: str, period: int) -> tuple[str, bytes]:
        """The tag and the key of a quota. A session's own lies beside its record."""
        match = _QUOTA_OF_SESSION.match(key)
        if match and valid_id(match[1]):
            tag = tag_of(match[1])
        else:
            name = _bytes(quota.name(key, period))
            tag = ALL_TAGS[int.from_bytes(hashlib.sha256(name).digest()[:2], "big") % TAGS]
        return tag, self.quota_in(tag, key, period)

    def quota_in(self, tag: str, key: str, period: int) -> bytes:
        """The key of a quota that lies in this tag."""
        return _bytes(f"{self.prefix}q{{{tag}}}{quota.name(key, period)}")
