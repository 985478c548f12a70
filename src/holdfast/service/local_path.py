"""Where a person may be sent after a form: to a path of this service, or to a host that it serves."""

from __future__ import annotations

import re
from collections.abc import Collection

from holdfast.rules import origin

HOME = "/sessions"

# Printable ASCII without space and backslash; a second slash would begin a host name.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,511}")


_ELSEWHERE = re.compile(r"(https?://[^/]{1,300})(/.*)", re.DOTALL)


def way_back(text: str | None, hosts: Collection[str]) -> str:
    """`text` if it is a local path, or an address at one of these hosts; otherwise the start page.

    `hosts` are names as `rules.host.canonical` writes them. The address is put together anew from
    the origin as browsers read it and a path that is local by the same rule.
    """
    match = _ELSEWHERE.fullmatch(text or "")
    if match is None:
        return local_path(text)
    found = origin.canonical(match[1])
    if (
        found is None
        or found.partition("://")[2] not in hosts
        or _LOCAL.fullmatch(match[2]) is None
    ):
        return HOME
    return found + match[2]


def local_path(text: str | None) -> str:
    r"""`text` if it is an absolute path of this service, otherwise the start page.

    Browsers read `//host`, `/\host` and a slash with a tab or newline behind it as another host;
    none of these pass.
    """
    return text if text is not None and _LOCAL.fullmatch(text) else HOME
