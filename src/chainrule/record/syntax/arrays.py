"""Arrays that NumPy makes inside a rewritten function, as Tensors that can be assigned to.

`y = np.zeros(3); y[0] = x` cannot keep the derivative by x in a NumPy array. In a rewritten
function the callee is looked up here, by identity, and what it makes is put into a Tensor: same
values, same dtype.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType
from typing import Any, Final

import numpy as np

from chainrule.errors import GraphError, at, user_line
from chainrule.graph.node import Abstract, Variable
from chainrule.ops import joining, movement
from chainrule.ops.complaints import describe
from chainrule.ops.recording import standard_class
from chainrule.ops.recording import wrapped as tensor_of

Function = Callable[..., Any]

_OF_NUMBERS: Final = (
    "zeros", "ones", "empty", "zeros_like", "ones_like", "empty_like", "full_like", "copy",
    "eye", "identity", "tri", "tril", "triu", "diag", "diagflat", "vander", "arange", "linspace",
    "logspace", "geomspace", "meshgrid", "fromfunction", "fromiter", "frombuffer", "fromstring",
    "loadtxt", "genfromtxt", "concatenate", "stack", "vstack", "hstack", "dstack", "column_stack",
    "tile", "repeat", "pad",
)  # fmt: skip
"""Functions of NumPy that always return memory of their own."""


def wrapped(value: Any, kinds: str) -> Any:
    """What a function of NumPy made, as Tensors where the dtype is of one of these kinds."""
    if type(value) is np.ndarray:
        return put(value) if value.dtype.kind in kinds else value
    if type(value) in (tuple, list):
        return type(value)([wrapped(v, kinds) for v in value])
    return value


def put(value: np.ndarray[Any, Any]) -> Any:
    """A Tensor around an array, which is not copied."""
    return tensor_of(standard_class(), value if value.ndim else value[()], None)


def _making(function: Function) -> Callable[[str], Function]:
    """A function of NumPy that wraps what comes out."""

    def of_kinds(kinds: str) -> Function:
        @functools.wraps(function)
        def made(*args: Any, **kwargs: Any) -> Any:
            return wrapped(function(*args, **kwargs), kinds)

        return made

    return of_kinds


# --- functions that take what may hold Tensors ---------------------------------------------------


def _full(kinds: str) -> Function:
    def full(
        shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any
    ) -> Any:
        if not holds(fill_value):
            return wrapped(np.full(shape, fill_value, dtype, order, **kwargs), kinds)
        filling = gathered(fill_value, dtype)
        return movement.copy(movement.broadcast_to(filling, shape))

    return full


def _array(kinds: str) -> Function:
    def array(
        object: Any,  # noqa: A002 - NumPy's name
        dtype: Any = None,
        *,
        copy: Any = True,
        ndmin: int = 0,
        **kwargs: Any,
    ) -> Any:
        if not holds(object):
            return wrapped(np.array(object, dtype, copy=copy, ndmin=ndmin, **kwargs), kinds)
        out = gathered(object, dtype)
        if copy and out is object:
            out = movement.copy(out)
        if out.ndim < ndmin:
            out = movement.reshape(out, (1,) * (ndmin - out.ndim) + out.shape)
        return out

    return array


def _as_array(function: Function) -> Callable[[str], Function]:
    """`np.asarray` and its like, which give an array back as it is."""

    def of_kinds(kinds: str) -> Function:
        @functools.wraps(function)
        def as_array(a: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
            if holds(a):
                return gathered(a, dtype)
            out = function(a, dtype, *args, **kwargs)
            if out is a or (isinstance(a, np.ndarray) and np.may_share_memory(out, a)):
                return out
            return wrapped(out, kinds)

        return as_array

    return of_kinds


def holds(x: Any) -> bool:
    """Whether nested lists hold a Tensor."""
    if isinstance(x, Variable):
        return True
    return isinstance(x, (list, tuple)) and any(map(holds, x))


def _elements(x: Any) -> Iterator[Any]:
    if isinstance(x, (list, tuple)):
        for element in x:
            yield from _elements(element)
    else:
        yield x


def gathered(x: Any, dtype: Any = None) -> Any:
    """`np.array(x)` for nested lists with Tensors in them, in the dtype NumPy would give."""
    if dtype is None:
        dtypes = [getattr(e, "dtype", None) or np.asarray(e).dtype for e in _elements(x)]
        dtype = np.result_type(*dtypes)
    return _joined(x, np.dtype(dtype))


def as_tensor(x: Any) -> Any:
    """An array, or lists of numbers and Tensors, as a Tensor; what else is in a list, as it is."""
    if holds(x):
        return gathered(x)
    try:
        value = np.asarray(x)
    except ValueError:  # of unequal lengths
        return x
    return put(value) if value.dtype.kind in "biufc" else x


def _joined(x: Any, dtype: np.dtype[Any]) -> Any:
    if isinstance(x, (list, tuple)):
        if not holds(x):
            return np.asarray(x, dtype)
        return joining.stack([_joined(e, dtype) for e in x])
    if isinstance(x, Variable):
        return x if x._value.dtype == dtype else movement.astype(x, dtype)
    return np.asarray(x, dtype)


GATHERING: Final[dict[Any, Callable[[str], Function]]] = {
    np.full: _full,
    np.array: _array,
    **{
        f: _as_array(f)
        for f in (np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray)
    },
}
"""Those of the functions below that take lists with Tensors in them."""

CREATORS: Final[dict[Any, Callable[[str], Function]]] = {
    **{getattr(np, n): _making(getattr(np, n)) for n in _OF_NUMBERS if hasattr(np, n)},
    **GATHERING,
}
"""Function of NumPy -> kinds of dtype that go into Tensors -> what is called in its place."""


def copying_method(method: BuiltinFunctionType, kinds: str) -> Function | None:
    """`a.copy` or `a.astype` of a NumPy array, made to give a Tensor; None for other methods."""
    if type(method.__self__) is np.ndarray and method.__name__ in ("copy", "astype"):
        return _making(method)(kinds)
    return None


# --- arrays from outside --------------------------------------------------------------------------


class Foreign:
    """A NumPy array that was not made in a rewritten function, where it is assigned to."""

    __slots__ = ("_array",)

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> Any:
        self._check(index)
        return self._array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._check(value)
        self._check(index)
        self._array[index] = value

    def _check(self, *given: Any) -> None:
        if any(map(is_live, _elements(given))):
            raise GraphError(
                f"a tensor was assigned into a NumPy array ({describe(self._array)}) that was made "
                "elsewhere and cannot hold its derivative; make it a tensor before "
                "(`y = cr.asarray(y)`), or make it in this function, by np.zeros or the like"
                + at(user_line())
            )


class Slot:
    """`a[index]` to be assigned into, for an index that is traced: taken out, changed, put back."""

    __slots__ = ("_array", "_index")

    def __init__(self, array: Any, index: Any) -> None:
        self._array = Foreign(array) if type(array) is np.ndarray else array
        self._index = index

    def __getitem__(self, index: Any) -> Any:
        return self._array[self._index][index]

    def __setitem__(self, index: Any, value: Any) -> None:
        inner = self._array[self._index]
        inner[index] = value
        self._array[self._index] = inner


def is_live(x: Any) -> bool:
    """Whether a value has a derivative, or no numbers yet: what no NumPy array can hold."""
    return isinstance(x, Variable) and (x._node is not None or type(x._value) is Abstract)


# --- Python's own functions of a number ----------------------------------------------------------


def _number(function: Function, ours: Function) -> Function:
    """A function of `math`, answered by NumPy's where a number would lose its derivative."""

    @functools.wraps(function)
    def applied(*args: Any, **kwargs: Any) -> Any:
        return (ours if any(map(is_live, args)) else function)(*args, **kwargs)

    return applied


_OF_ONE_NAME: Final = (
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "exp2", "log1p", "log2", "log10",
    "sqrt", "cbrt", "hypot", "fabs", "floor", "ceil", "trunc", "copysign", "isfinite", "isinf",
    "isnan", "degrees", "radians", "fmod",
)  # fmt: skip
_OTHER_NAMES: Final = {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "pow": np.power,
}  # fmt: skip


def _log(x: Any, base: Any = None) -> Any:
    return np.log(x) if base is None else np.log(x) / np.log(base)


MATH: Final[dict[Any, Function]] = {
    getattr(math, n): _number(getattr(math, n), f)
    for n, f in (
        *((n, getattr(np, n)) for n in _OF_ONE_NAME),
        *_OTHER_NAMES.items(),
        ("log", _log),
        ("prod", lambda xs, start=1: functools.reduce(lambda a, b: a * b, xs, start)),
        ("fsum", sum),
    )
    if hasattr(math, n)
}
"""Function of `math` -> what is called in its place."""
