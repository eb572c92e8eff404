"""Sorting, order statistics and counting under PyTorch's names; each is also a method of Tensor."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError, at, user_line
from chainrule.ops import elementwise, selection, statistics
from chainrule.ops.table import raw
from chainrule.torch import _results
from chainrule.torch._arguments import numpy_names
from chainrule.torch._selected import like, selected

__all__ = [
    "argsort", "bincount", "histc", "kthvalue", "median", "mode", "msort", "nanmedian",
    "quantile", "sort", "topk", "unique",
]  # fmt: skip


@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values, indices) in ascending or descending order along `dim`.

    >>> torch.sort(torch.tensor([3.0, 1.0])).values
    tensor([1., 3.])
    """
    if not input.ndim:
        return _results.sort(elementwise.positive(input), like(input, 0))
    order = selection.argsort(input, dim, descending)
    return selected(_results.sort, input, dim, True, order)


@numpy_names
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Positions that put the elements in order along `dim`."""
    return selection.argsort(input, dim, descending) if input.ndim else like(input, 0)


@numpy_names
def msort(input: Any) -> Any:
    """The elements in ascending order along the first dimension."""
    return selection.sort(input, 0)


@numpy_names
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """(values, indices) of the k largest, or smallest, elements along `dim`.

    >>> torch.topk(torch.tensor([1.0, 4.0, 3.0]), 2).values
    tensor([4., 3.])
    """
    return _results.topk(*selection.topk(input, k, dim, largest))


@numpy_names
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """(value, index) of the k-th smallest element along `dim`, k counted from 1.

    >>> torch.kthvalue(torch.tensor([3.0, 1.0, 2.0]), 2).values
    tensor(2.)
    """
    return _kth(_results.kthvalue, input, k, dim, keepdim)


def _kth(kind: Any, input: Any, k: int, dim: int, keepdim: bool) -> Any:
    size = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= size:
        raise ShapeError(f"{kind.__name__}: k={k} of {size} elements" + at(user_line()))
    if not input.ndim:
        return selected(kind, input, 0, keepdim, like(input, 0))
    order = np.argsort(raw(input), axis=dim, kind="stable").take([k - 1], dim)
    return selected(kind, input, dim, keepdim, like(input, order))


@numpy_names
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower of the middle elements; along `dim`, (values, indices).

    >>> torch.median(torch.tensor([3.0, 1.0, 2.0, 5.0]))
    tensor(2.)
    """
    return _median(_results.median, input, dim, keepdim, skip=False)


@numpy_names
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of what is not NaN."""
    return _median(_results.nanmedian, input, dim, keepdim, skip=True)


def _median(kind: Any, input: Any, dim: int | None, keepdim: bool, skip: bool) -> Any:
    if dim is None:
        flat = input.reshape(-1)
        return _median(kind, flat, 0, False, skip).values
    value = np.atleast_1d(raw(input))
    nan = np.isnan(value) if value.dtype.kind == "f" else np.zeros(value.shape, bool)
    count = value.shape[dim] - np.sum(nan, dim, keepdims=True) * skip
    rank = np.maximum(count - 1, 0) // 2
    order = np.argsort(value, axis=dim, kind="stable")  # NaN comes last
    where = np.take_along_axis(order, rank, dim)
    if not skip:  # a NaN is the median of what it is among
        where = np.where(nan.any(dim, keepdims=True), nan.argmax(dim, keepdims=True), where)
    if not input.ndim:
        where = where[0]
    return selected(kind, input, dim, keepdim, like(input, where))


@numpy_names
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """(value, index) of the element that occurs most often along `dim`, the smallest of several.

    >>> torch.mode(torch.tensor([3.0, 1.0, 3.0])).values
    tensor(3.)
    """
    value = np.atleast_1d(raw(input))

    def last_of_most_frequent(row: Any) -> Any:
        found, counts = np.unique(row, return_counts=True)
        return np.flatnonzero(row == found[counts.argmax()])[-1]

    at = np.expand_dims(np.apply_along_axis(last_of_most_frequent, dim, value), dim)
    return selected(_results.mode, input, dim, keepdim, like(input, at))


@numpy_names
def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Any:
    """The q-th quantiles (q from 0 to 1) over `dim`; those of several q come first.

    >>> torch.quantile(torch.tensor([1.0, 2.0, 4.0]), 0.75)
    tensor(3.)
    """
    return statistics.quantile(input, raw(q), dim, interpolation, keepdim)


@numpy_names
def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along `dim`) in order, and where and how often they occur.

    >>> torch.unique(torch.tensor([2, 1, 2]))
    tensor([1, 2])
    """
    distinct: Any = np.unique
    found = distinct(
        raw(input), return_inverse=return_inverse, return_counts=return_counts, axis=dim
    )
    if not isinstance(found, tuple):
        return like(input, found)
    parts = [like(input, part) for part in found]
    if return_inverse and dim is None:
        parts[1] = parts[1].reshape(input.shape)
    return tuple(parts)


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each integer from 0 occurs, or the sum of the weights where it does.

    >>> torch.bincount(torch.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    return like(input, np.bincount(raw(input), raw(weights), minlength))


def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """Histogram: how many elements fall in each of `bins` equal intervals.

    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=2, min=0, max=4)
    tensor([2., 1.])
    """
    value = raw(input).ravel()
    low, high = (min, max) if min != max else (float(value.min()), float(value.max()))
    if low == high:
        low, high = low - 1, high + 1
    inside = value[(value >= low) & (value <= high)]
    places = ((inside - low) / (high - low) * bins).astype(np.int64)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    return like(input, counts.astype(value.dtype))
