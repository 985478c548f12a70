"""Where a person may be sent after a form: to a path of this service, or to a host that it serves."""

from __future__ import annotations

import re
from collections.abc import Collection

from holdfast.rules import origin
from holdfast.rules.local_path import local_path

HOME = "/sessions"

_ELSEWHERE = re.compile(r"(https?://[^/]{1,300})(/.*)", re.DOTALL)


def way_back(text: str | None, hosts: Collection[str]) -> str:
    """`text` if it is a local path, or an address at one of these hosts; otherwise the start page.

    `hosts` are names as `rules.host.canonical` writes them. The address is put together anew from
    the origin as browsers read it and a path that is local by the same rule.
    """
    match = _ELSEWHERE.fullmatch(text or "")
    if match is None:
        return local_path(text, HOME)
    found = origin.canonical(match[1])
    path = local_path(match[2], "")
    if found is None or found.partition("://")[2] not in hosts or not path:
        return HOME
    return found + path
