"""The pages of names that programs match on: events, errors, numbers of requirements."""

from __future__ import annotations

import dataclasses
import http
import inspect

from holdfast import errors, events
from pages import source
from pages.markdown import code, first_line, table
from pages.words import requirements, words

_EVENTS = """# Audit events

Every event is an `Event`: frozen data, handed to each sink. The names are those of OWASP's logging
vocabulary and do not change. How to receive them: [](../how-to/audit-log.md).
"""
_FIELDS = """## Fields

A session appears as a keyed hash, which links lines and opens nothing. No field ever holds a token,
a secret, a password or session data.
"""
_FIELD_TEXTS = {
    "name": "One of the names above; `event` in JSON.",
    "at": "When, in Unix milliseconds; in JSON as UTC with its offset.",
    "severity": "`INFO`, `WARN` or `CRITICAL`. Critical asks for a person.",
    "subject": "Whose session it is, where that is known.",
    "session": "The keyed hash of the session's id.",
    "reason": "A stable word; see [reasons](errors.md#reasons), or the table above.",
    "address": "The client's address, as the transport check found it.",
    "user_agent": "What the client says of itself, without control characters, at most 512 long.",
    "request_id": "The request's `X-Request-ID`, if it is short and printable.",
    "detail": "A few more words or numbers.",
}
_ERRORS = """# Errors

An error has a stable code and a status. Clients get JSON, `{"error": "…", "code": "…"}`; the text
is for people and may change, the code is for programs and does not. What to do about each:
[find out why](../how-to/troubleshooting.md).

"Nobody is signed in" and "cannot know" never look alike: the first is 401 or an empty session, the
second is 503 with `Retry-After`, and the cookie stays where it is.

## Exceptions

All are importable from `holdfast`. Their messages, which go to logs, hold no token, secret or data.
"""
_CODES = """## Refusals

What the chain and the service answer to a request that they do not let through.
"""
_REASONS = """## Reasons

Why a credential did not count: `session.reason`, `Verified.reason`, `Refreshed.reason`, and the
`reason` of audit events. Clients never see one, so that nobody can probe what exists.
"""
_REQUIREMENTS = """# Requirements

Docstrings and tests cite these numbers. `R` numbers are requirements of standards, `P` numbers are
mistakes that reached users of session systems, turned into rules. Each line is our own short
wording; the source has the full text.

A test in the last column names the number in its text. It is there for a part of the requirement,
and no claim that the whole of it is met. A number without a test is no claim at all.

Sources: OWASP ASVS 5.0.0 (`ASVS`), OWASP cheat sheets, NIST SP 800-63B-4 (`63B-4`), and the RFCs
and drafts that are named.
"""


def events_page() -> str:
    """Names, severities and fields of audit events."""
    names = {member.value: member for member in events.EventName}
    texts, raised = words("events", names), source.raised_events()
    rows = []
    for name, member in names.items():
        used = member.name in raised
        rows.append((code(name), texts[name] if used else "Reserved; nothing raises it yet."))
    fields = [(code(f.name), _FIELD_TEXTS[f.name]) for f in dataclasses.fields(events.Event)]
    return "\n".join([_EVENTS, table(("event", "raised when"), rows), _FIELDS,
                      table(("field", "holds"), fields)])  # fmt: skip


def errors_page() -> str:
    """Exceptions, refusals and reasons."""
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass)
               if issubclass(cls, errors.HoldfastError)]  # fmt: skip
    classes.sort(key=lambda cls: [each.__name__ for each in reversed(cls.__mro__)])
    rows = [
        (
            code(cls.__name__),
            code(_parent(cls)),
            code(cls.code),
            str(cls.http_status),
            first_line(cls),
        )
        for cls in classes
    ]
    reasons = words("reasons", (str(reason) for reason in errors.Reason))
    return "\n".join([
        _ERRORS, table(("class", "is a", "code", "status", "meaning"), rows),
        _CODES, table(("code", "status", "meaning"), _refusals()),
        _REASONS, table(("reason", "meaning"), ((code(k), v) for k, v in reasons.items())),
    ])  # fmt: skip


def requirements_page() -> str:
    """The numbers, each with the tests that name it."""
    known, tests = requirements(), source.named_requirements()
    unknown = source.cited_requirements() - {number for number, _, _ in known}
    if unknown:
        raise SystemExit(f"docs/_data/requirements.txt: add {sorted(unknown)}")
    parts, rows = [_REQUIREMENTS], list[tuple[str, ...]]()
    for number, origin, text in [*known, ("", "", "")]:
        if number:
            named = ", ".join(code(test) for test in tests.get(number, ()))
            rows.append((f"{number}", origin, text, named))
            continue
        if rows:
            parts.append(table(("number", "source", "in short", "tests that name it"), rows))
        parts.append(f"## {text}\n" if text else "")
        rows = []
    return "\n".join(parts)


def _refusals() -> list[tuple[str, str, str]]:
    found = source.error_replies()
    texts = dict(words("codes", found))
    for name, text in words("codes_by_hand").items():
        if name not in source.strings():
            raise SystemExit(f"docs/_data/words.toml, [codes_by_hand]: remove {name}")
        found[name], texts[name] = {int(text[:3])}, text[4:]
    ordered = sorted(found.items(), key=lambda item: (min(item[1]), item[0]))
    return [
        (code(name), ", ".join(_status(each) for each in sorted(statuses)), texts[name])
        for name, statuses in ordered
    ]


def _status(number: int) -> str:
    return f"{number} {http.HTTPStatus(number).phrase}"


def _parent(cls: type[errors.HoldfastError]) -> str:
    parent = cls.__bases__[0]
    return "" if parent is Exception else parent.__name__
