"""Order statistics, covariances, averages with weights, and reductions that pass over NaN."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.ops import reduction
from chainrule.ops.axes import Axis, along, axes_of, numpy_names, operand
from chainrule.ops.batched import over_axes, quantiles
from chainrule.ops.cumulative import diff
from chainrule.ops.joining import concat
from chainrule.ops.movement import atleast_2d, broadcast_to, reshape, scatter_positions, squeeze
from chainrule.ops.recording import raw
from chainrule.ops.reduction import mean, prod
from chainrule.ops.table import S, composite, operation

# --- ranges and averages -------------------------------------------------------------------------


@composite(
    samples=[S((3, 4)), S((3, 4), axis=0), S((2, 3), axis=-1, keepdims=True)], numpy=(np.ptp,)
)
def ptp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest less the smallest element, over all axes or those given.

    >>> cr.ptp(cr.tensor([1.0, 4.0, 2.0]))
    tensor(3.)
    """
    return reduction.max(x, axis, keepdims) - reduction.min(x, axis, keepdims)


@composite(
    samples=[
        S((3, 4)),
        S((3, 4), axis=0, weights=np.array([1.0, 2.0, 0.5], np.float16)),
        S((3, 4), axis=-1, weights=np.array([1.0, 2.0, 0.5, 1.0], np.float16), keepdims=True),
        S((2, 3), weights=np.array([[1.0, 2.0, 0.5], [1.0, 1.0, 3.0]], np.float16)),
    ],
    numpy=(np.average,),
)
def average(
    x: Any, axis: Axis = None, weights: Any = None, keepdims: bool = False, returned: bool = False
) -> Any:
    """The mean of the elements of x with weights, of x's shape or that of the axes averaged over.

    With `returned`, also the sum of the weights.

    >>> cr.average(cr.tensor([1.0, 4.0]), weights=cr.tensor([2.0, 1.0]))
    tensor(2.)
    """
    if weights is None:
        y = mean(x, axis, keepdims=keepdims)
        n = operand(x, "average").size // max(y.size, 1)
        return (y, broadcast_to(y.dtype.type(n), y.shape) + y * 0) if returned else y
    x, w = operand(x, "average"), operand(weights, "average")
    if w.shape != x.shape:
        axes = axes_of(axis, x.ndim)
        if axis is None or w.shape != tuple(x.shape[k] for k in axes):
            raise ValueError(
                f"average: weights of shape {w.shape} are neither of the shape of x, {x.shape}, "
                f"nor of that of its axes {axis}"
            )
        w = np.transpose(w, [axes.index(k) for k in sorted(axes)])
        w = broadcast_to(
            reshape(w, [n if k in axes else 1 for k, n in enumerate(x.shape)]), x.shape
        )
    dtype = np.result_type(x.dtype, w.dtype)
    dtype = dtype if dtype.kind in "fc" else np.dtype(np.float64)
    total = reduction.sum(w, axis, dtype, keepdims)
    y = reduction.sum(x * w, axis, dtype, keepdims) / total
    return (y, broadcast_to(total, y.shape)) if returned else y


COVARIANCES = (S((3, 5)), S((5, 3), rowvar=False), S((4,)), S((3, 5), (2, 5)), S((4,), (4,)))


