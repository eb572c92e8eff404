"""Rows that edit arrays: append, insert, delete, resize, block, and functions by slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import MissingDerivative, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.axes import along, operand
from chainrule.ops.indexing import getitem, take, take_along_axis
from chainrule.ops.joining import concat, stack
from chainrule.ops.movement import astype, broadcast_to, moveaxis, permute_dims, ravel, reshape
from chainrule.ops.recording import is_traced, numbers
from chainrule.ops.selection import sort
from chainrule.ops.table import S, composite

Shape = int | Sequence[int]


@composite(samples=[S((3,), (2,)), S((2, 3), (4,)), S((2, 3), (1, 3), axis=0)], numpy=(np.append,))
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    """x with values after it along an axis; both as vectors where it is None.

    >>> cr.append(cr.tensor([1.0, 2.0]), 3.0)
    tensor([1., 2., 3.])
    """
    x, values = operand(x, "append"), operand(values, "append")
    if axis is None:
        return concat([ravel(x), ravel(values)], 0)
    return concat([x, values], axis)


@composite(
    samples=[
        S((4,), obj=1),
        S((3, 4), obj=slice(0, 3, 2), axis=1),
        S((3, 4), obj=[0, -1], axis=0),
        S((2, 3), obj=np.array([True, False] * 3)),
    ],
    numpy=(np.delete,),
)
def delete(x: Any, obj: Any, axis: int | None = None) -> Any:
    """x without the slices that an index names along an axis; of x as a vector where it is None.

    >>> cr.delete(cr.tensor([1.0, 2.0, 3.0]), 1)
    tensor([1., 3.])
    """
    x = operand(x, "delete")
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.delete(np.arange(x.shape[axis]), _plain_index(obj)), axis)


@composite(
    samples=[
        S((4,), values=9.0, obj=1),
        S((3, 4), obj=2, values=1.0, axis=1),
        S((3,), obj=[0, 3], values=[7.0, 8.0]),
        S((2, 3), obj=[1, 1], values=[[1.0], [2.0]], axis=1),
    ],
    numpy=(np.insert,),
)
def insert(x: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """x with values before the positions an index names along an axis, as `numpy.insert`.

    Of x as a vector where the axis is None.

    >>> cr.insert(cr.tensor([1.0, 3.0]), 1, 2.0)
    tensor([1., 2., 3.])
    """
    x, values = operand(x, "insert"), operand(values, "insert")
    if axis is None:
        x, axis = ravel(x), 0
    axis %= x.ndim
    values = _in_dtype_of(x, values, "insert")
    if values.ndim < x.ndim:
        values = reshape(values, (1,) * (x.ndim - values.ndim) + tuple(values.shape))
    n = x.shape[axis]
    places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(_plain_index(obj))
    if places.dtype.kind == "b":
        places = np.flatnonzero(places)
    count = places.size
    if count == 1:  # any number of slices before one position
        if places.ndim == 0:
            values = moveaxis(values, 0, axis)
        count = values.shape[axis]
        places = np.full(count, places.item())
        if count and not -n <= places[0] <= n:
            raise IndexError(f"insert: position {places[0]} is out of bounds for axis of size {n}")
    order = np.insert(np.arange(n), places.astype(np.intp), n + np.arange(count))
    room = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    return take(concat([x, broadcast_to(values, room)], axis), order, axis)


def _plain_index(obj: Any) -> Any:
    return obj if isinstance(obj, slice) else numbers(obj)


def _in_dtype_of(x: Any, values: Any, name: str) -> Any:
    """Values in the dtype of the array they go into, an error where a derivative would be lost."""
    if values.dtype == x.dtype:
        return values
    lost = x.dtype.kind not in "fc" and values.dtype.kind in "fc"
    if lost and isinstance(values, Variable) and values._node is not None:
        raise MissingDerivative(
            f"{name}: values that require grad would become {x.dtype}, as the array is, and lose "
            "their derivative; give the array a floating-point dtype first" + at(user_line())
        )
    return astype(values, x.dtype)


@composite(
    samples=[S((3,), shape=(2, 3)), S((2, 3), shape=4), S((2,), shape=(0,))], numpy=(np.resize,)
)
def resize(x: Any, shape: Shape) -> Any:
    """The elements of x, row by row and repeated as needed, in a shape.

    >>> cr.resize(cr.tensor([1.0, 2.0]), (2, 3))
    tensor([[1., 2., 1.],
            [2., 1., 2.]])
    """
    x = ravel(operand(x, "resize"))
    shape = (int(shape),) if np.ndim(shape) == 0 else tuple(shape)  # type: ignore[arg-type]
    if not x.size:
        return broadcast_to(np.zeros((), x.dtype) + reshape(np.add.reduce(x), ()), shape)
    return reshape(take(x, np.arange(math.prod(shape)) % x.size), shape)


@composite(
    numpy=(np.block,), untested="nested lists as operand; tests/numpy_protocol/test_calls.py has it"
)
def block(arrays: Any) -> Any:
    """An array put together from nested lists of blocks, innermost along the last axis.

    >>> a = cr.tensor([[1.0, 2.0]])
    >>> cr.block([[a, a], [3.0, a, 4.0]])
    tensor([[1., 2., 1., 2.],
            [3., 1., 2., 4.]])
    """
    depth = _depth(arrays)
    ndim = max(depth, _largest(arrays))
    return _blocks(arrays, depth, ndim)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        if isinstance(arrays, tuple):
            raise TypeError("block: blocks are nested in lists, not in tuples")
        return 0
    if not arrays:
        raise ValueError("block: an empty list has no blocks")
    depths = {_depth(a) for a in arrays}
    if len(depths) > 1:
        raise ValueError("block: lists are nested to different depths")
    return 1 + depths.pop()


def _largest(arrays: Any) -> int:
    return max(map(_largest, arrays)) if isinstance(arrays, list) else np.ndim(arrays)


def _blocks(arrays: Any, depth: int, ndim: int) -> Any:
    if depth:
        return concat([_blocks(a, depth - 1, ndim) for a in arrays], -depth)
    x = operand(arrays, "block")
    return reshape(x, (1,) * (ndim - x.ndim) + tuple(x.shape))


@composite(
    numpy=(np.trim_zeros,),
    untested="zeros moved a little are none; tests/numpy_protocol/test_calls.py has it",
)
def trim_zeros(x: Any, trim: str = "fb", axis: Any = None) -> Any:
    """x without the zeros at its front ("f") and back ("b") along the axes given, all by default.

    >>> cr.trim_zeros(cr.tensor([0.0, 1.0, 0.0, 2.0, 0.0]))
    tensor([1., 0., 2.])
    """
    x = operand(x, "trim_zeros")
    axes = range(x.ndim) if axis is None else np.atleast_1d(axis)
    index: list[Any] = [slice(None)] * x.ndim
    places = np.nonzero(numbers(x))
    for k in axes:
        hit = places[k]
        if not hit.size:
            index[k] = slice(0, 0)
            continue
        front = hit.min() if "f" in trim.lower() else 0
        index[k] = slice(int(front), int(hit.max()) + 1 if "b" in trim.lower() else None)
    return getitem(x, tuple(index))


@composite(samples=[S((2, 3, 4), axis=2), S((2, 3, 4), axis=0, start=3)], numpy=(np.rollaxis,))
def rollaxis(x: Any, axis: int, start: int = 0) -> Any:
    """One axis moved before the position `start`; `moveaxis` is easier to understand.

    >>> cr.rollaxis(cr.zeros((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    x = operand(x, "rollaxis")
    axis, start = axis % x.ndim, start + x.ndim if start < 0 else start
    axes = [k for k in range(x.ndim) if k != axis]
    axes.insert(start - (axis < start), axis)
    return permute_dims(x, axes)


@composite(samples=[S((5,), kth=2), S((3, 4), kth=[1, 2], axis=0)], numpy=(np.partition,))
def partition(x: Any, kth: Any, axis: int | None = -1) -> Any:
    """The elements along an axis in an order in which the k-th stands where sorting puts it.

    No element before it is larger, none after it smaller.

    >>> cr.partition(cr.tensor([3.0, 1.0, 2.0]), 1)[1]
    tensor(2.)
    """
    x = operand(x, "partition")
    if axis is None:
        x, axis = ravel(x), 0
    if is_traced(x):  # sorted altogether, which is one such order
        return sort(x, axis)
    return take_along_axis(x, np.argpartition(numbers(x), numbers(kth), axis), axis)


@composite(samples=[S((4,))], numpy=(np.sort_complex,), untested="complex in double precision only")
def sort_complex(x: Any) -> Any:
    """The elements sorted by real part, then imaginary part, as complex numbers.

    >>> cr.sort_complex(cr.tensor([2.0, 1.0])).dtype
    dtype('complex128')
    """
    y = sort(operand(x, "sort_complex"))
    narrow = y.dtype.char in "bhBHfF"
    return y if y.dtype.kind == "c" else astype(y, np.complex64 if narrow else np.complex128)


@composite(
    numpy=(np.apply_along_axis,),
    untested="a function as operand; tests/numpy_protocol/test_calls.py has it",
)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """A function of vectors applied to every slice of an array along an axis.

    The axes of what it returns stand where that axis stood.

    >>> cr.apply_along_axis(cr.sum, 0, cr.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([4., 6.])
    """
    x = moveaxis(operand(arr, "apply_along_axis"), axis, -1)
    axis %= x.ndim
    outer = tuple(x.shape[:-1])
    if not math.prod(outer):
        raise ValueError("apply_along_axis: no slice to apply the function to")
    rows = [operand(func1d(x[i], *args, **kwargs), "apply_along_axis") for i in np.ndindex(outer)]
    y = reshape(stack(rows, 0), (*outer, *rows[0].shape))
    inner = range(len(outer), len(outer) + rows[0].ndim)
    return moveaxis(y, list(inner), [axis + k for k in range(rows[0].ndim)])


@composite(
    numpy=(np.apply_over_axes,),
    untested="a function as operand; tests/numpy_protocol/test_calls.py has it",
)
def apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    """`func(x, axis)` for one axis after the other, axes that it removes put back at size one.

    >>> cr.apply_over_axes(cr.sum, cr.tensor([[1.0, 2.0], [3.0, 4.0]]), [0, 1])
    tensor([[10.]])
    """
    x = operand(a, "apply_over_axes")
    ndim = x.ndim
    for axis in np.atleast_1d(numbers(axes)):
        k = int(axis) % ndim
        y = operand(func(x, k), "apply_over_axes")
        if y.ndim != ndim:
            y = getitem(y, along(k, ndim, None))
            if y.ndim != ndim:
                raise ValueError("apply_over_axes: the function must keep or remove its axis")
        x = y
    return x
