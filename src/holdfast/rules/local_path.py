"""Where a person may be sent after a sign-in or a form: to a path of the same site (P52)."""

from __future__ import annotations

import re

# Printable ASCII without space and backslash; a second slash would begin a host name.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,511}")


def local_path(text: str | None, otherwise: str = "/") -> str:
    r"""`text` if it is a path of this site, with or without a query; `otherwise` for anything else.

    For the field `next` of a sign-in form, say. Browsers read `//host`, `/\host`, and a slash with a
    tab or newline behind it, as another host; none of these pass. At most 512 characters of ASCII:
    other characters come percent-encoded.
    """
    return text if text is not None and _LOCAL.fullmatch(text) else otherwise
