"""Functions that only NumPy has, as functions of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.dispatch.output import store
from chainrule.ops import elementwise as ew
from chainrule.ops.axes import operand
from chainrule.ops.contraction import cross, matmul, tensordot, vecdot
from chainrule.ops.diagonal import diagonal, trace
from chainrule.ops.movement import astype, matrix_transpose, moveaxis
from chainrule.ops.recording import raw
from chainrule.ops.selection import nonzero
from chainrule.ops.table import NUMPY

Function = Callable[..., Any]
ANSWERS: dict[Function, Function] = {
    np.linalg.cross: cross,
    np.linalg.matmul: matmul,
    np.linalg.matrix_transpose: matrix_transpose,
    np.linalg.tensordot: tensordot,
    np.linalg.vecdot: vecdot,
}
"""NumPy function -> what answers for it, besides what the table has."""


def answers(func: Function) -> Callable[[Function], Function]:
    """Decorator: enter the answer for a NumPy function."""

    def decorate(function: Function) -> Function:
        ANSWERS[func] = function
        return function

    return decorate


_choice = ew.where


@answers(np.where)
def _where(*operands: Any) -> Any:
    return _choice(*operands) if len(operands) == 3 else nonzero(*operands)


@answers(np.nan_to_num)
def _nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    y = ew.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)
    return y if copy else store(x, y, "nan_to_num")


@answers(np.linspace)
def _linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    y = NUMPY[np.linspace](start, stop, num, endpoint, dtype=dtype)
    y = moveaxis(y, 0, axis) if axis else y
    intervals = num - 1 if endpoint else num
    return (y, (stop - start) / (intervals or np.nan)) if retstep else y


@answers(np.cross)
def _cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    y = cross(moveaxis(operand(a, "cross"), axisa, -1), moveaxis(operand(b, "cross"), axisb, -1))
    return moveaxis(y, -1, axisc)


@answers(np.linalg.diagonal)
def _diagonal(x: Any, *, offset: int = 0) -> Any:
    return diagonal(x, offset, -2, -1)


@answers(np.linalg.trace)
def _trace(x: Any, *, offset: int = 0, dtype: Any = None) -> Any:
    return trace(x, offset, -2, -1, dtype)


# --- numpy.emath: complex results of real numbers outside the domain -----------------------------


def _extended(x: Any, outside: Callable[[Any], Any]) -> Any:
    """x, as complex numbers if a function of real ones is not defined at some element."""
    x = operand(x, "emath")
    if x.dtype.kind == "c" or not np.any(outside(raw(x))):
        return x
    return astype(x, np.complex64 if x.dtype.char in "bBhHef" else np.complex128)


def _negative(x: Any) -> Any:
    return x < 0


def _beyond_one(x: Any) -> Any:
    return np.abs(x) > 1


@answers(np.emath.sqrt)
def _sqrt(x: Any) -> Any:
    return ew.sqrt(_extended(x, _negative))


@answers(np.emath.log)
def _log(x: Any) -> Any:
    return ew.log(_extended(x, _negative))


@answers(np.emath.log2)
def _log2(x: Any) -> Any:
    return ew.log2(_extended(x, _negative))


@answers(np.emath.log10)
def _log10(x: Any) -> Any:
    return ew.log10(_extended(x, _negative))


@answers(np.emath.logn)
def _logn(n: Any, x: Any) -> Any:
    return _log(x) / _log(n)


@answers(np.emath.power)
def _power(x: Any, p: Any) -> Any:
    return ew.power(_extended(x, _negative), p)


@answers(np.emath.arccos)
def _arccos(x: Any) -> Any:
    return ew.acos(_extended(x, _beyond_one))


@answers(np.emath.arcsin)
def _arcsin(x: Any) -> Any:
    return ew.asin(_extended(x, _beyond_one))


@answers(np.emath.arctanh)
def _arctanh(x: Any) -> Any:
    return ew.atanh(_extended(x, _beyond_one))
