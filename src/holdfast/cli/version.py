"""`holdfast version`."""

from __future__ import annotations

import platform

from holdfast import __version__
from holdfast.cli import output
from holdfast.cli.options import Json


def version(*, json: Json = False) -> None:
    """Print the version."""
    python = platform.python_version()
    output.said(
        f"holdfast {__version__} (Python {python})", json=json, holdfast=__version__, python=python
    )
