"""Claims on requests that may come twice: who has one carries the request out, the others do not.

A claim is a record of the store whose id comes from the application's key and the store's salt, so
that of several requests, in whatever process, only one can insert it. Without an answer it is a lease:
who died with it keeps nobody out for longer than `RUNS_FOR`. What it holds is sealed: the answer has
cookies and tokens in it, and nothing that is stored may be a credential (promise 4).
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from holdfast.chain import Refusal, error_reply
from holdfast.chain.reply import retry_after
from holdfast.errors import StoreError
from holdfast.protocols import Admitted
from holdfast.record import Policy, Record, changed
from holdfast.rules import sealing, secret
from holdfast.settings import ms

if TYPE_CHECKING:
    from holdfast.assembly import Assembly
    from holdfast.protocols import Clock, Entropy
    from holdfast.service.options import ServiceOptions

POLICY = "idempotency"
_ATTEMPTS = 3
RUNS_FOR = 20_000
"""Ms after which a request without an answer has come to none, and a retry takes over its claim.

Longer than three calls of a store take that answers at its time limit (`store_timeout`, 5 s), and
shorter than the grace in which a refresh token may be exchanged again (30 s).
"""


class Answered(NamedTuple):
    """Status and body of an answer that was given."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"<Answered {self.status}>"


class _State(msgspec.Struct, frozen=True, array_like=True):
    """What a claim holds; `seen_at` of its record is when the request without an answer began."""

    fingerprint: bytes
    answer: Answered | None = None


class Claim(NamedTuple):
    """The right to carry one request out."""

    record: Record
    fingerprint: bytes


class Claims:
    """The claims of one service, in the store of its sessions."""

    def __init__(
        self, assembly: Assembly, options: ServiceOptions, *, clock: Clock, entropy: Entropy
    ) -> None:
        self._assembly = assembly
        self._store = assembly.store
        self._lifetime = ms(options.idempotency_lifetime)
        self._most = options.idempotency_keys
        self._clock = clock
        self._entropy = entropy

    async def make(self, owner: str, key: str, fingerprint: bytes) -> Claim | Answered:
        """A claim on the request that `owner` names `key`; or the answer that it has had already.

        Raises:
            Refusal: 422, the key was for another request; 409, that is under way, or nobody can
                read its answer any more; 429, the owner has named as many as it may.
            StoreError: the store cannot answer.
        """
        id = claim_id(await self._store.salt(), owner, key)
        claim = self._drafted(id, fingerprint)
        for _ in range(_ATTEMPTS):
            inserted = await self._store.insert(claim.record, now=claim.record.created_at)
            if isinstance(inserted, Admitted):
                await self._count(owner, claim)
                return claim
            standing = (await self._assembly.sessions.look(claim.record.id)).record
            if standing is not None:
                return self._outcome(standing, fingerprint) or await self._taken_over(
                    claim, standing
                )
            await self._remove_expired(claim.record.id)
        raise _unknown()  # it cannot be read, or was ended with everybody's sessions

    async def keep(self, claim: Claim, answer: Answered) -> None:
        """Note the answer. Where that fails, a retry is carried out after `RUNS_FOR`."""
        with suppress(StoreError):
            await self._replace(claim.record, _State(claim.fingerprint, answer))

    async def release(self, claim: Claim) -> None:
        """Let a retry be carried out: this one has no answer that counts."""
        with suppress(StoreError):
            await self._store.delete(claim.record.id, expected=claim.record.version, durable=False)

    async def _remove_expired(self, id: str) -> None:
        """Remove a claim that was not swept yet, but no newer one that has taken its place."""
        record = (await self._store.get(id, now=self._clock())).record
        if record is not None and self._clock() >= record.created_at + record.policy.absolute:
            await self._store.delete(id, expected=record.version, durable=False)

    async def _count(self, owner: str, claim: Claim) -> None:
        """Bound how many claims of one owner there are at once."""
        taken = await self._store.take(
            f"idempotency/{owner}", limit=self._most, period=self._lifetime, now=self._clock()
        )
        if taken.allowed:
            return
        await self.release(claim)
        message, retry = "This service key has used too many idempotency keys", taken.retry_after
        raise Refusal(error_reply(429, "too_many_idempotency_keys", message, retry_after(retry)))

    async def _taken_over(self, claim: Claim, standing: Record) -> Claim:
        """The claim of a request that has come to no answer, for this one; only one can have it."""
        begun = changed(standing, seen_at=claim.record.seen_at)
        record = await self._replace(begun, _State(claim.fingerprint))
        if record is None:
            raise _under_way()
        return Claim(record, claim.fingerprint)

    def _outcome(self, standing: Record, fingerprint: bytes) -> Answered | None:
        """The answer; None: there is none, and none is to come.

        Raises:
            Refusal: as `make`.
        """
        state = self._opened(standing)
        if state is None:  # a key that was retired since has sealed it
            raise _unknown()
        if state.fingerprint != fingerprint:
            message = "The idempotency key was for another request"
            raise Refusal(error_reply(422, "idempotency_key_reused", message))
        if state.answer is None and self._clock() - standing.seen_at < RUNS_FOR:
            raise _under_way()
        return state.answer

    async def _replace(self, record: Record, state: _State) -> Record | None:
        """The claim with another state; None: somebody else was faster."""
        new = changed(record, data=self._sealed(record.id, state), version=self._version())
        return new if await self._store.update(new, expected=record.version) else None

    def _drafted(self, id: str, fingerprint: bytes) -> Claim:
        now = self._clock()
        record = Record(
            id=id,
            secret_hash=self._entropy(secret.SECRET_BYTES),  # no cookie leads here
            data=self._sealed(id, _State(fingerprint)),
            created_at=now,
            seen_at=now,
            expires_at=now + self._lifetime,
            policy=Policy(POLICY, self._lifetime, self._lifetime),
            version=self._version(),
        )
        return Claim(record, fingerprint)

    def _version(self) -> int:
        return int.from_bytes(self._entropy(8), "big")

    def _sealed(self, id: str, state: _State) -> bytes:
        key, *_ = self._assembly.keys.derive("idempotency")
        plain = msgspec.msgpack.encode(state)
        return sealing.seal(key, id, plain, self._entropy(sealing.NONCE))

    def _opened(self, record: Record) -> _State | None:
        for key in self._assembly.keys.derive("idempotency"):
            plain = sealing.unseal(key, record.id, record.data)
            if plain is not None:
                return msgspec.msgpack.decode(plain, type=_State)
        return None


def claim_id(salt: bytes, owner: str, key: str) -> str:
    """The id of a claim; no credential, and nobody's session.

    Who has the store's salt can work it out, and nobody else: what ends sessions looks whether an id is
    a claim's before it ends anything, and a claim may be made between the two.
    """
    named = f"holdfast/1/idempotency\0{owner}\0{key}".encode()
    digest = hmac.digest(salt, named, "sha256")
    return secret.new_id(secret.random_tag(digest), digest[-secret.ID_BYTES :])


def _under_way() -> Refusal:
    message = "The request with this idempotency key is under way"
    return Refusal(error_reply(409, "idempotency_in_progress", message, ("Retry-After", "1")))


def _unknown() -> Refusal:
    message = "The answer to the request with this idempotency key can no longer be read"
    return Refusal(error_reply(409, "idempotency_outcome_unknown", message))
