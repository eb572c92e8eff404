"""Imports go one way: graph <- ops <- {derive, rewrite, codegen, sparsity, record}."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "chainrule"
MODULES = sorted(PACKAGE.rglob("*.py"))

STAGES = {"derive", "rewrite", "codegen", "sparsity", "record"}
"""What turns one graph into another, or into something else: no stage knows of the others."""

MAY_IMPORT = {
    "errors": set[str](),
    "version": set[str](),
    "graph": {"errors"},
    "ops": {"errors", "graph"},
    **{stage: {"errors", "graph", "ops"} for stage in STAGES},
    "algebra": {"errors", "graph", "ops"},
}
"""Folder or module -> what of ours it may import besides itself. The rest may import anything."""

DEPENDENCIES = {
    "numpy": None,
    "scipy": None,
    "llvmlite": {"codegen", "run"},
    "mypy_extensions": {"graph"},  # marks for the compiler of hot modules, done without if absent
}
"""Distribution -> the folders that may import it, None for all."""


def names_imported(path: Path) -> set[str]:
    """Full names of all modules that a file imports, wherever in the file it does."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            # `from chainrule import ops` names a part of the package as much as `chainrule.ops`
            found |= (
                {f"{module}.{a.name}" for a in node.names} if module == "chainrule" else {module}
            )
    return found


def part(path: Path) -> str:
    """The folder, or the module in the package's own folder, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_there_is_something_to_check() -> None:
    """The tests below would pass on an empty list."""
    assert {part(path) for path in MODULES} >= {"graph", "ops", "derive", "record", "tensor"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    """A folder imports from earlier ones only."""
    here = part(path)
    if here not in MAY_IMPORT:
        return
    ours = {name.split(".")[1] for name in names_imported(path) if name.startswith("chainrule.")}

    assert ours - MAY_IMPORT[here] - {here} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_dependencies_are_the_declared_ones(path: Path) -> None:
    """NumPy, SciPy, Python's own library; llvmlite where machine code is made; never a peer."""
    roots = {name.split(".")[0] for name in names_imported(path)} - {"chainrule"}
    foreign = roots - sys.stdlib_module_names

    assert foreign <= set(DEPENDENCIES), f"{path}: {sorted(foreign)}"
    for name in foreign:
        folders = DEPENDENCIES[name]
        assert folders is None or part(path) in folders, f"{path} imports {name}"
