"""Imports point one way, and what costs or ties down stays in its own module.

The tables are the contract; `docs/structure.md` is the picture of it. Everything is read from the
syntax of the files: nothing needs to be installed, and an import inside a function or under
``TYPE_CHECKING`` counts as well.
"""

import ast
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

STANDARD = sys.stdlib_module_names
SOURCE = Path(__file__).parents[2] / "src" / "holdfast"

# From the outside in. A module imports its own layer and those below it. The stores stand beside
# the layers: they know the modules of STORES_MAY, and only the outermost layer and the assembly
# know them.
LAYERS = (
    {"cli", "service", "console", "web", "testing"},
    {"adoption", "assembly", "moving"},
    {"chain", "background", "keyfile", "probe", "sinks"},
    {"engine", "blocking"},
    {"session", "signed_in"},
    {"rules", "settings", "events"},
    {"faces"},
    {"protocols"},
    {"record", "errors", "hooks", "later"},
)
STORES_MAY = {"faces", "protocols", "record", "errors", "hooks", "stores"}

# The rules that stores know: a quota is counted where it is kept, in one atomic step, and a record
# is kept where its id says.
STORES_MAY_RULES = {"holdfast.rules.quota", "holdfast.rules.secret"}

# Upward, and only for an annotation.
ANNOTATIONS = {("protocols", "events")}

# Within a layer. The first may not import the second.
NOT_WITHIN_A_LAYER = {
    "engine": {"blocking"},
    "errors": {"record"},
    "web": {"cli", "console", "service", "testing"},
    "service": {"cli", "testing"},
    "console": {"cli", "testing"},
    "testing": {"cli", "console", "service"},
}

# None of a group imports another of the group. What they share has a module of its own.
INDEPENDENT = (
    {"stores.memory", "stores.sqlite", "stores.postgres", "stores.redis"},
    {"stores.near_cache", "stores.reassert"},
    {"web.asgi", "web.flask", "web.django"},
    {"web.fastapi", "web.flask", "web.django"},
)

# Time and randomness are arguments, and nothing waits but for a store.
WITHOUT = {
    "rules": {"asyncio", "concurrent", "multiprocessing", "random", "secrets", "threading", "time"},
    "session": {"asyncio", "concurrent", "multiprocessing", "random", "threading", "time"},
    "engine": {"asyncio", "concurrent", "multiprocessing", "random", "threading", "time"},
    "blocking": {"asyncio"},
    "faces": {"asyncio", "threading"},
}
CLOCKS = {"now", "today", "utcnow"}

JOSE = "rules.jose"

# Third-party packages, and the only modules that may import them. Whatever is not listed may be
# imported by nobody; "" is everybody.
OWNERS = {
    "msgspec": {""},
    "hypothesis": {"testing"},
    "jwt": {JOSE},
    "cryptography": {"rules", "cli"},
    "argon2": {"service", "cli"},
    "starlette": {"web.fastapi", "service", "console", "testing"},
    "fastapi": {"web.fastapi"},
    "flask": {"web.flask"},
    "flask_wtf": {"web.flask.wtf"},
    "werkzeug": {"web.flask"},
    "markupsafe": {"web.flask"},
    "django": {"web.django", "testing"},
    "asgiref": {"web.django"},
    "rest_framework": {"web.django"},
    "redis": {"stores.redis"},
    "hiredis": {"stores.redis"},
    "psycopg": {"stores.postgres"},
    "psycopg_pool": {"stores.postgres"},
    "sqlite3": {"stores.sqlite", "service", "cli"},
    "httpx": {"testing"},
    "pytest": {"testing"},
    "jinja2": {"service", "console"},
    "python_multipart": {"chain", "service", "web"},
    "structlog": {"service", "cli"},
    "uvicorn": {"service", "cli"},
    "typing_extensions": {"web.typed"},  # which type checkers bring along
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"cli"},
    "prometheus_client": {"service"},
    "opentelemetry": {"service", "web"},
}


@dataclass(frozen=True)
class Import:
    """One imported module: its full name, where it stands, and whether it waits for its use."""

    module: str
    target: str
    line: int
    lazy: bool

    @property
    def package(self):
        return self.target.partition(".")[0]

    def __str__(self):
        return f"{self.module or '__init__'}:{self.line} imports {self.target}"