@composite(samples=(*COVARIANCES, S((2, 4), bias=True), S((2, 4), ddof=0)), numpy=(np.cov,))
def cov(
    x: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: float | None = None
) -> Any:
    """The covariance matrix of the rows of x, further rows y below them; each row is a variable.

    With `rowvar=False` columns are variables. Divides by n - 1, by n with `bias`, by n - `ddof`.

    >>> cr.cov(cr.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    rows = _variables(x, rowvar)
    if y is not None:
        rows = concat([rows, _variables(y, rowvar)], 0)
    d = rows - mean(rows, 1, keepdims=True)
    freedom = rows.shape[1] - (ddof if ddof is not None else 0 if bias else 1)
    product = d @ (np.conj(d) if d.dtype.kind == "c" else d).T / max(freedom, 0)
    return squeeze(product)


def _variables(x: Any, rowvar: bool) -> Any:
    """Observations as a matrix with a row for each variable."""
    x = operand(x, "cov")
    if x.ndim > 2:
        raise ValueError(f"cov takes a vector or a matrix, not an array of {x.ndim} axes")
    return atleast_2d(x) if rowvar or x.ndim < 2 else x.T


@composite(samples=COVARIANCES, numpy=(np.corrcoef,))
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """The matrix of correlation coefficients of the rows of x, and of y below them, as in `cov`.

    >>> cr.corrcoef(cr.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(x, y, rowvar)
    if c.ndim == 0:
        return c / c
    scale = np.sqrt(np.diagonal(c).real)
    return c / scale[:, None] / scale[None, :]


# --- order statistics ----------------------------------------------------------------------------


def _quantile_back(
    ct: Any, _y: Any, x: Any, q: Any, axis: Axis, keepdims: bool, method: str, **_: Any
) -> Any:
    """Each quantile is a mean, with two weights, of neighbors in the order of the elements.

    The quantiles of the ranks 0 ... n-1 themselves say which neighbors and with which weights.
    """
    axes = axes_of(axis, x.ndim)
    order = _positions_in_order(raw(x), axes)
    q = np.asarray(q)
    rank = np.quantile(np.arange(order.shape[-1], dtype=np.float64), q, method=method)  # type: ignore[call-overload]
    lower = np.floor(rank).astype(np.intp)
    upper = np.minimum(lower + 1, order.shape[-1] - 1)
    batch = order.ndim - 1
    weight = (rank - lower).reshape(q.shape + (1,) * batch).astype(ct.dtype)
    ct = ct.reshape(q.shape + order.shape[:-1])
    source, front = range(batch, batch + q.ndim), range(q.ndim)
    below = np.moveaxis(order[..., lower], source, front)
    above = np.moveaxis(order[..., upper], source, front)
    return scatter_positions(ct * (1 - weight), below, x.shape) + scatter_positions(
        ct * weight, above, x.shape
    )


def _positions_in_order(x: Any, axes: tuple[int, ...]) -> Any:
    """Positions in x as if flat, sorted by its elements along these axes, which become the last."""
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    shape = (*[x.shape[k] for k in kept], math.prod(x.shape[k] for k in axes))
    positions = np.arange(x.size).reshape(x.shape).transpose(kept + axes).reshape(shape)
    order = np.argsort(x.transpose(kept + axes).reshape(shape), axis=-1, kind="stable")
    return np.take_along_axis(positions, order, -1)


def _ordered(x: Any, axis: Axis) -> tuple[Any, Any]:
    """The elements in order along a last axis, instead of the axes given; and whether the last is
    NaN, as it is where any is.
    """
    axes = axes_of(axis, x.ndim)
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    rows = x.transpose(kept + axes).reshape(
        (*[x.shape[k] for k in kept], math.prod(x.shape[k] for k in axes))
    )
    line = np.sort(rows, axis=-1)
    return line, np.isnan(line[..., -1])


def _kept(y: Any, x: Any, axis: Axis, keepdims: bool, front: int = 0) -> Any:
    """A result with the axes that were reduced put back where `keepdims` says so."""
    if not keepdims:
        return y
    axes = axes_of(axis, x.ndim)
    return y.reshape((*y.shape[:front], *(1 if k in axes else n for k, n in enumerate(x.shape))))


DISCRETE = ("lower", "higher", "nearest", "inverted_cdf", "closest_observation")
"""NumPy's methods that take an element as it is."""


def _quantile_by_order(x: Any, q: Any, axis: Axis, method: str, keepdims: bool) -> Any:
    """Neighbors of the sorted elements, weighed as NumPy weighs them."""
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    line, none = _ordered(x, axis)
    q = np.asarray(q)
    ranks = np.quantile(np.arange(float(line.shape[-1])), q, method=method)  # type: ignore[call-overload]
    found = []
    for rank in np.ravel(ranks).tolist():
        low = math.floor(rank)
        y = line[..., low]
        if method not in DISCRETE:  # where neighbors are infinite this is NaN, in NumPy too
            weight, above = rank - low, line[..., min(low + 1, line.shape[-1] - 1)]
            y = y + (above - y) * weight if weight < 0.5 else above - (above - y) * (1 - weight)
        found.append(np.where(none, np.nan, y).astype(x.dtype))
    y = np.stack(found).reshape((*q.shape, *line.shape[:-1]))
    return _kept(y, x, axis, keepdims, q.ndim)


def _median_by_order(x: Any, axis: Axis, keepdims: bool) -> Any:
    """The middle element, or the mean of the middle two."""
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
    line, none = _ordered(x, axis)
    n = line.shape[-1]
    y = line[..., n // 2]
    if n % 2 == 0:
        y = (line[..., n // 2 - 1] + y) / 2
    return _kept(np.where(none, np.nan, y).astype(x.dtype), x, axis, keepdims)


QUANTILES = (
    S((5,), q=0.3),
    S((3, 4), q=0.5),
    S((3, 4), q=0.25, axis=0),
    S((3, 4), q=[0.1, 0.9], axis=-1, keepdims=True),
    S((2, 3, 4), q=[[0.0, 0.4], [0.7, 1.0]], axis=(0, -1)),
    S((7,), q=0.3, method="lower"),
    S((7,), q=0.3, method="midpoint"),
    S((7,), q=0.3, method="median_unbiased"),
    S((7,), q=0.4, method="nearest"),
    S((1,), q=0.4),
)


@operation(
    reverse=(_quantile_back,),
    samples=QUANTILES,
    numpy=(np.quantile,),
    batch=quantiles,
    expand=_quantile_by_order,
)
def quantile(
    x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """The q-th quantiles (0 to 1) of the elements of x, over all axes or those given.

    `method` is one of NumPy's ways to interpolate. The axes of q, which is a constant, come first
    in the result, whose dtype is that of x where that is floating. Of elements that tie, one has
    the derivative.

    >>> cr.quantile(cr.tensor([1.0, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    x = np.asarray(x)
    y = np.quantile(x, q, axis, method=method, keepdims=keepdims)  # type: ignore[call-overload]
    return y.astype(x.dtype, copy=False) if x.dtype.kind == "f" else y


@composite(samples=[S((5,), q=30), S((3, 4), q=[10, 95], axis=0)], numpy=(np.percentile,))
def percentile(
    x: Any, q: Any, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Any:
    """`quantile` with q from 0 to 100.

    >>> cr.percentile(cr.tensor([1.0, 2.0, 4.0]), 75)
    tensor(3.)
    """
    return quantile(x, np.true_divide(q, 100), axis, method, keepdims)


def _median_back(ct: Any, _y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    return _quantile_back(ct, _y, x, 0.5, axis, keepdims, "linear")


@operation(
    reverse=(_median_back,),
    samples=[
        S((5,)),
        S((3, 4)),
        S((3, 4), axis=0),
        S((2, 3, 4), axis=(0, -1), keepdims=True),
        S((1,)),
    ],
    numpy=(np.median,),
    batch=over_axes("axis"),
    expand=_median_by_order,
)
def median(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The median of the elements of x, over all axes or those given.

    It is the mean of the middle two where their number is even.

    >>> cr.median(cr.tensor([1.0, 4.0, 2.0, 3.0]))
    tensor(2.5000)
    """
    return np.median(x, axis, keepdims=keepdims)


# --- integrals -----------------------------------------------------------------------------------


@composite(
    samples=[
        S((5,)),
        S((3, 4), dx=0.5, axis=0),
        S((3, 4), (4,)),
        S((3, 4), (3, 4), axis=0),
        S((2, 1)),
    ],
    numpy=numpy_names("trapezoid", "trapz"),
)
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """The integral of samples y along an axis by the trapezoidal rule, at points x or `dx` apart.

    >>> cr.trapezoid(cr.tensor([1.0, 2.0, 4.0]))
    tensor(4.5000)
    """
    y = operand(y, "trapezoid")
    width: Any = dx
    if x is not None:
        x = operand(x, "trapezoid")
        width = diff(x, axis=axis if x.ndim > 1 else -1)
        if x.ndim == 1 and y.ndim > 1:
            (k,) = axes_of(axis, y.ndim)
            width = reshape(width, [-1 if i == k else 1 for i in range(y.ndim)])
    pairs = y[along(axis, y.ndim, slice(1, None))] + y[along(axis, y.ndim, slice(-1))]
    return reduction.sum(width * pairs / 2, axis)


# --- passing over NaN ----------------------------------------------------------------------------

GAPS: Sequence[Any] = (
    S(lambda rng: np.where(np.arange(12).reshape(3, 4) % 5 == 1, np.nan, rng.normal(size=(3, 4)))),
    S((3, 4), axis=0),
    S((2, 3), axis=-1, keepdims=True),
)


def _without_nan(x: Any, instead: float, name: str) -> tuple[Any, Any]:
    """x with NaN replaced, and where it was not."""
    x = operand(x, name)
    present = ~np.isnan(x)
    return np.where(present, x, instead), present


@composite(samples=(*GAPS, S((0,)), S(())), numpy=(np.nansum,))
def nansum(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """`sum` of the elements that are not NaN; 0 where there is none.

    >>> cr.nansum(cr.tensor([1.0, np.nan, 2.0]))
    tensor(3.)
    """
    return reduction.sum(_without_nan(x, 0, "nansum")[0], axis, dtype, keepdims)


@composite(samples=GAPS, numpy=(np.nanprod,))
def nanprod(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """`prod` of the elements that are not NaN; 1 where there is none.

    >>> cr.nanprod(cr.tensor([3.0, np.nan, 2.0]))
    tensor(6.)
    """
    return prod(_without_nan(x, 1, "nanprod")[0], axis, dtype, keepdims)


@composite(samples=GAPS, numpy=(np.nanmean,))
def nanmean(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """`mean` of the elements that are not NaN; NaN where there is none.

    >>> cr.nanmean(cr.tensor([1.0, np.nan, 2.0]))
    tensor(1.5000)
    """
    filled, present = _without_nan(x, 0, "nanmean")
    return reduction.sum(filled, axis, dtype, keepdims) / reduction.sum(
        present, axis, filled.dtype, keepdims
    )


@composite(samples=GAPS, numpy=(np.nanvar,))
def nanvar(
    x: Any,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    ddof: float | None = None,
) -> Any:
    """`var` of the elements that are not NaN.

    >>> cr.nanvar(cr.tensor([1.0, np.nan, 3.0]))
    tensor(1.)
    """
    filled, present = _without_nan(x, 0, "nanvar")
    n = reduction.sum(present, axis, filled.dtype, keepdims=True)
    d = np.where(present, filled - reduction.sum(filled, axis, keepdims=True) / n, 0)
    squares = (d * np.conj(d)).real if d.dtype.kind == "c" else d * d
    freedom = reduction.sum(present, axis, filled.dtype, keepdims) - (
        correction if ddof is None else ddof
    )
    return reduction.sum(squares, axis, keepdims=keepdims) / freedom


@composite(samples=GAPS, numpy=(np.nanstd,))
def nanstd(
    x: Any,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    ddof: float | None = None,
) -> Any:
    """`std` of the elements that are not NaN.

    >>> cr.nanstd(cr.tensor([1.0, np.nan, 3.0]))
    tensor(1.)
    """
    return np.sqrt(nanvar(x, axis, correction, keepdims, ddof))


@composite(samples=GAPS, numpy=(np.nanmax,))
def nanmax(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`max` of the elements that are not NaN; -inf where there is none.

    >>> cr.nanmax(cr.tensor([1.0, np.nan, 2.0]))
    tensor(2.)
    """
    return reduction.max(_without_nan(x, -math.inf, "nanmax")[0], axis, keepdims)


@composite(samples=GAPS, numpy=(np.nanmin,))
def nanmin(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`min` of the elements that are not NaN; inf where there is none.

    >>> cr.nanmin(cr.tensor([1.0, np.nan, 2.0]))
    tensor(1.)
    """
    return reduction.min(_without_nan(x, math.inf, "nanmin")[0], axis, keepdims)
