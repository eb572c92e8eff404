"""Which functions are the user's own, and which of them need to be rewritten.

Both are asked at every call that a rewritten function makes, so the answers are kept, and the
second is found in the bytecode: the source is only read once it is needed.
"""

from __future__ import annotations

import builtins
import dis
import functools
import itertools
import sys
import weakref
from collections.abc import Iterator
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import numpy as np

from chainrule.errors import PACKAGE
from chainrule.ops.recording import standard_class
from chainrule.record.syntax.arrays import CREATORS, GATHERING, MATH
from chainrule.record.syntax.source import codes

_STORES: Final = frozenset({"STORE_SUBSCR", "STORE_SLICE"})
_LOCALS: Final = ("LOAD_FAST", "LOAD_DEREF")


@functools.cache
def _libraries() -> tuple[str, ...]:
    import sysconfig  # reads a file; only needed once a function is rewritten

    paths = sysconfig.get_paths()
    return tuple({paths[k] for k in ("stdlib", "platstdlib", "purelib", "platlib")})


@functools.cache
def is_library(filename: str) -> bool:
    """Whether a file belongs to Python, to an installed package, or to chainrule."""
    return (
        filename.startswith((PACKAGE, "<frozen", "<__array_function__", *_libraries()))
        or "site-packages" in filename
        or "dist-packages" in filename
    )


def package_of(function: Any) -> str:
    """Name of the outermost package that a function was defined in."""
    return str(getattr(function, "__module__", None) or "").partition(".")[0]


def is_users(function: FunctionType, package: str) -> bool:
    """Whether to look into a function that one of `package` calls.

    An installed package whose own function is being transformed is the user's in this sense.
    """
    filename = function.__code__.co_filename
    if not is_library(filename):
        return True
    return bool(package) and package_of(function) == package and not filename.startswith(PACKAGE)


# --- functions that write into arrays ------------------------------------------------------------

_writing: Final[weakref.WeakKeyDictionary[FunctionType, bool]] = weakref.WeakKeyDictionary()


def writes(function: FunctionType, package: str = "") -> bool:
    """Whether a function, or one of the user's that it may call, may write into an array.

    True as well where it calls what cannot be known before it runs (an argument, a method of an
    object of the user's), a function of the module `math`, or NumPy's `array` and the like, which
    cannot take a list of tensors that require grad.
    """
    known = _writing.get(function)
    if known is None:
        seen = [function]
        for f in seen:  # grows meanwhile
            called = _called(f)
            known = called is None
            if called is None:
                break
            seen += [g for g in called if is_users(g, package) and g not in seen]
        _writing[function] = bool(known)
    return bool(known)


def _called(function: FunctionType) -> list[FunctionType] | None:
    """Functions that a function may call; None if it writes itself, or calls what is not known."""
    own = list(codes(function.__code__))
    if any(_stores(code) for code in own):
        return None
    closure = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    cells = {name: cell.cell_contents for name, cell in closure if _is_full(cell)}
    inner = {code.co_name for code in own}
    if any(not inner.union(cells).issuperset(_called_locals(code)) for code in own):
        return None
    names = {name for code in own for name in code.co_names}
    values = [*cells.values(), *(v for n, v in function.__globals__.items() if n in names)]
    attributes = names - function.__globals__.keys()
    reached, resolved = _reached(values, attributes)
    if attributes - resolved - _COMMON - set(dir(standard_class())):
        return None
    if not _LOSING.isdisjoint(map(id, reached)):
        return None
    return [f for value in reached for f in _functions(value)]


def _stores(code: CodeType) -> bool:
    """Whether there is `a[i] = v`, or `a += v` beside a function that makes arrays."""
    making = not _MAKERS.isdisjoint(code.co_names)
    return any(
        i.opname in _STORES or (making and i.opname == "BINARY_OP" and i.argrepr.endswith("="))
        for i in dis.get_instructions(code)
    )


def _called_locals(code: CodeType) -> Iterator[str]:
    """Local variables that are called: a null is pushed before them, since 3.13 after them."""
    instructions = list(dis.get_instructions(code))
    for first, second in itertools.pairwise(instructions):
        load, null = (first, second) if sys.version_info >= (3, 13) else (second, first)
        if null.opname == "PUSH_NULL" and any(name in load.opname for name in _LOCALS):
            found = load.argval  # two names where one instruction loads both
            yield from (found,) if isinstance(found, str) else found


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _reached(values: list[Any], attributes: set[str]) -> tuple[list[Any], set[str]]:
    """Values, and those that attributes of them may stand for, and which attributes those are."""
    reached, resolved = list(values), set[str]()
    for value in reached:  # grows meanwhile
        if isinstance(value, FunctionType):
            continue
        is_module = isinstance(value, ModuleType)
        found = attributes.intersection(vars(value) if is_module else dir(type(value)))
        resolved |= found
        if is_module:
            inside = [vars(value)[n] for n in found]
            reached += [v for v in inside if not any(v is r for r in reached)]
    return reached, resolved


def _functions(value: Any) -> list[FunctionType]:
    """Functions that run when a value is called, or a method of it."""
    if isinstance(value, functools.partial):
        value = value.func
    if isinstance(value, MethodType):
        value = value.__func__
    if isinstance(value, FunctionType):
        return [value]
    if isinstance(value, ModuleType):
        return []  # what is used of it is looked at by itself
    cls = value if isinstance(value, type) else type(value)
    return [f for base in cls.__mro__ for f in vars(base).values() if isinstance(f, FunctionType)]


_COMMON: Final = frozenset(
    name for cls in (np.ndarray, list, dict, str, tuple, set, float) for name in dir(cls)
) | frozenset(dir(builtins))
"""Attributes of what is no object of the user's, and Python's own functions."""

_MAKERS: Final = frozenset(f.__name__ for f in CREATORS)
_LOSING: Final = frozenset(map(id, (*MATH, *GATHERING)))
