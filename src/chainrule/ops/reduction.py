"""Reductions: sums, products, extremes, and those of exponentials.

The public names shadow Python's own (`sum`, `max`, `any`), so none of those is used here. Running
versions are in `ops.cumulative`; quantiles and averages with weights in `ops.statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops.axes import Axis, axes_of
from chainrule.ops.batched import over_axes, over_axis_or_flat
from chainrule.ops.cumulative import ZEROS, products_of_others
from chainrule.ops.cumulative import cumulative_prod as cumulative_prod
from chainrule.ops.cumulative import cumulative_sum as cumulative_sum
from chainrule.ops.frequent import pull_sum
from chainrule.ops.recording import raw, total
from chainrule.ops.table import S, operation

# NumPy's stubs have no type for a reduction whose keepdims is a variable
add_reduce: Any = np.add.reduce
multiply_reduce: Any = np.multiply.reduce
maximum_reduce: Any = np.maximum.reduce
minimum_reduce: Any = np.minimum.reduce
logical_or_reduce: Any = np.logical_or.reduce
logical_and_reduce: Any = np.logical_and.reduce

REDUCTIONS: Sequence[Any] = (
    S((3, 4)),
    S((3, 4), axis=0),
    S((3, 4), axis=-1, keepdims=True),
    S((2, 3, 4), axis=(0, -1)),
    S((2, 3, 4), axis=(0, 1), keepdims=True),
    S((1, 4)),
    S((3, 4), keepdims=True),
    S((2, 3), axis=()),
    S(()),
)
EMPTY: Sequence[Any] = (S((0,)), S((0, 3), axis=0), S((0, 3), axis=1))


def spread(v: Any, like: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduced value with its axes back at size one, so that it broadcasts against `like`."""
    if axis is None or keepdims:
        return v
    shape = like.shape
    axes = axes_of(axis, len(shape))
    if len(axes) == len(shape) or set(axes) == set(range(len(axes))):
        return v  # leading axes come back by broadcasting
    return v.reshape([1 if k in axes else n for k, n in enumerate(shape)])


# --- sums and products ---------------------------------------------------------------------------


def _sum_back(ct: Any, _y: Any, _x: Any, axis: Axis, keepdims: bool, **_: Any) -> Any:
    return ct if axis is None and not keepdims else spread(ct, _x, axis, keepdims)


