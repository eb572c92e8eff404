"""NumPy functions that write into their first argument: recorded where that is a Tensor.

Everything that could go wrong does so before anything is written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.dispatch.output import store
from chainrule.dispatch.values import plain, tracked
from chainrule.errors import GraphError, at, user_line
from chainrule.graph.node import Variable
from chainrule.graph.writes import note_write
from chainrule.ops.axes import operand
from chainrule.ops.indexing import getitem, index_along, take
from chainrule.ops.movement import broadcast_to, reshape
from chainrule.ops.recording import raw
from chainrule.record.inplace import assign

WRITES: dict[Callable[..., Any], Callable[..., None]] = {}
"""NumPy function -> what does the same to a Tensor."""


def writing(func: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: enter what does to a Tensor what a NumPy function does to an array."""

    def decorate(change: Callable[..., None]) -> Callable[..., None]:
        name = func.__name__

        @functools.wraps(change)
        def call(target: Any, *args: Any, **kwargs: Any) -> None:
            if isinstance(target, Variable):
                change(target, *args, **kwargs)
            elif tracked((args, kwargs)):
                raise GraphError(
                    f"{name}: a value that requires grad was to be written into a NumPy array, "
                    "which would lose its derivative; make the array a Tensor first "
                    "(`x = cr.tensor(x)`), or build it with np.stack or np.where" + at(user_line())
                )
            else:
                func(target, *plain(args), **plain(kwargs))
                note_write(target, name)

        WRITES[func] = call
        return call

    return decorate


def _cycled(values: Any, n: int, name: str) -> Any:
    """n values, taken from an array again and again."""
    values = reshape(operand(values, name), (-1,))
    size = values.shape[0]
    if size == n:
        return values
    if not size:
        raise ValueError(f"{name}: there is no value to write")
    return take(values, np.arange(n) % size)


@writing(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """Write `src`, which broadcasts, where a mask holds."""
    value = operand(src, "copyto")
    shape = raw(dst).shape
    if value.shape != shape:
        value = broadcast_to(value, shape)
    if not hasattr(src, "dtype"):  # a Python number has the dtype of what it goes into
        value = value if value.dtype.kind == "c" else value.astype(raw(dst).dtype)
    store(dst, value, "copyto", where, casting)


@writing(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """Write values at positions as if flat."""
    places = np.asarray(raw(ind), np.intp).ravel()
    n = raw(a).size
    if mode == "wrap":
        places = places % n
    elif mode == "clip":
        places = np.clip(places, 0, n - 1)
    elif places.size and (places.min() < -n or places.max() >= n):
        raise IndexError(f"put: a position is out of bounds for {n} elements" + at(user_line()))
    if places.size:
        index = np.unravel_index(places % n, raw(a).shape)
        assign(a, index, _cycled(v, places.size, "put"))


@writing(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """Write values, in order, where a mask holds."""
    where = np.asarray(raw(mask), bool).reshape(raw(arr).shape)
    n = int(np.count_nonzero(where))
    if n:
        assign(arr, where, _cycled(vals, n, "place"))


@writing(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """Write where a mask holds the value of that position."""
    where = np.asarray(raw(mask), bool).reshape(raw(a).shape)
    full = reshape(_cycled(values, raw(a).size, "putmask"), raw(a).shape)
    assign(a, where, getitem(full, where))


@writing(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None) -> None:
    """Write by position along an axis."""
    indices = np.asarray(raw(indices))
    if axis is None:
        assign(arr, np.unravel_index(indices % raw(arr).size, raw(arr).shape), values)
    else:
        assign(arr, index_along(indices, raw(arr).shape, axis), values)


@writing(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """Write the main diagonal."""
    shape = raw(a).shape
    if len(shape) < 2:
        raise ValueError("fill_diagonal: the array must have two axes at least" + at(user_line()))
    if len(shape) == 2:
        step, end = shape[1] + 1, None if wrap else shape[1] * shape[1]
    elif len(set(shape)) > 1:
        raise ValueError("fill_diagonal: all axes must have the same size" + at(user_line()))
    else:
        step, end = 1 + sum(np.cumprod(shape[:-1]).tolist()), None
    places = np.arange(raw(a).size)[:end:step]
    if places.size:
        value = _cycled(val, places.size, "fill_diagonal")
        assign(a, np.unravel_index(places, shape), value)
