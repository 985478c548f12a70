"""A clean clone of the committed tree, and `scripts/run` in it, as somebody does who found the project."""

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path

from service.running import Server

ROOT = Path(__file__).parents[2]
FIRST_RUN = 600
BASH = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Checkout:
    """A clone in `folder`.

    Under CI its first run makes its own environment. Elsewhere it borrows the packages of this one,
    as if it had run before: installing takes a minute.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        subprocess.run(
            ["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", folder], check=True
        )
        if os.environ.get("CI") != "true":
            self._borrow()

    def run(self, *arguments, **variables):
        """`./scripts/run`, started and answering; its data stay in the clone."""
        start = [self.folder / "scripts" / "run"]
        return Server(
            None, *arguments, start=start, folder=self.folder, within=FIRST_RUN, **variables
        )

    def paste(self, server):
        """What the shell lines of the README print."""
        text = (self.folder / "README.md").read_text(encoding="utf-8")
        script = "".join(BASH.findall(text)).replace(":8080", f":{server.port}")
        shell = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            shell, cwd=self.folder, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    def _borrow(self):
        home = self.folder / ".venv"
        venv.create(home, symlinks=True)
        packages = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
        borrowed = sysconfig.get_path("purelib")
        (packages / "borrowed.pth").write_text(f"{self.folder / 'src'}\n{borrowed}\n")
        stamp = '. scripts/env.sh; stamp >"$VENV/.holdfast-run"'
        subprocess.run(["sh", "-c", stamp, "scripts/run"], cwd=self.folder, check=True)


def clonable():
    """Whether this is a repository with a commit; a source archive is none."""
    head = ["git", "-C", ROOT, "rev-parse", "HEAD"]
    return subprocess.run(head, capture_output=True, check=False).returncode == 0