@operation(
    reverse=(_sum_back,),
    linear=(0,),
    kind="linear",
    samples=(*REDUCTIONS, *EMPTY),
    numpy=(np.sum,),
    batch=over_axes("axis"),
    plain=total,
)
def sum(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum of the elements of x, over all axes or those given, in the dtype given.

    `keepdims` leaves the axes in place, with size one.

    >>> cr.sum(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    tensor([4., 6.])
    """
    if axis is None and dtype is None and not keepdims:
        return total(x)
    return add_reduce(x, axis, dtype, None, keepdims)


sum.operation.pull = pull_sum  # type: ignore[attr-defined]
sum_of_all: Callable[[Any], Any] = sum.operation.call  # type: ignore[attr-defined]
"""`sum(x)` without a layer between."""


def _prod_back(ct: Any, _y: Any, x: Any, axis: Axis, keepdims: bool, **_: Any) -> Any:
    return spread(ct, x, axis, keepdims) * products_of_others(x, axes_of(axis, x.ndim))


@operation(
    reverse=(_prod_back,),
    samples=(*REDUCTIONS, *EMPTY, ZEROS),
    numpy=(np.prod,),
    batch=over_axes("axis"),
)
def prod(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The product of the elements of x, over all axes or those given, in the dtype given.

    Derivatives are exact where elements are zero.

    >>> cr.prod(cr.tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    return multiply_reduce(x, axis, dtype, None, keepdims)


def _mean_back(ct: Any, _y: Any, _x: Any, axis: Axis, keepdims: bool, **_: Any) -> Any:
    ct = ct / count(_x, axis)
    return ct if axis is None and not keepdims else spread(ct, _x, axis, keepdims)


def count(x: Any, axis: Axis) -> int:
    """How many elements each result of a reduction comes from."""
    if axis is None:
        return int(x.size)
    n = 1
    for k in axes_of(axis, len(x.shape)):
        n *= x.shape[k]
    return n


@operation(
    reverse=(_mean_back,),
    linear=(0,),
    kind="linear",
    samples=REDUCTIONS,
    numpy=(np.mean,),
    batch=over_axes("axis"),
)
def mean(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The mean of the elements of x, over all axes or those given; of integers in float64.

    >>> cr.mean(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    tensor([1.5000, 3.5000])
    """
    x = np.asarray(x)
    if dtype is None and x.dtype.char in "fdFD" and x.size:
        return add_reduce(x, axis, None, None, keepdims) / count(x, axis)
    return np.mean(x, axis, dtype, keepdims=keepdims)


# --- moments -------------------------------------------------------------------------------------


def _deviation(x: Any, axis: Axis, correction: float, ddof: float | None) -> Any:
    """2 (x - mean) / (n - correction), conjugate: the derivative of the variance."""
    d = x - mean(x, axis, keepdims=True)
    if d.dtype.kind == "c":
        d = np.conj(d)
    return d * (2 / _freedom(x, axis, correction, ddof))


def _freedom(x: Any, axis: Axis, correction: float, ddof: float | None) -> float:
    """Degrees of freedom; NaN where there are none, as the variance is NaN or infinite there."""
    n = count(x, axis) - (correction if ddof is None else ddof)
    return n if n > 0 else math.nan


def _var_back(
    ct: Any,
    _y: Any,
    x: Any,
    axis: Axis,
    correction: float,
    keepdims: bool,
    ddof: float | None,
    **_: Any,
) -> Any:
    return spread(ct, x, axis, keepdims) * _deviation(x, axis, correction, ddof)


def _std_back(
    ct: Any,
    y: Any,
    x: Any,
    axis: Axis,
    correction: float,
    keepdims: bool,
    ddof: float | None,
    **_: Any,
) -> Any:
    """Zero where all elements are equal."""
    rate = np.where(y == 0, 0, ct) / (2 * np.where(y == 0, 1, y))
    return spread(rate, x, axis, keepdims) * _deviation(x, axis, correction, ddof)


MOMENTS: Sequence[Any] = (
    *[s for s in REDUCTIONS if s.params.get("axis") != () and s.operands != ((),)],
    S((3, 4), axis=0, correction=1),
    S((3, 4), ddof=1),
)


@operation(
    reverse=(_var_back,),
    samples=MOMENTS,
    numpy=(np.var,),
    batch=over_axes("axis"),
)
def var(
    x: Any,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    ddof: float | None = None,
    dtype: Any = None,
) -> Any:
    """The variance of the elements of x, over all axes or those given.

    The sum of squares is divided by their number less `correction` (NumPy's `ddof`).

    >>> cr.var(cr.tensor([1.0, 2.0, 3.0]), correction=1)
    tensor(1.)
    """
    return np.var(x, axis, dtype, ddof=correction if ddof is None else ddof, keepdims=keepdims)


@operation(
    reverse=(_std_back,),
    samples=MOMENTS,
    numpy=(np.std,),
    batch=over_axes("axis"),
)
def std(
    x: Any,
    axis: Axis = None,
    correction: float = 0,
    keepdims: bool = False,
    ddof: float | None = None,
    dtype: Any = None,
) -> Any:
    """The standard deviation of the elements of x, over all axes or those given.

    The sum of squares is divided by their number less `correction` (NumPy's `ddof`). The derivative
    is zero where all elements are equal.

    >>> cr.std(cr.tensor([1.0, 2.0, 3.0]), correction=1)
    tensor(1.)
    """
    return np.std(x, axis, dtype, ddof=correction if ddof is None else ddof, keepdims=keepdims)


# --- extremes ------------------------------------------------------------------------------------


def _extreme_back(ct: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """The cotangent, shared equally among the elements that equal the extreme."""
    hit = (x == spread(y, x, axis, keepdims)).astype(ct.dtype)
    shares = np.add.reduce(hit, axis=None if axis is None else axes_of(axis, x.ndim), keepdims=True)
    return spread(ct, x, axis, keepdims) / shares * hit


@operation(
    reverse=(_extreme_back,),
    samples=REDUCTIONS,
    numpy=(np.max, np.amax),
    batch=over_axes("axis"),
)
def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element of x, over all axes or those given; NaN where there is one.

    Elements that tie share the derivative equally. There is none of no elements: a `ShapeError`.

    >>> cr.max(cr.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([5., 4.])
    """
    return maximum_reduce(x, axis, None, None, keepdims)


@operation(
    reverse=(_extreme_back,),
    samples=REDUCTIONS,
    numpy=(np.min, np.amin),
    batch=over_axes("axis"),
)
def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element of x, over all axes or those given; NaN where there is one.

    Elements that tie share the derivative equally. There is none of no elements: a `ShapeError`.

    >>> cr.min(cr.tensor([[1.0, 5.0], [3.0, 4.0]]), axis=1)
    tensor([1., 3.])
    """
    return minimum_reduce(x, axis, None, None, keepdims)


amax, amin = max, min  # NumPy's other names


# --- exponentials --------------------------------------------------------------------------------


def _shifted(x: Any, axis: Axis) -> tuple[Any, Any]:
    """x less its maximum (less 0 where that is infinite), and what was subtracted."""
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    largest = maximum_reduce(x.real, axis, None, None, True, -np.inf)
    largest = np.where(np.isfinite(largest), largest, largest.dtype.type(0))
    return x - largest, largest


def _logsumexp_back(ct: Any, y: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    largest = raw(y) == np.inf
    finite = np.where(largest | (y == -np.inf), 0, y)  # exp(-inf - 0) is the 0 that is meant
    weight = np.exp(x - spread(finite, x, axis, keepdims))
    if isinstance(largest, Variable) or np.any(largest):  # infinite elements share equally
        share = _extreme_back(raw(ct) * 0 + 1, raw(y), raw(x), axis, keepdims)
        weight = np.where(spread(largest, x, axis, keepdims), share, weight)
    return spread(ct, x, axis, keepdims) * weight


@operation(
    reverse=(_logsumexp_back,),
    samples=(*REDUCTIONS, S(lambda rng: np.array([-np.inf, 1.0, 2.5])), EMPTY[2]),
    batch=over_axes("axis"),
)
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log of the sum of exp(x), over all axes or those given, without overflow.

    >>> cr.logsumexp(cr.tensor([1000.0, 1000.0]))
    tensor(1000.6931)
    """
    shifted, largest = _shifted(x, axis)
    with np.errstate(divide="ignore"):  # log(0) = -inf where nothing is finite
        y = np.log(add_reduce(np.exp(shifted), axis, None, None, True)) + largest
    return y if keepdims else y.reshape(_reduced_shape(y.shape, axis))


def _reduced_shape(shape: Sequence[int], axis: Axis) -> list[int]:
    axes = axes_of(axis, len(shape))
    return [n for k, n in enumerate(shape) if k not in axes]


def _softmax_back(ct: Any, y: Any, _x: Any, axis: Axis) -> Any:
    product = ct * y
    return product - y * np.add.reduce(product, axis=axis, keepdims=True)


NORMALIZATIONS = (
    S((4,)),
    S((3, 4)),
    S((3, 4), axis=0),
    S((2, 3, 4), axis=(0, 2)),
    S((3, 4), axis=None),
    S((0, 3)),
    S((3, 0)),
    S((3, 1)),
)


@operation(
    reverse=(_softmax_back,),
    samples=NORMALIZATIONS,
    batch=over_axes("axis"),
)
def softmax(x: Any, axis: Axis = -1) -> Any:
    """exp(x) divided by its sum along the axis, without overflow.

    >>> cr.softmax(cr.tensor([1000.0, 1000.0]))
    tensor([0.5000, 0.5000])
    """
    e = np.exp(_shifted(x, axis)[0])
    return e / add_reduce(e, axis, None, None, True)


@operation(
    reverse=(lambda ct, y, _x, axis: ct - np.exp(y) * np.add.reduce(ct, axis=axis, keepdims=True),),
    samples=NORMALIZATIONS,
    batch=over_axes("axis"),
)
def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """log of `softmax`, exact where that rounds to zero.

    >>> cr.log_softmax(cr.tensor([0.0, 0.0]))
    tensor([-0.6931, -0.6931])
    """
    shifted, _ = _shifted(x, axis)
    total = add_reduce(np.exp(shifted), axis, None, None, True)
    with np.errstate(divide="ignore"):  # log(0) along an axis of size 0
        return shifted - np.log(total)


# --- without derivative --------------------------------------------------------------------------


@operation(
    differentiable=False,
    samples=(*REDUCTIONS, *EMPTY),
    numpy=(np.any,),
    batch=over_axes("axis"),
)
def any(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether some element of x is not zero, over all axes or those given.

    >>> cr.any(cr.tensor([0.0, 2.0]))
    tensor(True)
    """
    return logical_or_reduce(x, axis, None, None, keepdims)


@operation(
    differentiable=False,
    samples=(*REDUCTIONS, *EMPTY),
    numpy=(np.all,),
    batch=over_axes("axis"),
)
def all(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Whether no element of x is zero, over all axes or those given.

    >>> cr.all(cr.tensor([0.0, 2.0]))
    tensor(False)
    """
    return logical_and_reduce(x, axis, None, None, keepdims)


POSITIONS = (S((3, 4)), S((3, 4), axis=0), S((3, 4), axis=-1, keepdims=True), S((1,)), S(()))


@operation(
    differentiable=False,
    samples=POSITIONS,
    numpy=(np.argmax,),
    batch=over_axis_or_flat,
)
def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the (first) largest element along an axis, or in x as a vector.

    >>> cr.argmax(cr.tensor([1.0, 3.0, 2.0]))
    tensor(1)
    """
    return np.argmax(x, axis, keepdims=keepdims)


@operation(
    differentiable=False,
    samples=POSITIONS,
    numpy=(np.argmin,),
    batch=over_axis_or_flat,
)
def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the (first) smallest element along an axis, or in x as a vector.

    >>> cr.argmin(cr.tensor([1.0, 3.0, 2.0]))
    tensor(0)
    """
    return np.argmin(x, axis, keepdims=keepdims)


@operation(
    differentiable=False,
    samples=(*REDUCTIONS, *EMPTY),
    numpy=(np.count_nonzero,),
    batch=over_axes("axis"),
)
def count_nonzero(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """How many elements of x are not zero, over all axes or those given.

    >>> cr.count_nonzero(cr.tensor([0.0, 2.0, 3.0]))
    tensor(2)
    """
    return np.asarray(np.count_nonzero(np.asarray(x), axis, keepdims=keepdims))
