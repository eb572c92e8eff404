"""Reductions with `where=`, `initial=` and `mean=`, in terms of those without.

What `where=` leaves out is replaced by the value that changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.axes import axes_of, operand
from chainrule.ops.movement import broadcast_to
from chainrule.ops.recording import raw
from chainrule.ops.table import TABLE

MISSING = np._NoValue

IDENTITIES = {"sum": 0, "prod": 1, "any": False, "all": True, "nansum": 0, "nanprod": 1}
EXTREMES = {"max", "min", "nanmax", "nanmin"}
COMBINING: dict[str, Callable[..., Any]] = {
    "sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
    "any": np.logical_or, "all": np.logical_and, "nansum": np.add, "nanprod": np.multiply,
    "nanmax": np.maximum, "nanmin": np.minimum,
}  # fmt: skip
MOMENTS = {"mean", "var", "std"}
OVER_NAN = {"nanmean", "nanvar", "nanstd"}
MASKED = frozenset(COMBINING) | MOMENTS | OVER_NAN
"""Operations that take `where=`."""


def reduced(
    name: str, x: Any, where: Any = True, initial: Any = MISSING, mean: Any = MISSING, **params: Any
) -> Any:
    """A reduction of the elements of x where a mask holds, together with an initial value."""
    x = operand(x, name)
    if name in OVER_NAN and mean is MISSING:
        return TABLE[name].function(np.where(where, x, np.nan), **params)
    if name in MOMENTS or name in OVER_NAN:
        if name in OVER_NAN:
            present = ~np.isnan(raw(x))
            where, name = np.logical_and(raw(where), present), name[3:]
            x = np.where(present, x, 0)
        return _moment(name, x, where, mean, **params)
    if initial is None:  # NumPy: no initial value, though there is one by default
        initial = MISSING
    if name in EXTREMES and initial is not MISSING and not isinstance(initial, Variable):
        initial = x.dtype.type(initial)  # in the dtype of the elements, as NumPy has it
    if where is not True:
        if name in EXTREMES and initial is MISSING:
            raise ShapeError(
                f"{name}: with where= there may be no element to take; give initial= as well"
                + at(user_line())
            )
        x = np.where(where, x, _in_dtype(IDENTITIES.get(name, initial), x))
    if initial is MISSING:
        return TABLE[name].function(x, **params)
    if name in EXTREMES and not x.size:
        shape = np.sum(np.empty(x.shape), axis=_axis(params), keepdims=_keepdims(params)).shape
        return broadcast_to(x.ravel()[:0].sum() + initial, shape)
    y = TABLE[name].function(x, **params)
    return COMBINING[name](y, initial if isinstance(initial, Variable) else y.dtype.type(initial))


def _in_dtype(value: Any, x: Any) -> Any:
    return x.dtype.type(value) if isinstance(value, (bool, int)) else value


def _axis(params: dict[str, Any]) -> Any:
    axis = params.get("axis")
    return tuple(axis) if isinstance(axis, list) else axis


def _keepdims(params: dict[str, Any]) -> bool:
    return bool(params.get("keepdims", False))


def _moment(name: str, x: Any, where: Any, mean: Any, **params: Any) -> Any:
    """Mean, variance or standard deviation of the elements where a mask holds."""
    axis, keepdims, dtype = _axis(params), _keepdims(params), params.get("dtype")
    if dtype is None and x.dtype.kind in "biu":
        dtype = np.float64
    if where is True and mean is MISSING:
        return TABLE[name].function(x, **params)
    mask = np.broadcast_to(np.asarray(raw(where), bool), x.shape)
    n = np.add.reduce(mask, axis if axis is None else axes_of(axis, x.ndim), keepdims=True)
    if name == "mean":
        total = np.sum(np.where(mask, x, 0), axis=axis, dtype=dtype, keepdims=keepdims)
        return total / n.reshape(total.shape)
    if mean is MISSING:
        mean = np.sum(np.where(mask, x, 0), axis=axis, dtype=dtype, keepdims=True) / n
    d = np.where(mask, x - mean, 0)
    squares = (d * np.conj(d)).real if d.dtype.kind == "c" else d * d
    ddof = params.get("ddof")
    ddof = params.get("correction", 0) if ddof is None else ddof
    total = np.sum(squares, axis=axis, dtype=None, keepdims=keepdims)
    y = total / np.maximum(n - ddof, 0).reshape(total.shape)
    if dtype is not None and y.dtype != dtype:
        y = y.astype(dtype)
    return np.sqrt(y) if name == "std" else y
