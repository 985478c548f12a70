"""`SignedIn`: what a guard gives, for type checkers. Behind a guard there is a subject and an id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.session import Session

__all__ = ["SignedIn"]


class SignedIn(Session):
    """The session of somebody who is signed in: what guards such as `require` give.

    A name for type checkers only, so that `revoke_all(session.subject)` needs no further check; at
    run time guards give a plain `Session`.
    """

    if TYPE_CHECKING:

        @property
        def subject(self) -> str:
            """Whose session this is."""
            ...

        @property
        def id(self) -> str:
            """The public id, no credential."""
            ...
