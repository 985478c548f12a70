"""The key ring: named keys, and everything that is derived from a master secret.

One secret stands for all purposes, and each gets a key of its own (P36, R170). To rotate, a new
secret goes first and the older ones still verify; a retired one does nothing any more. Access tokens
can be signed by an asymmetric key instead, for verifiers that must not be able to sign; refresh
tokens are read by their issuer alone and stay symmetric.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

import msgspec

from holdfast.errors import ConfigurationError
from holdfast.rules import base64url
from holdfast.rules.key import (
    Algorithm,
    Key,
    Status,
    activated,
    demoted,
    live,
    require_asymmetric,
    require_one_active,
    require_strong,
    verifies,
)
from holdfast.rules.master import derived, master

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Algorithm", "Key", "KeyRing", "Purpose", "Status", "TokenKind"]

Purpose = Literal[
    "csrf",
    "presession",
    "access",
    "refresh",
    "audit",
    "sealing",
    "device",
    "adoption",
    "idempotency",
]
TokenKind = Literal["access", "refresh"]
TYP: dict[TokenKind, str] = {"access": "at+jwt", "refresh": "rt+jwt"}
"""The `typ` in the header of each kind of token (RFC 9068, section 2.1)."""

FILE_FORMAT = 1
_Moment = Annotated[int, msgspec.Meta(ge=0, lt=253_402_300_800_000)]  # before the year 10000
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, eq=False, kw_only=True)
class KeyRing:
    """All keys of one environment: symmetric `masters`, and what signs access tokens if given.

    Once a key of `signing` is active, access tokens of the masters are refused (R86), unless `mixed`:
    until then both verify, each by its own algorithm alone, while the one takes over from the other.
    `mixed_since` is when the ring was changed so, in Unix milliseconds, if it is known: a process
    that was started before knows nothing of it, and signs with a master.
    """

    environment: str
    masters: tuple[Key, ...]
    signing: tuple[Key, ...] = ()
    mixed: bool = False
    mixed_since: int | None = None

    def __post_init__(self) -> None:
        if not _ENVIRONMENT.fullmatch(self.environment):
            raise ConfigurationError(
                "environment: 1 to 64 letters, digits, '_', '.', '-'; for example 'production'"
            )
        require_one_active("secrets", self.masters)
        require_strong(self.masters)
        if self._signs:
            require_one_active("signing", self.signing)
        require_asymmetric(self.signing)
        kids = [key.kid for key in (*self.masters, *self.signing)]
        if len(set(kids)) != len(kids):
            raise ConfigurationError("keys: the same key or kid is there twice; leave one out")

    @classmethod
    def from_secrets(
        cls,
        secrets: Sequence[str | bytes],
        *,
        environment: str,
        signing: Iterable[Key] = (),
        mixed: bool = False,
    ) -> Self:
        """A ring of master secrets: the first is active, older ones still verify.

        White space around a text is dropped, as files and environment variables add it.

        Raises:
            ConfigurationError: none is given, or one is weak, short, well known or there twice; the
                message says how to make a good one.
        """
        if isinstance(secrets, (str, bytes)):
            secrets = [secrets]
        masters = tuple(
            master(secret, environment, "verify" if at else "active")
            for at, secret in enumerate(secrets)
        )
        return cls(environment=environment, masters=masters, signing=tuple(signing), mixed=mixed)

    @classmethod
    def generate(cls, entropy: Callable[[int], bytes], *, environment: str) -> Self:
        """A ring with one new master secret of 32 bytes from a cryptographic generator."""
        return cls.from_secrets([base64url.encode(entropy(32))], environment=environment)

    def rotated(self, secret: str | bytes) -> Self:
        """This ring with a new active master; the old one still verifies."""
        older = tuple(demoted(key) for key in self.masters)
        return replace(self, masters=(master(secret, self.environment, "active"), *older))

    def announced(self, new: str | bytes | Key) -> Self:
        """This ring with a key that only verifies yet, so that processes learn it before one signs.

        A secret becomes a master, an asymmetric `Key` one for access tokens, which `jwks` publishes.
        """
        if isinstance(new, Key):
            return replace(self, signing=(*self.signing, replace(new, status="verify")))
        return replace(self, masters=(*self.masters, master(new, self.environment, "verify")))

    def activated(self, kid: str, *, now: int | None = None) -> Self:
        """This ring with the key of this name as the active one; the others still verify.

        The first key of `signing` leaves the masters' access tokens valid, until `settled`; `now`
        is noted for that, in Unix milliseconds.

        Raises:
            ConfigurationError: no key that verifies has this name, or it is only a public half.
        """
        if verifies(self.masters, kid):
            return replace(self, masters=activated(self.masters, kid))
        if verifies(self.signing, kid):
            signing = activated(self.signing, kid)
            if self._signs:
                return replace(self, signing=signing)
            return replace(self, signing=signing, mixed=True, mixed_since=now)
        raise ConfigurationError("kid: names no key that verifies; announce one first")

    def settled(self) -> Self:
        """This ring, and access tokens of the masters are refused beside those of a signing key.

        Raises:
            ConfigurationError: no key of `signing` has taken over.
        """
        if not self.unsettled:
            raise ConfigurationError("mixed: no asymmetric key takes over; activate one first")
        return replace(self, mixed=False, mixed_since=None)

    def signed_by(self, key: Key) -> Self:
        """This ring with a new active key for access tokens; older ones verify, the masters do not."""
        older = tuple(demoted(each) for each in self.signing)
        return replace(self, signing=(key, *older), mixed=False, mixed_since=None)

    def retired(self, kid: str) -> Self:
        """This ring without the use of one older key: what it signed is refused from now on.

        Raises:
            ConfigurationError: there is no such key, or it is the active one.
        """
        key = next((key for key in (*self.masters, *self.signing) if key.kid == kid), None)
        if key is None or key.status == "active":
            raise ConfigurationError("kid: names no older key of this ring; rotate first")
        return replace(
            self,
            masters=tuple(_retire(key, kid) for key in self.masters),
            signing=tuple(_retire(key, kid) for key in self.signing),
        )

    @property
    def unsettled(self) -> bool:
        """Whether access tokens of the masters count beside those of a signing key."""
        return self.mixed and self._signs

    def derive(self, purpose: Purpose) -> tuple[bytes, ...]:
        """The 32-byte keys for a purpose: the active one first, then those that only verify."""
        return self._derived[purpose]

    def signer(self, kind: TokenKind) -> Key:
        """The key that signs new tokens of this kind."""
        return next(iter(self._tokens[kind].values()))

    def find(self, kind: TokenKind, kid: object) -> Key | None:
        """The key that verifies tokens of this kind under this name; None: unknown or retired."""
        return self._tokens[kind].get(kid) if isinstance(kid, str) else None

    def head(self, kind: TokenKind) -> str:
        """The first part of new tokens of this kind: their header as `signer` has it."""
        return next(iter(self._heads[kind]))

    def find_by_head(self, kind: TokenKind, head: str) -> Key | None:
        """The key of tokens of this kind that begin so; None: another header, or an unknown key's."""
        return self._heads[kind].get(head)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves of the signing keys (RFC 7517, R105); none if tokens are symmetric."""
        return {"keys": [key.jwk() for key in live(self.signing)]}

    def dump(self) -> str:
        """The ring as JSON for a key file. It holds every secret: mode 0600 (R170)."""
        return msgspec.json.format(msgspec.json.encode(_written(self)), indent=2).decode() + "\n"

    @classmethod
    def load(cls, text: str) -> Self:
        """The ring that `dump` wrote.

        Raises:
            ConfigurationError: the text is no key file of this format, or was changed; the message
                shows nothing of it.
        """
        try:
            file = msgspec.json.decode(text, type=_File)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            raise ConfigurationError(
                "key file: not a key file; make one: holdfast keys new"
            ) from None
        if file.format != FILE_FORMAT:
            raise ConfigurationError(f"key file: format {file.format} is not {FILE_FORMAT}")
        return cls(
            environment=file.environment,
            masters=tuple(_read_master(entry, file.environment) for entry in file.masters),
            signing=tuple(_read(entry) for entry in file.signing),
            mixed=file.mixed is True,
            mixed_since=file.mixed_since or None,
        )

    @property
    def _signs(self) -> bool:
        return any(key.status == "active" for key in self.signing)

    @cached_property
    def _derived(self) -> dict[Purpose, tuple[bytes, ...]]:
        masters = live(self.masters)
        return {
            purpose: tuple(derived(key.material, self.environment, purpose, 32) for key in masters)
            for purpose in get_args(Purpose)
        }

    @cached_property
    def _tokens(self) -> dict[TokenKind, dict[str, Key]]:
        masters, signing = self._symmetric("access"), live(self.signing)
        beside = masters if self.mixed else []
        access = [*signing, *beside] if self._signs else [*masters, *signing]
        return {
            "access": {key.kid: key for key in access},
            "refresh": {key.kid: key for key in self._symmetric("refresh")},
        }

    @cached_property
    def _heads(self) -> dict[TokenKind, dict[str, Key]]:
        return {
            kind: {_head(key, TYP[kind]): key for key in keys.values()}
            for kind, keys in self._tokens.items()
        }

    def _symmetric(self, purpose: Purpose) -> list[Key]:
        pairs = zip(live(self.masters), self._derived[purpose], strict=True)
        return [replace(key, material=derived) for key, derived in pairs]


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    kid: str
    algorithm: Algorithm
    status: Status
    material: str

    def __repr__(self) -> str:
        return f"<_Entry {self.kid}>"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    environment: str
    masters: list[_Entry]
    signing: list[_Entry] = []
    mixed: bool | msgspec.UnsetType = msgspec.UNSET
    mixed_since: _Moment | msgspec.UnsetType = msgspec.UNSET


def _written(ring: KeyRing) -> _File:
    def entry(key: Key) -> _Entry:
        return _Entry(key.kid, key.algorithm, key.status, base64url.encode(key.material))

    masters, signing = [entry(key) for key in ring.masters], [entry(key) for key in ring.signing]
    mixed, since = ring.mixed or msgspec.UNSET, ring.mixed_since or msgspec.UNSET
    return _File(FILE_FORMAT, ring.environment, masters, signing, mixed, since)


def _read(entry: _Entry) -> Key:
    material = base64url.decode(entry.material)
    if material is None:
        raise ConfigurationError("key file: a key is damaged; restore the file from a backup")
    return Key(kid=entry.kid, algorithm=entry.algorithm, status=entry.status, material=material)


def _read_master(entry: _Entry, environment: str) -> Key:
    key = master(_read(entry).material, environment, entry.status)
    if (entry.kid, entry.algorithm) != (key.kid, key.algorithm):
        raise ConfigurationError("key file: a master key does not belong to this environment")
    return key


def _head(key: Key, typ: str) -> str:
    header = {"alg": key.algorithm, "kid": key.kid, "typ": typ}
    return base64url.encode(msgspec.json.encode(header))


def _retire(key: Key, kid: str) -> Key:
    return replace(key, status="retired") if key.kid == kid else key
