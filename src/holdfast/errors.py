"""The exception tree: every error carries a stable code and the HTTP status that an adapter answers with.

"No session", "unknown", "expired" and "malformed" are values and never raised; what is raised is a
programmer's mistake, a lost race, or a store that cannot answer. No message holds a token, a secret
or session data.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a credential was not accepted: a value for handlers, logs and audit, never for clients.

    Clients see one answer for all of them, so that nobody can probe what exists.
    """

    ABSENT = "absent"
    MALFORMED = "malformed"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"
    WRONG_SECRET = "wrong_secret"
    CORRUPT = "corrupt"
    IDLE = "idle"
    ABSOLUTE = "absolute"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_KEY = "unknown_key"
    WRONG_TYPE = "wrong_type"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    TOKEN_EXPIRED = "token_expired"
    NOT_YET_VALID = "not_yet_valid"
    REVOKED = "revoked"
    SUPERSEDED = "superseded"
    REUSED = "reused"
    WRONG_CLIENT = "wrong_client"


class HoldfastError(Exception):
    """Base of every error of this package.

    `code` is stable and documented; `http_status` is what the chain answers with.
    """

    code: str = "internal_error"
    http_status: int = 500


class ConfigurationError(HoldfastError):
    """Settings contradict each other or a key is unfit; names the field and a valid value (P25)."""

    code = "configuration_error"


class UsageError(HoldfastError):
    """The application called something at the wrong time."""

    code = "usage_error"


class SessionClosed(UsageError):
    """A session was changed after its answer had begun; the change could no longer be saved."""

    code = "session_closed"


class SessionSealed(UsageError):
    """Sealed data was asked for without the session cookie, whose secret holds the key."""

    code = "session_sealed"


class DataError(HoldfastError):
    """The application stored something that a session cannot hold."""

    code = "data_error"


class TooLarge(DataError):
    """The session's data, claims or cookie exceed their limit in bytes."""

    code = "data_too_large"


class NotSerializable(DataError):
    """A value is not JSON; the message names its place and type, never the value."""

    code = "data_not_serializable"


class Conflict(HoldfastError):
    """Another request changed the same key of the session, or kept winning the race (P3)."""

    code = "conflict"
    http_status = 409


class SessionEnded(HoldfastError):
    """The session was deleted, revoked or expired while this request ran (P1)."""

    code = "session_ended"
    http_status = 401


class CapReached(HoldfastError):
    """The subject has as many sessions as `max_sessions` allows, and `over_cap` is "reject" (R37)."""

    code = "too_many_sessions"
    http_status = 403


class StoreError(HoldfastError):
    """The store of record cannot answer: "cannot know", which never looks like "not signed in" (P20)."""

    code = "store_error"
    http_status = 503
    retry_after: int = 2
    """Seconds after which a client may try again; spread by `holdfast.stores.breaker`."""


class StoreUnavailable(StoreError):
    """The store is away, locked, full or too slow; trying again later may help."""

    code = "store_unavailable"


class StoreCorrupt(StoreError):
    """The store's file or schema is damaged or foreign; trying again does not help."""

    code = "store_corrupt"


class RecordReadOnly(StoreError):
    """The record was written by a newer major release; this release reads it and must not rewrite it."""

    code = "record_read_only"


class NotDurable(StoreError):
    """A revocation was carried out but its durability is not proved; a retry is safe (P13).

    `ended` are the ids of the sessions that went, where the caller could not know them; `epoch` is
    the new one where every session did.
    """

    code = "not_durable"

    def __init__(self, message: str, ended: tuple[str, ...] = (), epoch: int | None = None) -> None:
        super().__init__(message)
        self.ended = ended
        self.epoch = epoch