def name_of(path, source):
    """``rules/jose.py`` is ``rules.jose``, ``web/__init__.py`` is ``web``, the root is empty."""
    parts = path.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def targets(node, path, source):
    """The full names that an import statement asks for; of holdfast only such as are modules."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level:
        folder = path.parents[node.level - 1].relative_to(source)
        base = ".".join(("holdfast", *folder.parts, *((node.module or "").split(".")))).rstrip(".")
    else:
        base = node.module
    names = [f"{base}.{alias.name}" for alias in node.names]
    return [name if is_module(name, source) else base for name in names]


def is_module(name, source):
    package, *parts = name.split(".")
    path = source.joinpath(*parts)
    return package == "holdfast" and (path.with_suffix(".py").is_file() or path.is_dir())


def walk(node, *, lazy=False):
    for child in ast.iter_child_nodes(node):
        yield child, lazy
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name):
            inside = child.test.id == "TYPE_CHECKING"
        yield from walk(child, lazy=lazy or inside)


@cache
def trees(source):
    """The syntax of all files; they are as they are when a test begins to ask."""
    return [
        (path, ast.parse(path.read_text(encoding="utf-8"))) for path in sorted(source.rglob("*.py"))
    ]


@cache
def imports(source):
    return [
        Import(name_of(path, source), target, node.lineno, lazy)
        for path, tree in trees(source)
        for node, lazy in walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for target in targets(node, path, source)
    ]


def within(module, place):
    return place in {"", module} or module.startswith(place + ".")


def top(module):
    return module.removeprefix("holdfast").lstrip(".").partition(".")[0]


def layer(name):
    return next((depth for depth, names in enumerate(LAYERS) if name in names), None)


def may_import(importer, imported):
    """Whether a part of the package may know another; both are names of LAYERS or ``stores``."""
    if importer in {imported, ""} or (importer, imported) in ANNOTATIONS:
        return True
    if importer == "stores":
        return imported in STORES_MAY
    if imported in {"", "stores"}:
        return layer(importer) <= 1
    if imported in NOT_WITHIN_A_LAYER.get(importer, ()):
        return False
    return layer(importer) <= layer(imported)


def misplaced(source):
    parts = {name_of(path, source).partition(".")[0] for path in source.rglob("*.py")}
    known = set().union(*LAYERS) | {"stores", ""}
    return sorted(f"{name} has no place in LAYERS" for name in parts - known)


def upward(source):
    return [
        str(i)
        for i in imports(source)
        if i.package == "holdfast"
        and not may_import(top(i.module), top(i.target))
        and not (top(i.module) == "stores" and i.target in STORES_MAY_RULES)
    ]


def entangled(source):
    return [
        str(i)
        for i in imports(source)
        for group in INDEPENDENT
        for one in group
        for other in group - {one}
        if within(i.module, one) and within(i.target, f"holdfast.{other}")
    ]


def impure(source):
    found = [
        str(i)
        for i in imports(source)
        for place, banned in WITHOUT.items()
        if within(i.module, place) and i.package in banned
    ]
    for path, tree in trees(source):
        if top(name_of(path, source)) in {"rules", "session", "engine"}:
            found += [
                f"{name_of(path, source)}:{node.lineno} asks the clock: .{node.func.attr}()"
                for node, _ in walk(tree)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in CLOCKS
            ]
    return found


def homeless(source):
    """Third-party packages, and SQLite, outside their own modules."""
    return [
        str(i)
        for i in imports(source)
        if i.package != "holdfast"
        and (i.package in OWNERS or i.package not in STANDARD)
        and not any(within(i.module, place) for place in OWNERS.get(i.package, ()))
    ]


def eager(source):
    """JOSE and cryptography are heavy and wait for their first use."""
    return [
        str(i)
        for i in imports(source)
        if within(i.module, "rules") and i.package in {"jwt", "cryptography"} and not i.lazy
    ]


CONTRACT = (misplaced, upward, entangled, impure, homeless, eager)


@pytest.mark.parametrize("rule", CONTRACT, ids=lambda rule: rule.__name__)
def test_the_package_keeps_the_contract(rule):
    """The layers, the independent modules, the pure ones, the owners, the lazy libraries."""
    assert rule(SOURCE) == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (misplaced, "leftovers.py", ""),
        (upward, "rules/secret.py", "from holdfast import engine"),
        (upward, "rules/secret.py", "from ..engine import AsyncSessions"),
        (upward, "record.py", "import holdfast.protocols"),
        (upward, "stores/memory.py", "from holdfast.rules import policy"),
        (upward, "chain/reply.py", "from holdfast.stores.memory import MemoryStore"),
        (upward, "engine.py", "def f():\n    from holdfast.blocking import Sessions"),
        (upward, "session.py", "if TYPE_CHECKING:\n    from holdfast.chain.reply import Reply"),
        (entangled, "stores/redis.py", "from holdfast.stores import memory"),
        (entangled, "web/flask.py", "from .asgi import Middleware"),
        (impure, "rules/policy.py", "import time"),
        (impure, "rules/policy.py", "moment = datetime.now()"),
        (impure, "engine.py", "from asyncio import gather"),
        (homeless, "engine.py", "import redis.asyncio"),
        (homeless, "chain/auth.py", "from starlette.requests import Request"),
        (homeless, "rules/keys.py", "def f():\n    import jwt"),
        (homeless, "service/app.py", "import unheard_of"),
        (eager, "rules/jose.py", "import jwt"),
        (eager, "rules/keys.py", "try:\n    from cryptography import hazmat\nexcept E:\n    pass"),
    ],
)
def test_a_breach_is_found(rule, path, text, tmp_path):
    """Each rule of the contract fails when it should, and only that rule."""
    for module in ("__init__", "engine", "blocking", "chain/reply", "stores/memory"):
        place(tmp_path, f"{module}.py", "")
    place(tmp_path, path, text)
    assert {each.__name__ for each in CONTRACT if each(tmp_path)} == {rule.__name__}


def place(folder, path, text):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
