"""Reductions, running sums and statistics under PyTorch's names; each is also a method of Tensor.

`max(dim)`, `median` and their like give a named pair (values, indices), and a gradient goes to the
element selected; `amax`, `amin` and `max()` of a whole tensor share it equally among ties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops import (
    cumulative,
    elementwise,
    linalg,
    reduction,
    statistics,
)
from chainrule.ops.table import raw
from chainrule.torch import _results
from chainrule.torch._arguments import axes, dimension, numpy_names
from chainrule.torch._dtypes import checked
from chainrule.torch._selected import like, selected

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "corrcoef", "count_nonzero",
    "cov", "cummax", "cummin", "cumprod", "cumsum", "diff", "dist", "log_softmax", "logcumsumexp",
    "logsumexp", "max", "mean", "min", "nanmean", "nansum", "norm", "prod", "softmax", "std",
    "std_mean", "sum", "trapezoid", "trapz", "var", "var_mean",
]  # fmt: skip


def sum(
    input: Any,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Any = None,
    keepdims: bool = False,
) -> Any:
    """Sum over `dim` (all dimensions by default).

    >>> torch.sum(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=0)
    tensor([4., 6.])
    """
    if dim is None and axis is None and dtype is None and not (keepdim or keepdims):
        return reduction.sum_of_all(input)
    over = axes(dim if axis is None else axis)
    return reduction.sum(input, axis=over, dtype=checked(dtype), keepdims=keepdim or keepdims)


def mean(
    input: Any,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
    axis: Any = None,
    keepdims: bool = False,
) -> Any:
    """Arithmetic mean over `dim` (all dimensions by default).

    >>> torch.mean(torch.tensor([1.0, 2.0, 6.0]))
    tensor(3.)
    """
    if dim is None and axis is None and dtype is None and not (keepdim or keepdims):
        return reduction.mean(input)
    over = axes(dim if axis is None else axis)
    return reduction.mean(input, axis=over, dtype=checked(dtype), keepdims=keepdim or keepdims)


@numpy_names
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product over `dim` (all dimensions by default).

    >>> torch.prod(torch.tensor([2.0, 3.0]))
    tensor(6.)
    """
    return reduction.prod(input, axis=axes(dim), dtype=checked(dtype), keepdims=keepdim)


@numpy_names
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum over `dim`, NaN counting as zero."""
    return statistics.nansum(input, axes(dim), checked(dtype), keepdim)


@numpy_names
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean over `dim` of what is not NaN."""
    return statistics.nanmean(input, axes(dim), checked(dtype), keepdim)


# --- spread --------------------------------------------------------------------------------------


def _freedom(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, float]:
    """(dim, correction) from either way of giving them."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return axes(dim), correction


@numpy_names
def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Variance over `dim`; the divisor is n - correction, n - 1 by default.

    >>> torch.var(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    over, less = _freedom(dim, unbiased, correction)
    return reduction.var(input, axis=over, correction=less, keepdims=keepdim)


@numpy_names
def std(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Standard deviation over `dim`; the divisor is n - correction, n - 1 by default.

    >>> torch.std(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    over, less = _freedom(dim, unbiased, correction)
    return reduction.std(input, axis=over, correction=less, keepdims=keepdim)


def var_mean(input: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """(variance, mean), with the arguments of `var`."""
    return var(input, *args, **kwargs), _mean_as(input, *args, **kwargs)


def std_mean(input: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """(standard deviation, mean), with the arguments of `std`."""
    return std(input, *args, **kwargs), _mean_as(input, *args, **kwargs)


@numpy_names
def _mean_as(
    input: Any,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
) -> Any:
    return reduction.mean(input, _freedom(dim, unbiased, correction)[0], None, keepdim)


# --- extremes ------------------------------------------------------------------------------------


def _extreme(input: Any, dim: Any, keepdim: bool, name: str) -> Any:
    """`max` and `min` in their three forms."""
    if isinstance(dim, Variable):
        return getattr(elementwise, name + "imum")(input, dim)
    if dim is None:
        return getattr(reduction, name)(input)
    axis = dimension(dim, input.ndim, name)
    position = getattr(np, "arg" + name)
    at = position(raw(input), axis, keepdims=True) if input.ndim else 0
    return selected(getattr(_results, name), input, axis, keepdim, like(input, at))


@numpy_names
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest element; along `dim`, (values, indices); of two tensors, the larger by element.

    >>> torch.max(torch.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1).values
    tensor([5., 4.])
    """
    return _extreme(input, dim if other is None else other, keepdim, "max")


@numpy_names
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest element; along `dim`, (values, indices); of two tensors, the smaller by element.

    >>> torch.min(torch.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1).indices
    tensor([0, 0])
    """
    return _extreme(input, dim if other is None else other, keepdim, "min")


@numpy_names
def amax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest element over `dim`; a gradient is shared equally among ties.

    >>> torch.amax(torch.tensor([[1.0, 5.0], [3.0, 4.0]]), dim=1)
    tensor([5., 4.])
    """
    return reduction.max(input, axis=axes(dim), keepdims=keepdim)


