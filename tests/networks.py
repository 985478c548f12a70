"""A network of its own beside ours, on a cable that can be pulled. Linux, as root."""

import os
import secrets
import shutil
import subprocess

import pytest

COMMAND = "ip"


def _ip(*arguments):
    subprocess.run([COMMAND, *arguments], check=True, capture_output=True, text=True)


class FarNetwork:
    """A network namespace: what runs `within` it has the address `far`, and sees us as `near`."""

    def __init__(self):
        number = 1 + secrets.randbelow(254)  # tests share a seed, and must not share a network
        self.name = f"hf-{os.getpid()}-{number}"
        self.near, self.far = f"10.213.{number}.1", f"10.213.{number}.2"
        self.within = (COMMAND, "netns", "exec", self.name)
        self._ends = f"hfn{number}", f"hff{number}"
        _ip("netns", "add", self.name)
        try:
            self._lay_cable()
        except BaseException:
            self.close()
            raise

    def pull(self):
        """Nothing gets through any more, and nobody is told."""
        _ip("link", "set", self._ends[0], "down")

    def plug_in(self):
        _ip("link", "set", self._ends[0], "up")

    def close(self):
        """The cable goes with the namespace once nothing runs there."""
        subprocess.run([COMMAND, "link", "del", self._ends[0]], check=False, capture_output=True)
        _ip("netns", "del", self.name)

    def _lay_cable(self):
        near, far = self._ends
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", self.name)
        _ip("addr", "add", f"{self.near}/24", "dev", near)
        _ip("link", "set", near, "up")
        inside = ("-n", self.name)
        _ip(*inside, "addr", "add", f"{self.far}/24", "dev", far)
        _ip(*inside, "link", "set", far, "up")
        _ip(*inside, "link", "set", "lo", "up")


def far_network():
    """A new one; skips where none can be made, but never in CI."""
    try:
        if shutil.which(COMMAND) is None:
            raise FileNotFoundError(COMMAND)
        return FarNetwork()
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", error)
        message = f"no network namespace; run as root on Linux, with iproute2: {why}"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
