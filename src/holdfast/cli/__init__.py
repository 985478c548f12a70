"""The command `holdfast`: one file for each, which imports what it needs when it runs."""

from __future__ import annotations

import sys

from holdfast.errors import HoldfastError

__all__ = ["main"]


def main() -> None:
    """Run the command line; what was to be expected is one line on stderr, never a traceback."""
    try:
        from holdfast.cli.program import app
    except ModuleNotFoundError as missing:
        print(
            f"holdfast: this command needs {missing.name}: pip install 'holdfast[service]'",
            file=sys.stderr,
        )
        sys.exit(1)
    try:
        app()
    except HoldfastError as error:
        print(f"holdfast: {error}", file=sys.stderr)
        sys.exit(1)
