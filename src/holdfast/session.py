"""`Session`: what a handler holds. It records intents; the engine carries them out in one commit.

The same object serves sync and async handlers, since nothing in it does I/O. After the answer has
begun it is closed, and a change raises `SessionClosed` instead of being lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from holdfast.errors import SessionClosed, SessionSealed, UsageError
from holdfast.protocols import NOBODY, ClientFacts
from holdfast.record import Assurance
from holdfast.rules import data as rules
from holdfast.rules import intents
from holdfast.rules.intents import Rotate, SignIn
from holdfast.rules.journal import Journal

if TYPE_CHECKING:
    from holdfast.errors import Reason
    from holdfast.protocols import Taken
    from holdfast.record import Record
    from holdfast.rules.journal import Entries

__all__ = ["Rotate", "Session", "SignIn", "Via"]

Via = Literal["cookie", "bearer"]


class Session(MutableMapping[str, Any]):
    """One visitor's session: a mapping of JSON values, and what is to happen to it.

    An empty session (nobody signed in, nothing stored) is a normal value; `reason` then says why a
    credential that was sent did not count, for handlers and logs, never for clients.

    For the chain: `cookie` is the text of a cookie to set, `made` says that this very request has
    stored the session under a new id, `ended` that it has ended the session, `accessed` that the
    answer depends on it, `taken` what its quota said, `browser_only` that its cookie has no Max-Age,
    whatever the settings say. While it is `quiet` there is nothing to commit: nobody asked anything of
    it or looked at its data, and no activity is to be noted.
    """

    __slots__ = (
        "__weakref__", "_journal", "_plain", "accessed", "browser_only", "carries_data", "client",
        "closed", "cookie", "ended", "intent", "last_wins", "made", "quiet", "reason", "record", "secret",
        "taken", "token_claims", "via",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - by place: by name it costs each request 1 us
        self,
        record: Record | None = None,
        via: Via | None = None,
        secret: bytes | None = None,
        plain: bytes | None = rules.EMPTY,
        client: ClientFacts = NOBODY,
        taken: Taken | None = None,
        quiet: bool = False,  # noqa: FBT001, FBT002 - as above
        *,
        reason: Reason | None = None,
        token_claims: dict[str, Any] | None = None,
    ) -> None:
        self.record = record
        self.via: Via | None = via
        self.secret = secret
        self.reason = reason
        self.client = client
        self.taken = taken
        self.token_claims = token_claims
        self.quiet = quiet
        self.accessed = self.closed = self.ended = self.last_wins = False
        self.browser_only = self.made = False
        self.carries_data = True
        self.cookie: str | None = None
        self.intent: SignIn | Rotate | Literal["sign_out"] | None = None
        self._plain = plain
        self._journal: Journal | None = None

    # Whose it is

    @property
    def subject(self) -> str | None:
        """Whose session this is, or is about to be; None if nobody is signed in."""
        self.accessed = True
        if self.intent is None and self.record is not None:
            return self.record.subject
        return self._subject()

    @property
    def id(self) -> str | None:
        """The public id, no credential; None if there is no record yet."""
        self.accessed = True
        return self.record.id if self.record else None

    @property
    def claims(self) -> dict[str, Any]:
        """What goes into access tokens beside the registered claims (a copy)."""
        self.accessed = True
        if isinstance(self.intent, (SignIn, Rotate)) and self.intent.claims is not None:
            return dict(self.intent.claims)
        if self.record is None or self.intent == "sign_out":
            return {}
        return rules.decode(rules.encode(self.record.claims))  # others may hold this record, too

    @property
    def authenticated_at(self) -> int | None:
        """When the subject last proved who it is, in Unix ms; None if nobody did, or only just now.

        A sign-in or re-authentication counts from the commit on.
        """
        self.accessed = True
        if self.record is None or self.intent == "sign_out" or isinstance(self.intent, SignIn):
            return None
        return self.record.authenticated_at

    @property
    def assurance(self) -> Assurance:
        """The `acr` and `amr` of the sign-in; empty means the lowest level (R11, R48)."""
        self.accessed = True
        if isinstance(self.intent, (SignIn, Rotate)) and self.intent.assurance is not None:
            return self.intent.assurance
        return self.record.assurance if self.record and self.intent != "sign_out" else Assurance()

    # Intents

    def sign_in(
        self,
        subject: str | int,
        /,
        *,
        keep_data: bool = True,
        policy: str = "default",
        acr: str | None = None,
        amr: tuple[str, ...] = (),
        label: str | None = None,
        still_valid: Callable[[], bool | Awaitable[bool]] | None = None,
        **claims: Any,
    ) -> None:
        """Make this the session of `subject`, under a new id (P4); the old id and its cookie end.

        `claims` (role, email …) go into access tokens. Data of an anonymous session is carried over
        unless `keep_data` is False; another subject's never. `still_valid` is asked once more after
        the session exists, and takes it back when it answers False: an account that was disabled,
        or a password that was changed, while this sign-in ran. In an application of coroutines it
        may be a coroutine function.

        Raises:
            UsageError: the subject is empty, or a claim has a reserved name.
            DataError: the claims are too large or not JSON.
            SessionClosed: the answer has begun.
        """
        self._require_open()
        intent = SignIn(
            subject=intents.subject_text(subject),
            claims=intents.checked_claims(claims),
            policy=policy,
            assurance=intents.assurance(acr, amr),
            label=intents.label_text(label),
            still_valid=still_valid,
        )
        held = self._subject()
        if self.intent == "sign_out" or not keep_data or held not in {None, intent.subject}:
            self._forget_data()
        self.intent = intent

    def sign_out(self) -> None:
        """End the session and every credential of it."""
        self._require_open()
        self._forget_data()
        self.intent = "sign_out"

    def rotate(
        self,
        *,
        reauthenticated: bool = False,
        acr: str | None = None,
        amr: tuple[str, ...] = (),
        claims: dict[str, Any] | None = None,
    ) -> None:
        """Give the session a new secret; the old cookie is refused at once (R14, R15).

        `reauthenticated` says that the subject has just proved itself again: both time limits start
        anew (R26), and `acr` and `amr` replace those of the sign-in. `claims` replace the old ones
        after a change of rights.

        Raises:
            UsageError: nobody is signed in, `acr` or `amr` come without a re-authentication (R11),
                or a claim has a reserved name.
            DataError: the claims are too large or not JSON.
            SessionClosed: the answer has begun.
        """
        self._require_open()
        if (acr is not None or amr) and not reauthenticated:
            raise UsageError("rotate: acr and amr change only with reauthenticated=True (R11)")
        if self.record is None or self.intent == "sign_out":
            raise UsageError("rotate: there is no session yet; use sign_in")
        if self._subject() is None and (reauthenticated or claims is not None):
            raise UsageError("rotate: nobody is signed in; use sign_in")
        later = Rotate(
            reauthenticated=reauthenticated,
            claims=None if claims is None else intents.checked_claims(claims),
            assurance=intents.assurance(acr, amr) if reauthenticated else None,
        )
        self.intent = self._with(later)

    def change(self, fn: rules.Change) -> None:
        """Change the data by a function of the data, for counters and lists.

        `fn` gets the dict of the session's data and changes it in place. It must be pure: when
        another request was faster it runs again on the fresh data, so no increment is lost (P3).
        When it raises, nothing of its change stays.
        """
        self._open().change(fn)

    # The mapping

    def __getitem__(self, key: str) -> Any:
        return self._read().data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        rules.require_key(key)
        self._open().data[key] = value

    def __delitem__(self, key: str) -> None:
        del self._open().data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read().data)

    def __len__(self) -> int:
        return len(self._read().data)

    def __bool__(self) -> bool:
        """Whether somebody is signed in or anything is stored."""
        return self.subject is not None or len(self) > 0

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Session of {'a subject' if self._subject() else 'nobody'}, {state}>"

    # For the engine and the chain

    @property
    def current(self) -> bytes | None:
        """The data as it is now, as JSON; None if it is sealed and was not opened."""
        return self._plain if self._journal is None else self._journal.current

    @property
    def loaded(self) -> bytes:
        """The data that this request has read, as JSON."""
        return rules.EMPTY if self._journal is None else self._journal.loaded

    @property
    def changed(self) -> bool:
        """Whether the data differ from what was read; `NotSerializable` if they are not JSON."""
        return self._journal is not None and self._journal.changed

    def pending(self) -> Entries:
        """All changes to the data so far, in order; raises `NotSerializable` if one is not JSON."""
        return [] if self._journal is None else self._journal.entries()

    def hand_out(self, secret: bytes, cookie: str, *, made: bool = False) -> None:
        """Take over a new or renewed secret, and give it to a client that lives by cookies."""
        self.made = self.made or made
        self.secret = secret
        self.reason = None
        self.ended = False
        if self.via != "bearer":
            self.via = "cookie"
            self.cookie = cookie

    def saved(self, record: Record | None, plain: bytes | None) -> None:
        """Take over what the store now holds."""
        self.record = record
        self.intent = None
        self._plain, self._journal = plain, None
        self.carries_data = True

    def _subject(self) -> str | None:
        if isinstance(self.intent, SignIn):
            return self.intent.subject
        return self.record.subject if self.record and self.intent != "sign_out" else None

    def _with(self, later: Rotate) -> SignIn | Rotate:
        """A sign-in has a new secret anyway; it takes over what else the rotation asks for."""
        if not isinstance(self.intent, SignIn):
            earlier = self.intent if isinstance(self.intent, Rotate) else None
            return intents.rotated(earlier, later)
        claims = self.intent.claims if later.claims is None else later.claims
        return replace(
            self.intent, claims=claims, assurance=later.assurance or self.intent.assurance
        )

    def _read(self) -> Journal:
        self.accessed = True
        if self._journal is None:
            if self._plain is None:
                raise SessionSealed("this session's data is sealed; it opens only with its cookie")
            self._journal = Journal(self._plain)
            self.quiet = False
        return self._journal

    def _open(self) -> Journal:
        self._require_open()
        return self._read()

    def _require_open(self) -> None:
        self.accessed = True
        self.quiet = False
        if self.closed:
            raise SessionClosed(
                "the answer has begun; change the session before the first byte is sent"
            )

    def _forget_data(self) -> None:
        self.carries_data = False
        self._plain, self._journal = rules.EMPTY, None
