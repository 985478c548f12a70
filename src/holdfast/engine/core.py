"""What every operation of the engine works with: a store, rules' inputs, and the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from holdfast.errors import SessionSealed
from holdfast.record import Record, changed
from holdfast.rules import policy, sealing, secret
from holdfast.rules.data import require_fit
from holdfast.settings import Settings, ms

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from holdfast.engine.audit import Auditor
    from holdfast.errors import Reason
    from holdfast.protocols import AsyncStore, Clock, Entropy, Prompt, Reading
    from holdfast.record import Policy
    from holdfast.rules.keys import KeyRing
    from holdfast.rules.verified import VerifiedCache

ATTEMPTS = 16
"""How often an operation that lost a race reads again before it reports `Conflict`."""

KEPT_MOST = 60_000
"""Ms for which a reading is believed at most: what nobody told of ends here, as in the near cache."""

_SECOND = 1000
_LIMITS_KEPT = 100


GetAtOnce = Callable[..., "Reading | None"]
"""`holdfast.protocols.Prompt.get_at_once` of a store."""


def prompt_of(store: AsyncStore) -> GetAtOnce | None:
    """How to read from a store without waiting, if its class says so.

    Not what a wrapper passes on by `__getattr__`: whoever wraps `get` would not see these reads.
    """
    prompt = hasattr(type(store), "get_at_once")
    return cast("Prompt", store).get_at_once if prompt else None


def policies_of(settings: Settings) -> dict[str, Policy]:
    """The named policies of these settings, and `default`."""
    names = ("default", *settings.policies)
    return {name: known for name in names if (known := settings.policy(name))}


def limits_under(today: Mapping[str, Policy]) -> Callable[[Policy], Policy]:
    """Gives the limits that hold under today's policies for a session that has others."""
    return lru_cache(_LIMITS_KEPT)(partial(policy.in_force, today))


class Touch(NamedTuple):
    """Activity to be noted by and by: the arguments of the store's `touch`."""

    id: str
    seen_at: int
    expires_at: int
    address: str | None

    def noted_in(self, store: AsyncStore) -> Coroutine[Any, Any, bool]:
        """The call of the store's `touch`, and its answer."""
        return store.touch(
            self.id, seen_at=self.seen_at, expires_at=self.expires_at, address=self.address
        )


class Times(msgspec.Struct, frozen=True):
    """The settings' durations, worked out once: in ms, or in seconds where the name says so."""

    slack: int
    touch_every: int
    cookie_max_age: int | None
    access_s: int
    leeway_s: int
    refresh: int
    grace: int

    @classmethod
    def of(cls, settings: Settings) -> Times:
        """The durations of these settings."""
        max_age = settings.cookie.max_age
        return cls(
            slack=settings.touch_slack,
            touch_every=ms(settings.touch_every),
            cookie_max_age=None if max_age is None else ms(max_age),
            access_s=ms(settings.access_lifetime) // _SECOND,
            leeway_s=ms(settings.leeway) // _SECOND,
            refresh=ms(settings.refresh_lifetime),
            grace=ms(settings.refresh_grace),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The engine's parts; `policies` are today's limits by name.

    `limits` gives those that hold today for a session that was signed in under others.

    `store` may answer a `get` from a near cache. `fresh` is the same store and never does; without
    a cache the two are one object. What leads to a write, a token or a refusal is read from it.
    `prompt` and `fresh_prompt` are their `get_at_once`, where they have one.
    """

    store: AsyncStore
    fresh: AsyncStore
    settings: Settings
    keys: KeyRing
    clock: Clock
    entropy: Entropy
    auditor: Auditor
    verified: VerifiedCache
    collect: Callable[[Touch], None] | None
    policies: Mapping[str, Policy]
    limits: Callable[[Policy], Policy]
    times: Times
    prompt: GetAtOnce | None
    fresh_prompt: GetAtOnce | None

    def source(self, *, fresh: bool) -> AsyncStore:
        """The store to read from."""
        return self.fresh if fresh else self.store

    def record_ended(self, record: Record, now: int) -> Reason | None:
        """Why the record is over for every credential; None while it lives."""
        return policy.record_ended(record, self.limits(record.policy), now, self.times.slack)

    def cookie_ended(self, record: Record, now: int) -> Reason | None:
        """Why the record's cookie is over; None while it counts."""
        return policy.cookie_ended(record, self.limits(record.policy), now, self.times.slack)

    def keep_for(self, record: Record, now: int, *, cookie: bool) -> int:
        """See `AsyncSessions.keep_for`; `now` is when the record was read."""
        ends_at = policy.ends_at(
            record, self.limits(record.policy), self.times.slack, cookie=cookie
        )
        noted = record.seen_at + self.times.touch_every
        due = noted if noted > now else now + self.times.touch_every
        return max(min(ends_at - now, due - now, KEPT_MOST), 0)

    def new_id(self, subject_tag: int | None = None) -> str:
        """A fresh id, of this tag or a random one."""
        tag = secret.random_tag(self.entropy(2)) if subject_tag is None else subject_tag
        return secret.new_id(tag, self.entropy(secret.ID_BYTES))

    def opened(self, record: Record, key: bytes | None) -> bytes | None:
        """The record's data as JSON; None if `key`, a cookie's secret, does not open its seal."""
        if record.data[:1] == b"{":
            return record.data
        return sealing.unseal(key, record.id, record.data) if key else None

    def packed(self, id: str, plain: bytes, key: bytes | None) -> bytes:
        """Data ready to be stored: checked for size, and sealed if the settings ask for it.

        Raises:
            TooLarge: it exceeds `data_limit`.
            SessionSealed: it must be sealed and there is no cookie to seal it with.
        """
        require_fit(plain, self.settings.data_limit)
        if not self.settings.seal_data:
            return plain
        if key is None:
            raise SessionSealed("sealed session data can only be changed with the session's cookie")
        return sealing.seal(key, id, plain, self.entropy(sealing.NONCE))

    def rewritten(self, record: Record, now: int, **fields: Any) -> Record:
        """The record with some fields changed and a new version; what has expired in it goes."""
        live = record.revoked
        if live:
            live = {part: end for part, end in live.items() if end > now // _SECOND}
        version = int.from_bytes(self.entropy(8), "big")
        draft = changed(record, **({"revoked": live, **fields, "version": version}))
        ends = policy.expires_at(draft, self.times.slack)
        return draft if ends == draft.expires_at else changed(draft, expires_at=ends)

    def used(self, record: Record, now: int, **fields: Any) -> Record:
        """`rewritten` by the session itself, which counts as activity."""
        return self.rewritten(record, now, seen_at=self.seen(record, now), **fields)

    def seen(self, record: Record, now: int) -> int:
        """`seen_at` after activity: never back, and no token revives a cookie that has ended."""
        ended = self.cookie_ended(record, now)
        return record.seen_at if ended else max(record.seen_at, now)

    def refreshed(self, record: Record, now: int, **fields: Any) -> Record:
        """`used` by a refresh, which may find a cookie that idled out: its secret goes for good.

        Only for a record that was just read, and so has its latest `seen_at`.
        """
        if self.cookie_ended(record, now):
            fields["secret_hash"] = self.entropy(secret.SECRET_BYTES)
        return self.rewritten(record, now, seen_at=max(record.seen_at, now), **fields)