@numpy_names
def amin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest element over `dim`; a gradient is shared equally among ties."""
    return reduction.min(input, axis=axes(dim), keepdims=keepdim)


@numpy_names
def aminmax(input: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """(min, max) over `dim`.

    >>> torch.aminmax(torch.tensor([3.0, 1.0])).min
    tensor(1.)
    """
    return _results.aminmax(amin(input, dim, keepdim), amax(input, dim, keepdim))


@numpy_names
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Position of the first largest element, along `dim` or in the flattened tensor."""
    return reduction.argmax(input, axis=dim, keepdims=keepdim)


@numpy_names
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Position of the first smallest element, along `dim` or in the flattened tensor."""
    return reduction.argmin(input, axis=dim, keepdims=keepdim)


@numpy_names
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether all elements are true."""
    return reduction.all(input, axes(dim), keepdim)


@numpy_names
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether some element is true."""
    return reduction.any(input, axes(dim), keepdim)


@numpy_names
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero."""
    return reduction.count_nonzero(input, axes(dim))


# --- exponentials and norms -----------------------------------------------------------------------


@numpy_names
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """log of the sum of exp over `dim`, without overflow.

    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    return reduction.logsumexp(input, axis=axes(dim), keepdims=keepdim)


@numpy_names
def softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """exp along `dim`, divided by its sum.

    >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return reduction.softmax(cast(input, dtype), axis=dim)


@numpy_names
def log_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """log of `softmax`, exact where that rounds to zero.

    >>> torch.log_softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    return reduction.log_softmax(cast(input, dtype), axis=dim)


def cast(input: Any, dtype: Any) -> Any:
    """`input` in the dtype given, if one is."""
    return input if dtype is None else input.astype(checked(dtype))


@numpy_names
def norm(
    input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The p-norm over `dim`, of all elements by default; "fro" and 2 are the Euclidean norm.

    >>> torch.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    input = cast(input, dtype)
    if p == "nuc":
        return linalg.matrix_norm(input, keepdims=keepdim, ord="nuc")
    order = 2 if p in ("fro", None) else p
    return linalg.vector_norm(input, axis=axes(dim), keepdims=keepdim, ord=order)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """The p-norm of the difference.

    >>> torch.dist(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0]))
    tensor(5.)
    """
    return norm(input - other, p)


# --- running -------------------------------------------------------------------------------------


@numpy_names
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running sum along `dim`.

    >>> torch.cumsum(torch.tensor([1.0, 2.0, 3.0]), 0)
    tensor([1., 3., 6.])
    """
    return cumulative.cumulative_sum(input, dim, checked(dtype))


@numpy_names
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running product along `dim`."""
    return cumulative.cumulative_prod(input, dim, checked(dtype))


@numpy_names
def logcumsumexp(input: Any, dim: int) -> Any:
    """log of the running sum of exp along `dim`, without overflow."""
    return cumulative.logcumsumexp(input, dim)


def _running(kind: Any, input: Any, dim: int, accumulate: Any) -> Any:
    if not input.ndim:
        return kind(elementwise.positive(input), like(input, 0))
    value = raw(input)
    extreme = accumulate(value, dim)
    shape = [1] * value.ndim
    shape[dim] = -1
    places = np.arange(value.shape[dim]).reshape(shape)
    reached = np.where((value == extreme) | np.isnan(value), places, 0)
    return selected(kind, input, dim, True, like(input, np.maximum.accumulate(reached, dim)))


@numpy_names
def cummax(input: Any, dim: int) -> Any:
    """(values, indices) of the largest element so far along `dim`.

    >>> torch.cummax(torch.tensor([1.0, 3.0, 2.0]), 0).values
    tensor([1., 3., 3.])
    """
    return _running(_results.cummax, input, dim, np.maximum.accumulate)


@numpy_names
def cummin(input: Any, dim: int) -> Any:
    """(values, indices) of the smallest element so far along `dim`."""
    return _running(_results.cummin, input, dim, np.minimum.accumulate)


@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """The n-th differences of neighbors along `dim`.

    >>> torch.diff(torch.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    return cumulative.diff(input, n, dim, prepend, append)


@numpy_names
def trapezoid(y: Any, x: Any = None, *, dx: float = 1.0, dim: int = -1) -> Any:
    """Integral along `dim` by the trapezoidal rule."""
    return statistics.trapezoid(y, x, dx, dim)


trapz = trapezoid


def cov(input: Any, *, correction: float = 1) -> Any:
    """Covariance matrix of the variables in the rows.

    >>> torch.cov(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    return statistics.cov(input, ddof=correction)


def corrcoef(input: Any) -> Any:
    """Correlation coefficients of the variables in the rows."""
    return statistics.corrcoef(input)
