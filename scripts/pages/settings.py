"""The page of the settings."""

from __future__ import annotations

import dataclasses

from holdfast import Cookie, Limits, Rate, Settings
from holdfast.service import environment
from holdfast.service.options import ServiceOptions
from pages import source
from pages.markdown import code, first_line, table, value
from pages.words import words

_HEAD = ("setting", "type", "default", "meaning")
_PROFILES = ("for_development", "nist_aal1", "nist_aal2", "nist_aal3", "asvs")
_INTRO = """# Settings

`Settings` is an immutable value. It is checked as a whole when it is made: values that contradict
each other raise `ConfigurationError`, which names the field and a valid value. Nothing is read from
the environment but what stands under [environment variables](#environment-variables).

```python
from datetime import timedelta

from holdfast import Limits, Settings

settings = Settings(
    idle=timedelta(hours=2),
    absolute=timedelta(hours=12),
    policies={"remember": Limits(idle=timedelta(days=14), absolute=timedelta(days=30))},
)
```

Times are `timedelta`. A change of a limit holds for existing sessions at once where it is stricter;
a looser one holds for sessions that begin after it.
"""
_PROFILE_TEXT = """## Profiles

A profile is `Settings` with other defaults. Each takes the same arguments as `Settings`. The three
`nist_…` profiles refuse an `idle` or `absolute` above that of the standard.
"""
_VARIABLES = """## Environment variables

The library reads four of them, when `Holdfast(app)` is called and was not given their values. The
service reads them all, when it starts, and refuses a `HOLDFAST_…` variable that it does not know.
"""
_WHO = dict.fromkeys(
    ("HOLDFAST_SECRET", "HOLDFAST_SECRET_PREVIOUS", "HOLDFAST_STORE", "HOLDFAST_STORE_FROM"),
    "library and service",
) | {"HOLDFAST_PYTHON": "scripts/"}
_SERVICE = """Beside these, the service takes every setting above that fits in one text as
`HOLDFAST_<NAME>`, those of the cookie as `HOLDFAST_COOKIE_<NAME>`: `HOLDFAST_IDLE=2h`,
`HOLDFAST_RATE=100/15m`, `HOLDFAST_TRUSTED_PROXIES=10.0.0.0/8`, `HOLDFAST_COOKIE_SAME_SITE=Lax`.
Lists are separated by commas. The service's `clear_site_data` is `cache, cookies, storage` unless
it is set.

## Options of the service
"""


def page() -> str:
    """Fields, profiles and environment variables."""
    parts = [_INTRO]
    for cls, module in (
        (Settings, "settings/__init__.py"),
        (Cookie, "settings/cookie.py"),
        (Rate, "settings/limits.py"),
        (Limits, "settings/limits.py"),
    ):
        parts += [f"## {cls.__name__}\n\n{first_line(cls)}\n", _fields(cls, module)]
    parts += [_PROFILE_TEXT, _profiles(), _VARIABLES, _variables(), *_service()]
    return "\n".join(parts)


def _fields(cls: type, module: str) -> str:
    texts = source.field_texts(module)[cls.__name__]
    rows = []
    for field in dataclasses.fields(cls):
        if field.name not in texts:
            raise SystemExit(f"{module}: {cls.__name__}.{field.name} has no text below it")
        rows.append((code(field.name), code(_type(field)), _default(field), texts[field.name]))
    return table(_HEAD, rows)


def _type(field: dataclasses.Field[object]) -> str:
    return str(field.type).replace('"', "'")


def _default(field: dataclasses.Field[object]) -> str:
    if field.default is not dataclasses.MISSING:
        return value(field.default)
    made = field.default_factory() if callable(field.default_factory) else None
    return "as below" if isinstance(made, Cookie) else value(made)


def _profiles() -> str:
    rows = []
    for name in _PROFILES:
        made = getattr(Settings, name)()
        rows.append(
            (code(f"Settings.{name}()"), first_line(getattr(Settings, name)), _changes(made))
        )
    return table(("profile", "source", "differs from the defaults in"), rows)


def _changes(made: Settings) -> str:
    normal, found = Settings(), []
    for field in dataclasses.fields(Settings):
        mine, usual = getattr(made, field.name), getattr(normal, field.name)
        if isinstance(mine, Cookie) and mine != usual:
            found += [
                f"`cookie.{each.name}` {value(getattr(mine, each.name))}"
                for each in dataclasses.fields(Cookie)
                if getattr(mine, each.name) != getattr(usual, each.name)
            ]
        elif mine != usual:
            found.append(f"`{field.name}` {value(mine)}")
    return ", ".join(found)


def _variables() -> str:
    names = {f"HOLDFAST_{name}" for name in environment.variable_names()} - _of_fields()
    texts = words("variables", names)
    rows = [(code(name), _WHO.get(name, "service"), texts[name]) for name in sorted(names)]
    return table(("variable", "read by", "meaning"), rows)


def _of_fields() -> set[str]:
    fields = {*dataclasses.fields(Settings), *dataclasses.fields(ServiceOptions)}
    cookie = {f"HOLDFAST_COOKIE_{field.name.upper()}" for field in dataclasses.fields(Cookie)}
    return {f"HOLDFAST_{field.name.upper()}" for field in fields} | cookie


def _service() -> list[str]:
    fields = dataclasses.fields(ServiceOptions)
    texts = words("options", (field.name for field in fields))
    rows = [
        (
            code(f"HOLDFAST_{field.name.upper()}"),
            code(_type(field)),
            _default(field),
            texts[field.name],
        )
        for field in fields
    ]
    return [_SERVICE, table(("variable", "type", "default", "meaning"), rows)]
