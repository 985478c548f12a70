"""Session data as a `msgspec.Struct`: read and checked in one step, written back by field.

class Cart(Struct):
    items: list[str] = []
    coupon: str | None = None

with Typed(session, Cart).edit() as cart:
    cart.items.append("tea")
"""

from __future__ import annotations

from contextlib import contextmanager
from types import GenericAlias
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from holdfast.errors import DataError
from holdfast.rules import data

if TYPE_CHECKING:
    from collections.abc import Generator

    from typing_extensions import TypeVar as WithDefault

    from holdfast.session import Session

    H_co = WithDefault("H_co", bound=Session, default=Session, covariant=True)
else:
    H_co = TypeVar("H_co", covariant=True)

S = TypeVar("S", bound=msgspec.Struct)


class Typed(Generic[S, H_co]):
    """A session's data as `kind` describes them. Keys that it does not name are left alone.

    `Typed[Cart]` has a `Session`, and `Typed[Cart, SignedIn]` that of somebody who is signed in.
    """

    if not TYPE_CHECKING:
        __class_getitem__ = classmethod(GenericAlias)  # before Python 3.13 no type has a default

    def __init__(self, session: H_co, kind: type[S]) -> None:
        self.session = session
        self._kind = kind

    def read(self) -> S:
        """The data; changes to what it returns are not kept.

        Raises:
            DataError: the stored data do not fit, and the message says where.
        """
        try:
            return msgspec.convert(dict(self.session), self._kind)
        except msgspec.ValidationError as error:
            raise DataError(
                f"session data do not fit {self._kind.__name__}: {error}; give new fields a"
                " default, and old data a type that still holds them"
            ) from error

    @contextmanager
    def edit(self) -> Generator[S]:
        """The data, to be changed: at the end of the block each field that differs is set.

        An exception in the block keeps nothing of it. Two requests that change different fields do
        not disturb each other.

        Raises:
            DataError: the data do not fit, before the block or after it.
        """
        value = self.read()
        before = msgspec.json.encode(value)
        yield value
        edit = data.difference(before, self._checked(value))
        for key, item in edit.sets.items():
            self.session[key] = msgspec.json.decode(item)
        for key in edit.drops:
            self.session.pop(key, None)

    def _checked(self, value: S) -> bytes:
        """Python checks no assignment; what goes in must come out again."""
        raw = msgspec.json.encode(value)
        try:
            msgspec.json.decode(raw, type=self._kind)
        except msgspec.ValidationError as error:
            raise DataError(f"session data do not fit {self._kind.__name__}: {error}") from error
        return raw
