"""Report how long the functions and files of the package are.

A long function or file is a question, not a verdict; the bounds that are verdicts stand in
``tests/meta/test_sizes.py``.
"""

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "holdfast"
LONG_FUNCTION = 30
LONG_FILE = 300


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the package and its length in lines, without its docstring."""

    path: str
    name: str
    line: int
    length: int


def files(source: Path = SOURCE) -> dict[str, int]:
    """Return the number of lines of each module, by its path below the package."""
    return {
        path.relative_to(source).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(source.rglob("*.py"))
    }


def functions(source: Path = SOURCE) -> list[Function]:
    """Return every function and method of the package, nested ones too, but no bare signature."""
    return [function for path in sorted(source.rglob("*.py")) for function in _within(path, source)]


def _within(path: Path, source: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_signature(node):
            yield Function(
                path.relative_to(source).as_posix(), node.name, node.lineno, _length(node)
            )


def _is_signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the body is only `...`, as in a protocol: such bodies would flatter the median."""
    last = node.body[-1]
    return (
        isinstance(last, ast.Expr)
        and isinstance(last.value, ast.Constant)
        and last.value.value is ...
    )


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    documented = _lines(docstring) if docstring else 0
    return _lines(node) - documented


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def main() -> None:
    """Print the median, the 90th percentile and the longest, then each one that is long."""
    found = functions()
    if not found:
        print("no functions yet")
        return
    lengths = sorted(function.length for function in found)
    p90 = lengths[min(len(lengths) - 1, len(lengths) * 9 // 10)]
    print(
        f"{len(lengths)} functions: median {statistics.median(lengths):g},"
        f" p90 {p90}, longest {lengths[-1]} lines"
    )
    for function in sorted(found, key=lambda item: -item.length):
        if function.length > LONG_FUNCTION:
            print(f"  {function.path}:{function.line} {function.name}: {function.length} lines")
    sizes = files()
    print(f"{len(sizes)} files: longest {max(sizes.values())} lines")
    for path, length in sorted(sizes.items(), key=lambda item: -item[1]):
        if length > LONG_FILE:
            print(f"  {path}: {length} lines")


if __name__ == "__main__":
    main()
