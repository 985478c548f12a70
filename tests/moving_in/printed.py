"""What the pages about moving print, as it stands, but for the address of the old Redis and its secret."""

import re
import shlex
from pathlib import Path
from textwrap import dedent

from moving_in import express_session

PAGES = Path(__file__).parents[2] / "docs/how-to"


def _block(page, kind, url):
    text = (PAGES / f"move-from-{page}.md").read_text(encoding="utf-8")
    found = re.search(rf"^ *```{kind}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)[1]
    assert "redis://localhost:6379/0" in found
    found = found.replace("redis://localhost:6379/0", url)
    return dedent(found).replace("the secret of express-session", express_session.SECRET)


def install(page, url):
    """What makes an application ours, by the lines of the page."""

    def install_on(app):
        source = _block(page, "py", url).replace("\nHoldfast(", "\nparts = Holdfast(")
        names = {"app": app}
        exec(compile(source, page, "exec"), names)
        return names["parts"]

    return install_on


def variables(page, url):
    """Those of the service, without their prefix."""
    lines = _block(page, "sh", url).splitlines()
    words = [shlex.split(line) for line in lines]
    assert all(len(each) == 2 and each[0] == "export" for each in words)
    pairs = (each[1].partition("=") for each in words)
    return {name.removeprefix("HOLDFAST_"): value for name, _, value in pairs}
