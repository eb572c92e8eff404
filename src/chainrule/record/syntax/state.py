"""The values that a traced branch or loop takes in and gives back: variables as lists of arrays.

A variable may be bound or not, and may be a container. What can be an array or a number is
*dynamic* and goes through the operation; all else must be the same whichever way control goes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.node import Abstract, Variable
from chainrule.ops.complaints import NUMBERS
from chainrule.ops.recording import renew
from chainrule.record.syntax.arrays import Foreign
from chainrule.record.syntax.canonical import RESULT
from chainrule.record.trees import Structure, flatten, unflatten

_SLOTS: Final = (
    "call", "getitem", "setitem", "iter", "len", "bool", "float", "int", "index",
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "neg",
    "lt", "le", "gt", "ge", "matmul", "rmatmul", "mod", "rmod", "floordiv", "rfloordiv", "abs",
    "iadd", "isub", "imul", "itruediv",
)  # fmt: skip


class Undefined:
    """In place of the value of a variable that is only bound on some ways through the program."""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        self.reason = reason

    def error(self) -> SyntaxUnsupported:
        """What using it is."""
        return SyntaxUnsupported(
            f"the variable {self.name!r} may have no value here: {self.reason}. Give it a value "
            "before, of the shape it has later" + at(user_line())
        )


def _use(self: Undefined, *args: Any) -> Any:
    raise self.error()


for _slot in _SLOTS:
    setattr(Undefined, f"__{_slot}__", _use)

UNSET: Final = Undefined(RESULT, "nothing was returned")
KEEP: Final = object()
"""Given to an access function for a variable that stays as it is."""


def values_of(getters: Sequence[Callable[[], Any]], names: Sequence[str]) -> list[Any]:
    """Values of variables, Undefined for those not bound."""
    out = []
    for name, get in zip(names, getters, strict=True):
        try:
            out.append(get())
        except (NameError, AttributeError):
            out.append(Undefined(name, "it is not bound before"))
    return out


def is_dynamic(leaf: Any) -> bool:
    """Whether a value can go through an operation."""
    return (
        isinstance(leaf, Variable)
        or type(leaf) in NUMBERS
        or (isinstance(leaf, np.ndarray | np.generic) and leaf.dtype.kind in "biufc")
    )


class Shape:
    """A variable without its arrays and numbers: how it is nested, and what does not vary."""

    def __init__(self, value: Any) -> None:
        self.value = value
        leaves, self.structure = flatten(value)
        self.static = [None if is_dynamic(v) else v for v in leaves]
        self.is_dynamic = [is_dynamic(v) for v in leaves]
        self.dynamic = [v for v in leaves if is_dynamic(v)]

    @property
    def undefined(self) -> bool:
        """Whether the variable is not bound."""
        return len(self.static) == 1 and isinstance(self.static[0], Undefined)

    def filled(self, leaves: Sequence[Any]) -> Any:
        """The variable with these arrays and numbers in it."""
        given = iter(leaves)
        both = zip(self.static, self.is_dynamic, strict=True)
        return unflatten(self.structure, [next(given) if dynamic else v for v, dynamic in both])

    def holding(self, leaves: list[Any]) -> Shape:
        """The same with other arrays and numbers in it."""
        out = copy.copy(self)
        out.dynamic = leaves
        return out

    def detached(self) -> Shape:
        """The same, with Tensors of its own for the arrays, which no later change reaches."""
        return self.holding([detached(v) for v in self.dynamic])

    def zeros(self) -> list[Any]:
        """Arrays and numbers of these shapes, for where they do not matter."""
        return [np.zeros(np.shape(v), dtype_of(v))[()] for v in self.dynamic]


def detached(leaf: Any) -> Any:
    """A Tensor in a handle of its own, which no later change in place reaches."""
    if not isinstance(leaf, Variable) or leaf._value.shape == ():
        return leaf
    renew(leaf)
    out: Variable = type(leaf)()
    value = leaf._value
    if type(value) is Abstract:  # one that shows nothing
        value = Abstract(value.shape, value.dtype)
    elif type(value) is np.ndarray:
        value = value.copy()
    out._value, out._node = value, leaf._node
    return out


def dtype_of(leaf: Any) -> Any:
    """Dtype of an array or number."""
    return getattr(leaf, "dtype", None) or np.asarray(leaf).dtype


def common_dtype(a: Any, b: Any) -> Any:
    """The dtype that holds both; that of a number of Python's is weak."""
    return np.result_type(*(v if type(v) in NUMBERS else dtype_of(v) for v in (a, b)))


