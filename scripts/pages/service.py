"""The pages of the command line and of the HTTP interface."""

from __future__ import annotations

import json
from typing import Any

from pages.markdown import code, docstring, table

_CLI = """# Command line

`holdfast` comes with the extra `service`. Each command explains itself with `--help`. It reads the
[environment variables](settings.md#environment-variables); an option wins over its variable.
"""
_HTTP = """# HTTP interface

What the service answers: its own OpenAPI document, as a page. The document itself is served in the
development profile, and elsewhere when `HOLDFAST_EXPOSE_DOCS` is set.

Errors are JSON, `{"error": "…", "code": "…"}`; [the codes](errors.md#refusals) are stable. Where a
path can be used with the cookie, unsafe methods need the header `X-CSRF-Token` as well.
"""


def cli_page() -> str:
    """Every command with its options, from Typer."""
    import typer

    from holdfast.cli import program

    root: Any = typer.main.get_command(program.app)
    return "\n".join([_CLI, *_commands(root, "holdfast")])


def _commands(command: Any, path: str) -> list[str]:
    parts = []
    for name, each in sorted(getattr(command, "commands", {}).items()):
        if each.hidden:
            continue
        full = f"{path} {name}"
        if not getattr(each, "commands", None):
            parts += _command(each, full)
        parts += _commands(each, full)
    return parts


def _command(command: Any, full: str) -> list[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([full, *(_placeholder(each) for each in arguments)])
    parts = [f"## `{full}`\n", f"```sh\n{usage}\n```\n", docstring(command.help or "") + "\n"]
    rows = [_option(each) for each in command.params if _is_shown(each)]
    return [*parts, table(("option", "meaning"), rows)] if rows else parts


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _is_shown(option: Any) -> bool:
    return option.param_type_name == "option" and not option.hidden and option.name != "help"


def _option(option: Any) -> tuple[str, str]:
    names = ", ".join(code(name) for name in [*option.opts, *option.secondary_opts])
    default = option.default
    plain = isinstance(default, str | int) and not isinstance(default, bool)
    return names, (option.help or "") + (f" Default {default}." if plain else "")


def http_page() -> str:
    """Every path of the OpenAPI document."""
    from holdfast.service import openapi

    document: dict[str, Any] = openapi.document()
    parts, errors = [], dict[str, str]()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(document, f"{method.upper()} {path}", operation, errors)
    shared = table(("status", "meaning"), sorted(errors.items()))
    return "\n".join([_HTTP, shared, *parts])


def _operation(
    document: dict[str, Any], title: str, operation: dict[str, Any], errors: dict[str, str]
) -> list[str]:
    lines = [f"## `{title}`\n", f"{operation['summary']}.\n"]
    lines += [f"{operation['description']}\n"] if "description" in operation else []
    schemes = [code(name) for each in operation.get("security", ()) for name in each]
    lines += [f"- Signed in by: {' or '.join(schemes)}"] if schemes else []
    for each in operation.get("parameters", ()):
        about = each.get("description", "") or _shape(document, each["schema"])
        lines.append(f"- `{each['name']}` ({each['in']}): {about}")
    body = _shapes(document, operation.get("requestBody", {}))
    lines += [f"- Body: {body}"] if body else []
    statuses = []
    for status, answer in sorted(operation["responses"].items()):
        given = _resolved(document, answer)
        if int(status) < 400:
            lines.append(f"- {status}: {_shapes(document, given) or given['description']}")
        else:
            statuses.append(status)
            errors[status] = given["description"]
    return [*lines, f"- Errors: {', '.join(statuses)}\n" if statuses else ""]


def _shapes(document: dict[str, Any], thing: dict[str, Any]) -> str:
    content = _resolved(document, thing).get("content", {})
    return " or ".join(
        f"{kind}, {code(_shape(document, each.get('schema', {})))}"
        for kind, each in content.items()
    )


def _shape(document: dict[str, Any], given: dict[str, Any]) -> str:
    """A schema in short: `{"ended": integer}`."""
    schema = _resolved(document, given)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "properties" in schema:
        fields = schema["properties"].items()
        return "{" + ", ".join(f'"{k}": {_shape(document, v)}' for k, v in fields) + "}"
    if "items" in schema:
        return f"[{_shape(document, schema['items'])}, …]"
    kind = schema.get("type", "any")
    name = "{}" if kind == "object" else kind
    return " or ".join(name) if isinstance(name, list) else schema.get("format", name)


def _resolved(document: dict[str, Any], thing: dict[str, Any]) -> dict[str, Any]:
    """What a `$ref` within the document points to."""
    while "$ref" in thing:
        found: Any = document
        for step in thing["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        thing = found
    return thing
