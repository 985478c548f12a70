"""Service keys: who may use the back-end API, and for what. Only hashes are configured.

An entry is `<name>:<scopes>:<SHA-256 of the key in hex>`, scopes joined by `+`. A key is rotated by
listing the old and the new one side by side until every application has the new one.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from holdfast.errors import ConfigurationError
from holdfast.rules import base64url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.protocols import Entropy

SCOPES = ("sessions", "tokens", "requests", "changes")
"""Sessions and their owners; tokens; judging requests in place of the application's own chain; which
sessions change, for who keeps what was read."""

_PREFIX = "hfk1_"
_KEY_BYTES = 32
_ENTRY = re.compile(r"(?P<name>[A-Za-z0-9_.-]{1,64}):(?P<scopes>[a-z+]+):(?P<digest>[0-9a-f]{64})")
_EXAMPLE = "what `holdfast service-key NAME` prints"


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """A configured key; `name` stands in the audit log."""

    name: str
    scopes: frozenset[str]
    digest: bytes = field(repr=False)


def new_key(entropy: Entropy) -> str:
    """A key to hand to an application; the prefix lets scanners find one that was leaked."""
    return _PREFIX + base64url.encode(entropy(_KEY_BYTES))


def entry(name: str, scopes: Iterable[str], key: str) -> str:
    """What is configured for a key.

    Raises:
        ConfigurationError: name or scopes will not do.
    """
    text = f"{name}:{'+'.join(scopes)}:{_digest(key).hex()}"
    parse([text])
    return text


def parse(entries: Iterable[str]) -> tuple[ServiceKey, ...]:
    """The configured keys.

    Raises:
        ConfigurationError: an entry is malformed, or names a scope that there is not.
    """
    return tuple(_parsed(each) for each in entries)


def find(keys: Iterable[ServiceKey], presented: str) -> ServiceKey | None:
    """The key that was presented; every entry is compared, in constant time."""
    digest, found = _digest(presented), None
    for key in keys:
        if hmac.compare_digest(digest, key.digest):
            found = key
    return found


def _parsed(text: str) -> ServiceKey:
    match = _ENTRY.fullmatch(text)
    scopes: frozenset[str] = frozenset(match["scopes"].split("+") if match else ())
    if match is None or not scopes <= set(SCOPES):
        raise ConfigurationError(
            f"service_keys: each is name:scopes:hash, scopes of {'+'.join(SCOPES)}; for example"
            f" {_EXAMPLE}"
        )
    return ServiceKey(match["name"], scopes, bytes.fromhex(match["digest"]))


def _digest(key: str) -> bytes:
    return sha256(key.encode()).digest()
