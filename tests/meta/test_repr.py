"""What carries a credential does not show it: tracebacks with locals and error trackers call `repr` (R164).

Every class of the package is looked at, so that the next one cannot forget it. What is looked for
are names; a class with fields of its own making shows in its own test that it is silent.
"""

import dataclasses
import importlib
import inspect
import re

import pytest

from meta.test_import_contract import SOURCE

MARK = "do-not-show-me"
CREDENTIAL = re.compile(
    r"secrets?|tokens?|.*_(token|key|secret|password|previous)|password|password_hash|material"
    r"|cookies|headers|body|store|users|server|listen_url|redis_url"
)
# What these are called is that of a credential, and what they hold is none.
HARMLESS = {
    "bound_key",  # the thumbprint of a public key
    "partition_key",
}
# Those of no request: how a page words an error, what a session's end owes, stores as objects.
NO_CREDENTIALS = {
    ("holdfast.assembly", "Assembly", "store"),
    ("holdfast.engine.core", "Core", "store"),
    ("holdfast.engine.refreshing", "Refreshed", "tokens"),  # which are silent themselves
    ("holdfast.faces", "Together", "store"),
    ("holdfast.service.backend.requests", "Commit", "csrf_token"),  # which says that one is wanted
    ("holdfast.service.page_errors", "Problem", "headers"),
    ("holdfast.service.page_errors", "_Held", "body"),
    ("holdfast.service.users", "UserPage", "users"),  # which are silent themselves
    ("holdfast.stores.revocations", "Debt", "tokens"),  # which are ids
}


def modules():
    """Those that can be imported without an application of Django."""
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        if parts[-1] != "__main__" and "django" not in parts:
            yield importlib.import_module(name)


def fields(kind):
    """The fields of a record of any of the three kinds; of another class none."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    return getattr(kind, "_fields", getattr(kind, "__struct_fields__", ()))


def marked(kind, name):
    """One of them, of which one field is the mark and nothing has been checked."""
    values = {each: MARK if each == name else None for each in fields(kind)}
    if not dataclasses.is_dataclass(kind):
        return kind(**values)
    made = object.__new__(kind)
    for each, value in values.items():
        object.__setattr__(made, each, value)
    return made


def suspects():
    """Each class with each of its fields that is called like a credential."""
    for module in modules():
        for name, kind in list(vars(module).items()):
            if type(kind).__module__.startswith("django") or not inspect.isclass(kind):
                continue
            if kind.__module__ == module.__name__:
                yield from (
                    pytest.param(kind, field, id=f"{module.__name__}.{name}.{field}")
                    for field in fields(kind)
                    if CREDENTIAL.fullmatch(field)
                    and field not in HARMLESS
                    and (module.__name__, name, field) not in NO_CREDENTIALS
                )


@pytest.mark.parametrize(("kind", "field"), list(suspects()))
def test_a_credential_is_not_shown(kind, field):
    """Neither by `repr` nor by `str`."""
    made = marked(kind, field)
    assert getattr(made, field) == MARK
    assert MARK not in repr(made)
    assert MARK not in str(made)
