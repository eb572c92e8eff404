"""Rules for batches that families of rows share: the `batch` of a row.

`rule(row, size, operands, moved, params)` gives the row's result, or all of them, with the batch as
first axis; the operands marked in `moved` have it there, the others are the same for all examples.
Rules are written as derivative rules are: with NumPy's names and with rows, so they record and
trace. A rule that has nothing for some operands gives NotImplemented for them, and the row runs on
one example after the other. Products are in `ops.batched_products`, indices in `ops.batched_index`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.ops.axes import Axis, widths
from chainrule.ops.recording import general

Rule = Callable[..., Any]
Params = dict[str, Any]

# --- operands ------------------------------------------------------------------------------------


def dimensions(x: Any) -> int:
    """Number of dimensions of an operand, which may be a Python number."""
    return len(getattr(x, "shape", ()))


def rank(x: Any, moved: bool) -> int:
    """Number of dimensions of one example of an operand."""
    return dimensions(x) - moved


def aligned(operands: Sequence[Any], moved: Sequence[bool], to: int = 0) -> Sequence[Any]:
    """Operands such that broadcasting lines up their batches: axes of size one after the first, so
    that every example has as many axes as the largest, or as `to` says.
    """
    least = -1  # of those with a batch
    for x, m in zip(operands, moved, strict=True):
        n = len(getattr(x, "shape", ())) - m
        to = max(n, to)
        if m and (n < least or least < 0):
            least = n
    if least in (to, -1):
        return operands
    return [widened(x, to) if m else x for x, m in zip(operands, moved, strict=True)]


def widened(x: Any, to: int) -> Any:
    """A batch of examples, each with axes of size one in front, up to so many in all."""
    missing = to - (len(x.shape) - 1)
    return x.reshape((x.shape[0], *(1,) * missing, *x.shape[1:])) if missing > 0 else x


def repeated(x: Any, moved: bool, size: int) -> Any:
    """An operand with the batch as first axis, whether it had one or not."""
    if moved:
        return x
    x = x if hasattr(x, "shape") else np.asarray(x)
    return np.broadcast_to(x, (size, *x.shape))


def flattened(x: Any, size: int) -> Any:
    """Every example as a vector."""
    return x.reshape((size, math.prod(x.shape[1:])))


# --- axes ----------------------------------------------------------------------------------------


def shifted(axis: Axis, rank: int) -> Any:
    """Axes of an example, as axes of a batch of them; None means all."""
    if axis is None:
        return tuple(range(1, rank + 1))
    if isinstance(axis, (int, np.integer)):
        return int(axis) + (axis >= 0)
    return tuple(int(a) + (a >= 0) for a in axis)


def over_axes(*names: str) -> Rule:
    """For rows of one operand that work along axes, given in these parameters; None means all."""

    def batch(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
        (x,) = operands
        n = len(x.shape) - 1
        if n:
            axes = {name: shifted(params[name], n) for name in names}
            return general(row, [x], {**params, **axes})
        # NumPy takes a number for a vector of one element
        plain = {**params, **dict.fromkeys(names, 1)}
        if "keepdims" in params:
            plain["keepdims"] = False
        return general(row, [x.reshape((size, 1))], plain).reshape((size,))

    return batch


def over_axis_or_flat(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """For rows of one operand with a parameter `axis`, that see a vector where it is None."""
    (x,) = operands
    n = len(x.shape) - 1
    if n and params["axis"] is not None:
        return general(row, [x], {**params, "axis": shifted(params["axis"], n)})
    y = general(row, [flattened(x, size)], {**params, "axis": 1})
    return y.reshape((size, *(1,) * n)) if params.get("keepdims") else y


def rolled(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`roll` without an axis gives the vector its shape back."""
    (x,) = operands
    return over_axis_or_flat(row, size, operands, moved, params).reshape(x.shape)


def over_axis_of_all(
    row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params
) -> Any:
    """For rows of several operands of equal rank that work along one axis of all together."""
    operands = [repeated(x, m, size) for x, m in zip(operands, moved, strict=True)]
    if params["axis"] is None:
        operands, axis = [flattened(x, size) for x in operands], 1
    else:
        axis = shifted(params["axis"], len(operands[0].shape) - 1)
    return general(row, operands, {**params, "axis": axis})


