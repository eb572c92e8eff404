"""The public face: the names, what importing them costs, and their documentation."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.ops.table import TABLE

NAMESPACES = ["algebra", "fft", "linalg", "random", "special"]

INTERNAL = {
    # transposes of others, and indexing
    "add_along_axis", "add_at", "at_index", "gather_positions", "getitem", "last_writers",
    "linear_recurrence", "put", "put_diagonal", "scatter_positions", "set_item",
    # parts of a public function that chooses among them
    "clip_above", "clip_below", "condition_number", "hurwitz_zeta", "riemann_zeta",
    # sums of pieces that compiled code makes
    "tiles",
    # results of others that have no derivative
    "exponent", "occupancy", "occurrences",
    # derivatives of others
    "betainc_moment", "gammainc_moment", "hurwitz_moment", "while_back", "call",
    # rules that look at values, in a traced graph; results with a rule of the user's
    "custom", "deferred",
    # what is done, and gives nothing
    "effect",
    # products in which zero times infinity is zero
    "strong_contraction", "strong_multiply",
    # what must hold for a derivative to exist, in a traced graph
    "ensured",
    # what elimination divides by
    "pivot", "positive_pivot",
    # made by the compiler
    "expected",
}  # fmt: skip
"""Operations without a public name."""


def modules() -> list[ModuleType]:
    """Every module of the package."""
    found = pkgutil.walk_packages(cr.__path__, "chainrule.")
    return [cr, *(importlib.import_module(info.name) for info in found)]


def home(thing: Any) -> str:
    """The module that a function, class or operation is written in."""
    return str(getattr(inspect.unwrap(thing), "__module__", ""))


def documented() -> Iterator[tuple[str, ModuleType, str]]:
    """Name, module and docstring of every module, class, method, function and operation."""
    seen = set[int]()
    for module in modules():
        yield module.__name__, module, module.__doc__ or ""
        for name, thing in vars(module).items():
            if not callable(thing) or id(thing) in seen:
                continue
            # an operation is made in the table: it is met first where it is named
            if not hasattr(thing, "operation") and home(thing) != module.__name__:
                continue
            seen.add(id(thing))
            yield f"{module.__name__}.{name}", module, inspect.getdoc(thing) or ""
            if inspect.isclass(thing):
                for key, member in vars(thing).items():
                    if inspect.isfunction(member) or isinstance(member, property):
                        text = inspect.getdoc(member) or ""
                        yield f"{module.__name__}.{name}.{key}", module, text


SCOPE = {"cr": cr, "np": np, "torch": importlib.import_module("chainrule.torch")}
"""Names that examples in docstrings may use besides those of their module."""

EXAMPLES = {name: (module, text) for name, module, text in documented() if ">>>" in text}


def public_functions() -> dict[str, Callable[..., Any]]:
    """Functions and classes under public names, those of the namespaces included."""
    spaces = {"cr": cr} | {f"cr.{name}": getattr(cr, name) for name in NAMESPACES}
    return {
        f"{prefix}.{name}": getattr(space, name)
        for prefix, space in spaces.items()
        for name in space.__all__
        if callable(getattr(space, name)) and not isinstance(getattr(space, name), ModuleType)
    }


def is_documented_by_example(thing: Any) -> bool:
    """Errors, dtypes and NumPy's own objects are documented by a sentence."""
    if inspect.isclass(thing):
        return not issubclass(thing, (Exception, np.generic, np.dtype))
    return getattr(thing, "__module__", "").startswith("chainrule")


@pytest.mark.parametrize("space", [cr, *(getattr(cr, name) for name in NAMESPACES)])
def test_all_names_what_is_exposed(space: ModuleType) -> None:
    """`__all__` is sorted, and is all that a user finds."""
    written_here = space is cr.random  # the others gather what is written elsewhere
    exposed = {
        name
        for name, thing in vars(space).items()
        if not name.startswith("_")
        and not isinstance(thing, ModuleType)
        and (not written_here or getattr(thing, "__module__", "") == space.__name__)
    }
    stated = [name for name in space.__all__ if not name.startswith("__")]
    spaces = {name for name in stated if isinstance(getattr(space, name), ModuleType)}

    assert list(space.__all__) == sorted(set(space.__all__))
    assert set(stated) - spaces == exposed


def test_namespaces_are_exposed() -> None:
    """`cr.linalg` and its like need no import of their own."""
    assert set(NAMESPACES) <= set(cr.__all__)


def test_every_operation_is_public_or_internal() -> None:
    """No row of the table is forgotten: what has no public name is part of another row's rules."""
    public = {name.rpartition(".")[2] for name in public_functions()}

    assert set(TABLE) - public == INTERNAL


@pytest.mark.parametrize("name", sorted(public_functions()))
def test_public_names_are_documented(name: str) -> None:
    """Every public function says what it does and shows it."""
    thing = public_functions()[name]
    text = inspect.getdoc(thing) or ""

    assert text
    if is_documented_by_example(thing):
        assert ">>>" in text, f"{name} has no example"


def test_examples_are_found() -> None:
    """The test below would pass on an empty list."""
    assert len(EXAMPLES) > len(TABLE)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_example(name: str) -> None:
    """What a docstring prints is what the program prints."""
    module, text = EXAMPLES[name]
    test = doctest.DocTestParser().get_doctest(text, vars(module) | SCOPE, name, name, 0)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    report: list[str] = []
    runner.run(test, out=report.append)

    assert not runner.failures, "".join(report)


def test_import_loads_nothing_heavy() -> None:
    """`import chainrule` loads NumPy and what NumPy itself loads; SciPy waits until needed, and so
    does what takes long of Python's own library.
    """
    script = (
        "import sys, numpy; before = {m for m in sys.modules if m.startswith('numpy')};"
        "import chainrule;"
        "heavy = {'scipy', 'llvmlite', 'matplotlib', 'torch', 'jax'}"
        " | {'hashlib', 'logging', 'pathlib', 'shutil', 'tempfile'};"
        "print(sorted({m for m in sys.modules if m.startswith('numpy')} - before));"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert run.stdout.splitlines() == ["[]", "[]"]


def test_version_is_stated_once() -> None:
    """The package's metadata and the module agree."""
    assert cr.__version__ == version("chainrule")
