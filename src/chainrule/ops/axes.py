"""What the movement and reduction rows share: axes as NumPy's functions take them, and operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.errors import DtypeError, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.complaints import as_value

Axis = int | Sequence[int] | None


def numpy_names(*names: str) -> tuple[Any, ...]:
    """The NumPy functions of these names that the installed NumPy has."""
    return tuple(getattr(np, name) for name in names if hasattr(np, name))


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """Axes as NumPy's functions take them (None for all, negative from the end), as a tuple."""
    if axis is None or ndim == 0:
        return tuple(range(ndim))
    if isinstance(axis, (int, np.integer)):
        return (int(axis) % ndim,)
    return tuple(int(a) % ndim for a in axis)


def along(axis: int, ndim: int, index: Any) -> tuple[Any, ...]:
    """An index that applies to one axis: `x[along(1, 3, slice(2))]` is `x[:, :2, :]`."""
    return (slice(None),) * (axis % ndim) + (index,)


def operand(x: Any, name: str) -> Any:
    """An operand of a composite row: a Tensor as it is, anything else as a NumPy array."""
    return x if isinstance(x, Variable) else np.asarray(as_value(x, name))


def real_operand(x: Any, name: str) -> Any:
    """An operand of a composite row of real numbers in floating point: integers in float64.

    Raises DtypeError for complex numbers.
    """
    x = operand(x, name)
    if x.dtype.kind == "c":
        raise DtypeError(f"{name}: takes real numbers, not {x.dtype}" + at(user_line()))
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def widths(pad_width: Any, ndim: int) -> list[tuple[int, int]]:
    """The (before, after) pairs of every axis, from any of the forms that NumPy's `pad` takes."""
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * ndim
        for axis, pair in pad_width.items():
            pairs[axis] = tuple(np.broadcast_to(pair, 2).tolist())
        return pairs
    return [tuple(pair) for pair in np.broadcast_to(pad_width, (ndim, 2)).tolist()]