def tiles_of_all(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """For pieces of an array, which begin where they did along all axes but the first."""
    operands = [repeated(x, m, size) for x, m in zip(operands, moved, strict=True)]
    starts = tuple([(0, *s) for s in params["starts"]])
    return general(row, operands, {"starts": starts, "shape": (size, *params["shape"])})


# --- stacks --------------------------------------------------------------------------------------


def leading(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """For rows that take leading axes for a stack of what they work on; several operands are made
    equal in them.
    """
    if len(operands) > 1:
        operands = [repeated(x, m, size) for x, m in zip(operands, moved, strict=True)]
    return general(row, operands, params)


def broadcasting(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """For rows whose leading axes broadcast."""
    return general(row, aligned(operands, moved), params)


def spanning(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """For broadcasting rows whose results have one more axis in front."""
    return np.moveaxis(broadcasting(row, size, operands, moved, params), 1, 0)


def triangular(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`tril` and `triu` see a vector as the matrix that has it in every row."""
    (x,) = operands
    if len(x.shape) == 2:
        n = x.shape[1]
        x = np.broadcast_to(x.reshape((size, 1, n)), (size, n, n))
    return general(row, [x], params)


def matrix_ranks(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """The rank of a vector is that of a matrix with one row."""
    (x,) = operands
    return general(row, [widened(x, 2)], params)


def systems(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """For rows that solve systems: one matrix for all factors once, the batch being columns."""
    a, b = operands
    vector = rank(b, moved[1]) == 1
    if not moved[0] and len(a.shape) == 2 and rank(b, moved[1]) <= 2:
        columns = np.moveaxis(b, 0, -1)
        x = general(
            row, [a, columns.reshape((columns.shape[0], math.prod(columns.shape[1:])))], params
        )
        return np.moveaxis(x.reshape((x.shape[0], *columns.shape[1:])), -1, 0)
    if vector:
        b = b[..., None]
    x = general(row, aligned([a, b], moved), params)
    return x[..., 0] if vector else x


# --- movement ------------------------------------------------------------------------------------


def reshaped(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`reshape`; in Fortran's order the batch is the last axis, which changes slowest."""
    (x,) = operands
    given = params["shape"]
    shape = [given] if isinstance(given, (int, np.integer)) else list(given)
    if -1 in shape:
        rest = -math.prod(shape)
        shape[shape.index(-1)] = math.prod(x.shape[1:]) // rest if rest else 0
    if params["order"] != "F":
        return general(row, [x], {**params, "shape": (size, *shape), "order": "C"})
    last = np.moveaxis(x, 0, -1)
    return np.moveaxis(general(row, [last], {**params, "shape": (*shape, size)}), -1, 0)


def expanded(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`expand_dims`."""
    return general(row, operands, {"axis": shifted(params["axis"], 0)})


def squeezed(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`squeeze`, which leaves the batch alone though it may be of size one."""
    (x,) = operands
    axis = params["axis"]
    if axis is None:
        axis = tuple(k for k, n in enumerate(x.shape) if n == 1 and k)
    else:
        axis = shifted(axis, len(x.shape) - 1)
    return general(row, [x], {**params, "axis": axis})


def stretched(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`broadcast_to`."""
    (x,) = operands
    given = params["shape"]
    shape = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
    return general(row, [widened(x, len(shape))], {"shape": (size, *shape)})


def permuted(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`permute_dims`."""
    (x,) = operands
    n = len(x.shape) - 1
    axes = range(n)[::-1] if params["axes"] is None else [a % n for a in params["axes"]]
    return general(row, [x], {"axes": (0, *(a + 1 for a in axes))})


def tiled(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`tile`."""
    (x,) = operands
    given = params["reps"]
    reps = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
    x = widened(x, len(reps))
    return general(row, [x], {"reps": (1, *(1,) * (len(x.shape) - 1 - len(reps)), *reps)})


def padded(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`pad`, with no margins along the batch."""
    (x,) = operands
    n = len(x.shape) - 1
    margins = {k: [(0, 0), *widths(params[k], n)] for k in ("pad_width", "constant_values")}
    return general(row, [x], {**params, **margins})


def diagonals(row: Any, size: int, operands: Sequence[Any], _: Any, params: Params) -> Any:
    """`diagonal` and its transpose, which has the shape of the result besides."""
    shape = {"shape": (size, *params["shape"])} if "shape" in params else {}
    axes = {name: shifted(params[name], 0) for name in ("axis1", "axis2")}
    return general(row, operands, {**params, **shape, **axes})


# --- order statistics ----------------------------------------------------------------------------


def quantiles(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`quantile`, whose results have the axes of q in front."""
    (x,) = operands
    n = np.ndim(params["q"])
    if len(x.shape) == 1:
        x, params = x[:, None], {**params, "keepdims": False}
    y = _all_or_some(row, size, [x], moved, params)
    return np.moveaxis(y, n, 0) if n else y


_all_or_some: Final = over_axes("axis")

MANY: Final = 4096
"""Up to this much work on one example, a batch of pairs costs less than a loop over examples."""


def searched(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`searchsorted` in a vector of its own for every example: a count of the smaller elements.

    NaN counts as larger than every number, as it does in sorting.
    """
    line, x = operands
    if not moved[0]:
        return general(row, operands, params)
    if line.shape[1] * math.prod(getattr(x, "shape", ())[moved[1] :]) > MANY:
        return NotImplemented
    if params["sorter"] is not None:
        line = line[:, np.asarray(params["sorter"])]
    x = (x if hasattr(x, "shape") else np.asarray(x))[..., None]
    line, x = aligned([line, x], moved)
    if params["side"] == "left":
        before = np.less(line, x) | (np.isnan(x) & ~np.isnan(line))
    else:
        before = np.less_equal(line, x) | np.isnan(x)
    return np.count_nonzero(before, axis=-1)


def contained(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`isin` with test elements of its own for every example: a comparison of all pairs."""
    x, among = operands
    if not moved[1]:
        return general(row, operands, params)
    x = (x if hasattr(x, "shape") else np.asarray(x))[..., None]
    x, among = aligned([x, flattened(among, size)], moved)
    found = np.any(np.equal(x, among), axis=-1)
    return np.logical_not(found) if params["invert"] else found


def digits(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`digitize` in bins that all examples share; whether bins rise or fall is up to each."""
    return NotImplemented if moved[1] else general(row, operands, params)
