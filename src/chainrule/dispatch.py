"""NumPy's protocols: a NumPy function given a Tensor is answered by the operation of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, MissingDerivative, at, user_line
from chainrule.graph.node import Variable
from chainrule.graph.writes import note_write
from chainrule.ops.recording import is_traced, numbers, raw
from chainrule.ops.table import NUMPY

_REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min",
            "logical_or": "any", "logical_and": "all"}  # fmt: skip
"""Ufunc whose `.reduce` is another operation."""

PLAIN: frozenset[Callable[..., Any]] = frozenset(
    {
        np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.allclose,
        np.array_equal, np.array_equiv, np.isclose, np.array_repr, np.array_str, np.array2string,
        np.may_share_memory, np.shares_memory, np.can_cast, np.common_type, np.min_scalar_type,
    }
)  # fmt: skip
"""Functions that ask about a value and have no derivative: they are given the plain arrays."""

ABOUT_SHAPE = PLAIN & {
    np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.can_cast,
    np.common_type, np.min_scalar_type,
}  # fmt: skip
"""Those that ask about shape and dtype only."""

WRITING: frozenset[Callable[..., Any]] = frozenset(
    {np.copyto, np.fill_diagonal, np.place, np.put, np.put_along_axis, np.putmask}
)
"""Functions that write into their first argument."""

_NOTHING = (None, np._NoValue, True)


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """`np.exp(t)`, `np.add.reduce(t)`: NumPy's hook for ufuncs."""
    function = NUMPY.get(ufunc)
    if function is None and type(ufunc).__module__ == "numpy":
        function = NUMPY.get(f"scipy.special.{ufunc.__name__}")
    if function is not None and method == "__call__":
        _refuse(ufunc.__name__, kwargs)
        return function(*inputs, **kwargs)
    if function is not None and method == "reduce" and ufunc.__name__ in _REDUCED:
        axis = kwargs.pop("axis", 0)
        keepdims = kwargs.pop("keepdims", False)
        _refuse(f"{ufunc.__name__}.reduce", kwargs)
        from chainrule.ops.table import TABLE

        return TABLE[_REDUCED[ufunc.__name__]].function(inputs[0], axis=axis, keepdims=keepdims)
    return _unknown(
        f"{ufunc.__name__}" + ("" if method == "__call__" else f".{method}"),
        ufunc,
        inputs,
        kwargs,
        method,
    )


def array_function(
    self: Any, func: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """`np.sum(t)`, `np.linalg.solve(t, u)`: NumPy's hook for its other functions."""
    function = NUMPY.get(func)
    if function is None:  # of modules that are loaded when first used, by name
        function = NUMPY.get(f"{func.__module__}.{func.__name__}")
    if function is not None:
        if "out" in kwargs or "where" in kwargs or "initial" in kwargs:
            kwargs = dict(kwargs)
            _refuse(func.__name__, kwargs)
        return function(*args, **kwargs)
    if func in PLAIN:
        given = _stand_in if func in ABOUT_SHAPE else _plain
        return func(*given(args), **given(kwargs))
    return _unknown(func.__name__, func, args, kwargs, "__call__")


def _refuse(name: str, kwargs: dict[str, Any]) -> None:
    """Arguments that only make sense for arrays filled in place: absent, or a clear error."""
    for key in ("out", "where", "initial", "dtype", "casting", "order", "subok"):
        value = kwargs.pop(key, None)
        if key == "out" and isinstance(value, tuple) and all(v is None for v in value):
            continue
        if not any(value is nothing for nothing in _NOTHING):
            instead = {
                "out": "assign the result instead",
                "where": "use cr.where on the result",
                "dtype": "use .astype on the result",
            }.get(key, "leave it out")
            raise DtypeError(
                f"{name}: the argument {key}= cannot be differentiated through; {instead}"
                + at(user_line())
            )


def _unknown(name: str, func: Any, args: Any, kwargs: Any, method: str) -> Any:
    """A NumPy function with no row: run on the plain arrays if no derivative would be lost."""
    tracked = [v for v in _leaves((args, kwargs)) if v._node is not None]
    if tracked:
        raise MissingDerivative(
            f"{name}: chainrule has no operation of this name, so its derivative would be lost; "
            "write it with operations it has, define it with a rule of your own, or `.detach()` "
            "the argument if no derivative is meant" + at(user_line())
        )
    if kwargs.get("out") is not None or func in WRITING or method == "at":
        written = kwargs.get("out", args[:1])
        for v in _leaves(written):
            note_write(v._value, name)
    cls = next(type(v) for v in _leaves((args, kwargs)))
    call = func if method == "__call__" else getattr(func, method)
    return _wrap(cls, call(*_plain(args), **_plain(kwargs)))


def _leaves(x: Any) -> list[Variable]:
    if isinstance(x, Variable):
        return [x]
    if isinstance(x, (list, tuple)):
        return [v for e in x for v in _leaves(e)]
    if isinstance(x, dict):
        return [v for e in x.values() for v in _leaves(e)]
    return []


def _plain(x: Any) -> Any:
    if isinstance(x, (list, tuple)) and not hasattr(x, "_fields"):
        return type(x)(_plain(e) for e in x)
    if isinstance(x, dict):
        return {k: _plain(v) for k, v in x.items()}
    return numbers(x)


def _stand_in(x: Any) -> Any:
    """As `_plain`, with an array of zeros for a traced Tensor."""
    if is_traced(x):
        return np.broadcast_to(np.zeros((), x.dtype), x.shape)
    if isinstance(x, (list, tuple)):
        return type(x)(_stand_in(e) for e in x)
    return raw(x)


def _wrap(cls: type[Variable], x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc":
        out = cls()
        out._value = x if isinstance(x, np.ndarray) and x.ndim else x[()]  # type: ignore[index]
        out._node = None
        return out
    if isinstance(x, (tuple, list)):
        parts = [_wrap(cls, e) for e in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return x
