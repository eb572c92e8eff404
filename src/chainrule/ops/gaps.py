"""Running sums and order statistics that pass over NaN (sums and moments: `ops.statistics`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.ops import order_loops
from chainrule.ops.axes import Axis, axes_of, operand, real_operand
from chainrule.ops.batched import over_axis_or_flat
from chainrule.ops.cumulative import cumulative_prod, cumulative_sum
from chainrule.ops.indexing import take_along_axis
from chainrule.ops.movement import moveaxis, permute_dims, reshape
from chainrule.ops.native import last_axis, loops
from chainrule.ops.recording import raw
from chainrule.ops.selection import sort
from chainrule.ops.table import TABLE, S, composite, operation


def _with_gaps(rng: np.random.Generator) -> Any:
    return np.where(np.arange(12).reshape(3, 4) % 5 == 1, np.nan, rng.normal(size=(3, 4)))


GAPS: Sequence[Any] = (S(_with_gaps), S(_with_gaps, axis=0), S((3, 4), axis=1))


@composite(samples=GAPS, numpy=(np.nancumsum,))
def nancumsum(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumulative_sum` with 0 in place of NaN.

    >>> cr.nancumsum(cr.tensor([1.0, np.nan, 2.0]))
    tensor([1., 1., 3.])
    """
    x = operand(x, "nancumsum")
    return cumulative_sum(np.where(np.isnan(raw(x)), 0, x), axis, dtype)


@composite(samples=GAPS, numpy=(np.nancumprod,))
def nancumprod(x: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """`cumulative_prod` with 1 in place of NaN.

    >>> cr.nancumprod(cr.tensor([3.0, np.nan, 2.0]))
    tensor([3., 3., 6.])
    """
    x = operand(x, "nancumprod")
    return cumulative_prod(np.where(np.isnan(raw(x)), 1, x), axis, dtype)


@composite(
    samples=[
        S(_with_gaps, q=0.3),
        S(_with_gaps, q=[0.0, 0.4, 1.0], axis=0),
        S(_with_gaps, q=0.5, axis=(0, 1), keepdims=True),
    ],
    numpy=(np.nanquantile,),
)
def nanquantile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`quantile` of the elements that are not NaN; NaN where there is none.

    >>> cr.nanquantile(cr.tensor([1.0, np.nan, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    x = real_operand(x, "nanquantile")
    axes = axes_of(axis, x.ndim)
    kept = [k for k in range(x.ndim) if k not in axes]
    shape = [x.shape[k] for k in kept]
    rows = sort(reshape(permute_dims(x, (*kept, *axes)), (*shape, -1)), -1)  # NaN goes last
    q = np.asarray(raw(q), np.float64)
    last = np.maximum(np.sum(~np.isnan(raw(rows)), -1, keepdims=True) - 1, 0)
    rank = q.ravel() * last
    lower = np.floor(rank).astype(np.intp)
    weight = (rank - lower).astype(rows.dtype)
    below = take_along_axis(rows, lower, -1)
    above = take_along_axis(rows, np.minimum(lower + 1, last), -1)
    y = moveaxis(below * (1 - weight) + above * weight, -1, 0)
    if keepdims:
        shape = [1 if k in axes else n for k, n in enumerate(x.shape)]
    return reshape(y, (*q.shape, *shape))


@composite(samples=[S(_with_gaps, q=30), S((3, 4), q=[10, 95], axis=0)], numpy=(np.nanpercentile,))
def nanpercentile(x: Any, q: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`nanquantile` with q from 0 to 100.

    >>> cr.nanpercentile(cr.tensor([1.0, np.nan, 2.0, 4.0]), 75)
    tensor(3.)
    """
    return nanquantile(x, np.true_divide(raw(q), 100), axis, keepdims)


@composite(samples=[S(_with_gaps), S(_with_gaps, axis=0)], numpy=(np.nanmedian,))
def nanmedian(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`median` of the elements that are not NaN.

    >>> cr.nanmedian(cr.tensor([1.0, np.nan, 2.0, 4.0]))
    tensor(2.)
    """
    return nanquantile(x, 0.5, axis, keepdims)


def _along_last(name: str) -> Any:
    """Along the last axis, which is gone afterwards."""

    def expand(x: Any, axis: int | None, keepdims: bool) -> Any:
        if x.dtype.kind != "f":
            return getattr(np, name.removeprefix("nan"))(x, axis=axis, keepdims=keepdims)
        if keepdims or axis is None or not x.ndim:
            line = x.reshape(-1) if axis is None or not x.ndim else x
            return TABLE[name].function(line, axis=-1 if line is not x else axis)
        return (
            None
            if axis % x.ndim == x.ndim - 1
            else (TABLE[name].function(np.moveaxis(x, axis, -1), axis=-1))
        )

    return expand


def _last_axis(x: Any, keepdims: bool, axis: Any) -> bool:
    return not keepdims and last_axis(x, axis=axis) and x.dtype.kind == "f"


@operation(
    differentiable=False,
    samples=[S(_with_gaps), S(_with_gaps, axis=1, keepdims=True)],
    numpy=(np.nanargmax,),
    batch=over_axis_or_flat,
    expand=_along_last("nanargmax"),
    native=loops(order_loops.nanargmax, out=(0,), dtype="", fits=_last_axis),
)
def nanargmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the (first) largest element that is not NaN.

    >>> cr.nanargmax(cr.tensor([1.0, np.nan, 2.0]))
    tensor(2)
    """
    return np.nanargmax(x, axis, keepdims=keepdims)


@operation(
    differentiable=False,
    samples=[S(_with_gaps), S(_with_gaps, axis=1, keepdims=True)],
    numpy=(np.nanargmin,),
    batch=over_axis_or_flat,
    expand=_along_last("nanargmin"),
    native=loops(order_loops.nanargmin, out=(0,), dtype="", fits=_last_axis),
)
def nanargmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the (first) smallest element that is not NaN.

    >>> cr.nanargmin(cr.tensor([1.0, np.nan, 2.0]))
    tensor(0)
    """
    return np.nanargmin(x, axis, keepdims=keepdims)
