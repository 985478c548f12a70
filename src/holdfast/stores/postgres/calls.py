"""A call of a function of the database: its name, its values, and how its answer reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.stores.postgres.values import Kind, Rows, Value

T = TypeVar("T")


class Function(NamedTuple):
    """A function of `sessions_1.sql`: its name, and the types of what follows `a_wait`.

    With `many` each of those is an array, and the function is called for each of their elements, in
    their order.
    """

    name: str
    kinds: tuple[Kind, ...] = ()
    many: bool = False


class Call(NamedTuple, Generic[T]):
    """One call. `safe`: it only reads; `durable`: its commit must be proved.

    `duplicate` is the answer when the id has been taken at the same moment. `conditional`: where it
    says False, nothing was done that would have to be proved.
    """

    function: Function
    values: tuple[Value, ...]
    read: Callable[[Rows], T]
    safe: bool = False
    durable: bool = False
    duplicate: T | None = None
    conditional: bool = False
