"""`holdfast version`, and the program as a whole."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from service.running import COMMAND

SCRIPT = Path(sys.executable).with_name("holdfast")


def test_it_says_which_it_is(holdfast):
    """For people and for programs."""
    installed = version("holdfast")
    assert holdfast("version").out.startswith(f"holdfast {installed} (Python 3.")
    assert holdfast("--version").out == holdfast("version").out
    assert holdfast("version", "--json").json["holdfast"] == installed


def test_nothing_is_the_help(holdfast):
    """Every command in one line each."""
    shown = holdfast().out
    for name in ("serve", "user", "sessions", "keys", "sweep", "doctor", "version"):
        assert f" {name} " in shown


def test_help_has_its_short_name(holdfast):
    """`-h`, of the program and of each command."""
    assert holdfast("-h").out == holdfast("--help").out
    assert holdfast("user", "add", "-h").out == holdfast("user", "add", "--help").out


def test_an_unknown_command_is_an_error(holdfast):
    """Status 2, on standard error."""
    done = holdfast("nonsense")
    assert (done.status, done.out) == (2, "")
    assert "nonsense" in done.err


def test_the_installed_program_is_the_module():
    """`holdfast` and `python -m holdfast.cli`."""
    shown = [
        subprocess.run([*start, "version"], capture_output=True, text=True, check=True).stdout
        for start in ([SCRIPT], COMMAND)
    ]
    assert shown[0] == shown[1]


def test_without_its_packages_it_says_which_extra_has_them():
    """Who installed `holdfast[flask]` has the command, and not what it needs."""
    bare = "import sys; sys.modules['typer'] = None; from holdfast.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", bare], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "holdfast: this command needs typer: pip install 'holdfast[service]'\n"
