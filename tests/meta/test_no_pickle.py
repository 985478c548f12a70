"""No module of the package can load a pickle: loading one runs what somebody wrote into it (P39)."""

import ast

import pytest

from meta.test_import_contract import SOURCE, targets

LOADERS = {"pickle", "_pickle", "cPickle", "shelve", "marshal", "dill", "cloudpickle", "joblib"}


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_a_module_imports_no_loader(path):
    """Not even inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    found = {name.partition(".")[0] for node in nodes for name in targets(node, path, SOURCE)}
    assert found.isdisjoint(LOADERS)
