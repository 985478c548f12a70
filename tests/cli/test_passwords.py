"""A password on a terminal: asked for twice, never shown."""

import os
import pty
import re
import subprocess

from service.running import COMMAND, environment
from service.running import until as wait

PROMPT = re.compile(rb"(?:Password|confirmation): ")
PASSWORD = "correct horse battery staple"


def typed(home, *lines):
    """Answer the prompts of `user add` one after the other; what the terminal showed, and the status."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "user", "add", "ada@example.org"],
        env=environment(home, PROFILE="development"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    for number, line in enumerate(lines, 1):
        while len(PROMPT.findall(shown)) < number:
            shown += os.read(screen, 1024)
        os.write(screen, line.encode() + b"\n")
    try:
        while part := os.read(screen, 1024):
            shown += part
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(screen)
    wait(lambda: process.poll() is not None, "the command ends")
    return shown.decode(), process.returncode


def test_it_is_asked_for_twice_and_not_shown(tmp_path):
    """What was typed is not echoed."""
    shown, status = typed(tmp_path / "home", PASSWORD, PASSWORD)
    assert status == 0
    assert "Added ada@example.org" in shown
    assert PASSWORD not in shown


def test_two_that_differ_are_asked_for_again(tmp_path):
    """Nobody is added with a slip of the finger."""
    shown, status = typed(tmp_path / "home", PASSWORD, PASSWORD + "x", PASSWORD, PASSWORD)
    assert status == 0
    assert "do not match" in shown
