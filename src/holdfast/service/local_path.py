"""Where a person may be sent after a form: to a path of this service and nowhere else."""

from __future__ import annotations

import re

HOME = "/sessions"

# Printable ASCII without space and backslash; a second slash would begin a host name.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,511}")


def local_path(text: str | None) -> str:
    r"""`text` if it is an absolute path of this service, otherwise the start page.

    Browsers read `//host`, `/\host` and a slash with a tab or newline behind it as another host;
    none of these pass.
    """
    return text if text is not None and _LOCAL.fullmatch(text) else HOME