def as_dtype(leaf: Any, dtype: Any) -> Any:
    """An array or number in a dtype."""
    if dtype_of(leaf) == dtype and type(leaf) not in NUMBERS:
        return leaf
    return leaf.astype(dtype) if hasattr(leaf, "astype") else np.asarray(leaf, dtype)[()]


def cast(leaf: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    """An array or number in a dtype, and in a shape that it broadcasts to."""
    leaf = as_dtype(leaf, dtype)
    return leaf if shape_of(leaf) == shape else leaf + np.zeros(shape, dtype)


def shape_of(leaf: Any) -> tuple[int, ...]:
    """Shape of an array or number."""
    return tuple(getattr(leaf, "shape", ()))


def called(name: str) -> str:
    """How a message names a variable."""
    return "what is returned" if name == RESULT else f"the variable {name!r}"


def check_same(name: str, one: Shape, other: Shape, where: tuple[str, str]) -> None:
    """Raise where a variable is nested otherwise, holds other constants, or has other shapes."""
    first, second = where
    what = called(name)
    if one.structure != other.structure or one.is_dynamic != other.is_dynamic:
        raise SyntaxUnsupported(
            f"{what} is {_kind(one)} {first} and {_kind(other)} {second}, and which one is not "
            "known while the function is traced; make them alike"
            + _hint(one, other)
            + at(user_line())
        )
    for a, b in zip(one.static, other.static, strict=True):
        if not _equal(a, b):
            raise SyntaxUnsupported(
                f"{what} holds {a!r} {first} and {b!r} {second}, and only numbers and arrays can "
                "depend on a traced value" + at(user_line())
            )
    for a, b in zip(one.dynamic, other.dynamic, strict=True):
        if shape_of(a) != shape_of(b):
            raise SyntaxUnsupported(
                f"{what} has shape {list(shape_of(a))} {first} and {list(shape_of(b))} {second}; "
                "a traced program has one shape for it: broadcast it to the larger one before"
                + at(user_line())
            )


def _kind(shape: Shape) -> str:
    if shape.structure.kind is None:
        return "an array or number" if shape.is_dynamic[0] else repr(shape.static[0])
    return f"{_text(shape.structure)}"


def _text(structure: Structure) -> str:
    text = repr(structure)
    return text if len(text) < 60 else text[:57] + "..."


def _hint(one: Shape, other: Shape) -> str:
    if one.structure.kind is list and other.structure.kind is list:
        return (
            "; a list cannot grow there: make an array (`np.zeros(n)`) and assign to its elements"
        )
    return ""


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:
        return False


# --- changes in place --------------------------------------------------------------------------


def refuse_unknown(name: str, value: Any) -> None:
    """Raise for what is stored into and is no array, list or dict."""
    known = isinstance(value, Variable | np.ndarray | list | dict | Undefined)
    if not known and hasattr(value, "__setitem__"):
        raise SyntaxUnsupported(
            f"{name!r}, a {type(value).__name__}, is assigned to where that depends on a traced "
            "value; use an array, a list or a dict" + at(user_line())
        )


def write_back(old: Any, new: Any) -> Any:
    """Put what came out into the object that was changed in place; returns what is bound to it."""
    if old is new:
        return old
    if isinstance(old, Variable) and isinstance(new, Variable):
        old[...] = new  # type: ignore[index]
    elif type(old) is np.ndarray:
        Foreign(old)[...] = new
    elif type(old) is list:
        old[:] = new
    elif type(old) is dict:
        old.clear()
        old.update(new)
    else:
        return new
    return old
