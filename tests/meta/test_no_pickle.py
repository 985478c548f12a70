"""No module of the package can load a pickle: loading one runs what somebody wrote into it (P39).

But for one, which checks it first, for a command that somebody has to ask for by a flag.
"""

import ast
import subprocess
import sys

import pytest

from meta.test_import_contract import SOURCE, targets

LOADERS = {"pickle", "_pickle", "cPickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


CONVERTER = "cli/unpickling.py"


def imported(path):
    """Everything that a module imports, also inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {name for node in nodes for name in targets(node, path, SOURCE)}


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_a_module_imports_no_loader(path):
    """Not even inside a function."""
    found = {name.partition(".")[0] for name in imported(path)}
    assert found.isdisjoint(LOADERS) or str(path.relative_to(SOURCE)) == CONVERTER


def test_only_the_command_uses_the_converter():
    """No other module of the package can reach it."""
    users = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if any(name.startswith("holdfast.cli.unpickling") for name in imported(path))
    }
    assert users == {"cli/convert_sessions.py"}


def test_no_server_has_it_in_memory():
    """Neither the application of the service, nor the command line before it is asked for."""
    text = (
        "import sys, holdfast.service.app, holdfast.cli.program\n"
        "assert 'holdfast.cli.unpickling' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", text], check=True)
