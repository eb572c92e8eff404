"""Reading and writing parts of arrays: `x[index]`, its transpose `put`, assignment, take.

An index of integers, slices, None and Ellipsis shows the memory of x; one with arrays copies.
Where integer arrays name an element twice, `put` and `add_at` add up, and in `set_item` the last
write wins. Selection by value (sort, topk, unique, nonzero) is in `ops.selection`.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import Any, Final, TypeVar

import numpy as np

from chainrule.errors import DtypeError, at, user_line
from chainrule.graph.node import Node, Variable
from chainrule.ops import batched_index
from chainrule.ops.complaints import describe
from chainrule.ops.frequent import pull_picked
from chainrule.ops.recording import general, is_traced, raw, zeros_like
from chainrule.ops.sharing import PICK
from chainrule.ops.table import TABLE, ZERO, S, Seq, bind, operation
from chainrule.ops.traced_index import Hole, at_index, at_traced, is_dynamic, traced_part

F = TypeVar("F", bound=Callable[..., Any])
Index = Any
Shape = tuple[int, ...]
ndarray = np.ndarray

# --- indices -----------------------------------------------------------------------------------

_PLAIN: Final = frozenset({int, type(None), EllipsisType})
"""Parts of an index that need no attention; a slice does, as its bounds may be Tensors."""


def index_of(index: Index) -> Index:
    """The index as NumPy takes it: Tensors and lists in it become arrays of integers or booleans.

    Raises DtypeError for a part that is neither of integers nor of booleans.

    >>> index_of((cr.tensor([0, 2]), slice(None)))
    (array([0, 2]), slice(None, None, None))
    """
    if type(index) is tuple:
        for part in index:
            if type(part) not in _PLAIN:
                return tuple(map(_part_of, index))
        return index
    return index if type(index) in _PLAIN else _part_of(index)


def _part_of(part: Any) -> Any:
    """One part of an index, itself where it is basic."""
    if type(part) in _PLAIN:
        return part
    if type(part) is slice:
        bounds = part.start, part.stop, part.step
        if all(b is None or type(b) is int for b in bounds):
            return part
        return slice(*(None if b is None else operator.index(b) for b in bounds))
    if is_traced(part):
        return traced_part(part)
    value = raw(part)
    if isinstance(value, (list, tuple, range)):
        value = np.asarray(_without_variables(value))
        if not value.size:
            value = value.astype(np.intp)  # an empty list has no dtype of its own
    kind = value.dtype.kind if isinstance(value, (ndarray, np.generic)) else ""
    if kind and kind in "biu":
        return value
    if isinstance(value, bool):
        return value
    if not kind and hasattr(value, "__index__"):
        return operator.index(value)
    what = describe(value) if kind else f"a {type(value).__name__}"
    hint = "; `.astype(int)` makes integers of whole numbers" if kind == "f" else ""
    raise DtypeError(
        f"an index takes integers, slices, None, ... and arrays of integers or booleans, not {what}"
        f"{hint}" + at(user_line())
    )


def _without_variables(x: Any) -> Any:
    return [_without_variables(v) for v in x] if isinstance(x, (list, tuple)) else raw(x)


def indexed(function: F) -> F:
    """Decorator over a row with a parameter `index`: calls get it through `index_of`."""
    row = function.operation  # type: ignore[attr-defined]

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        operands, params = bind(row, row.names, row.arity, args, kwargs)
        params["index"] = index = index_of(params["index"])
        return (
            at_traced(row, operands, params)
            if is_dynamic(index)
            else general(row, operands, params)
        )

    row.function = call
    return call  # type: ignore[return-value]


def is_basic(index: Index) -> bool:
    """Whether an index shows the memory of what it is taken from: no arrays in it."""
    for part in index if type(index) is tuple else (index,):
        if isinstance(part, Variable):
            if part._value.shape or part._value.dtype.kind == "b":
                return False
        elif type(part) not in _PLAIN and not isinstance(part, (slice, np.integer)):
            return False
    return True


def may_repeat(index: Index) -> bool:
    """Whether an index could name an element twice: only arrays of several integers can."""
    for part in index if type(index) is tuple else (index,):
        if isinstance(part, Variable):
            return True
        if type(part) is ndarray and part.size > 1 and part.dtype.kind != "b":
            return True
    return False


@indexed
@operation(
    differentiable=False,
    samples=[S((3, 4), index=(slice(None), np.array([1, 1, 2]))), S((3,), index=1)],
    batch=batched_index.at_same_index,
    expand=lambda x, index: TABLE["last_writers"].evaluate(np.empty(x.shape), index),
)
def last_writers(x: Any, index: Index) -> Any:
    """Which elements of `x[index] = value` stay: True for the last write to each place.

    >>> last_writers(cr.zeros(3), [0, 2, 2])
    tensor([ True, False,  True])
    """
    slots = np.zeros(np.shape(x), np.intp)
    turns = np.arange(slots[index].size).reshape(slots[index].shape)
    slots[index] = turns
    return slots[index] == turns


# --- adding at an index ------------------------------------------------------------------------

_LARGE: Final = 1024
"""From this many addends on, `_tallied` beats `np.add.at`, three to ten times."""


def _is_large(g: Any, index: Index, shape: Shape) -> bool:
    if type(g) is not ndarray or g.size < _LARGE or g.dtype.kind not in "fc":
        return False
    single = type(index) is ndarray and index.ndim == 1 and len(shape) == 1  # np.add.at is fast
    return not single and math.prod(shape) <= 8 * g.size  # beyond, zeros would cost the most


def _tallied(g: Any, index: Index, shape: Shape) -> Any:
    """Zeros with g added at an index, by a sparse matrix of ones or by counting flat positions."""
    if type(index) is ndarray and len(shape) > 1:
        from scipy.sparse import csc_array

        g = np.broadcast_to(g, index.shape + shape[1:]).reshape(index.size, -1)
        rows = np.where(index < 0, index + shape[0], index).ravel()
        if rows.min() < 0 or rows.max() >= shape[0]:
            raise IndexError(f"an index is out of bounds for axis 0 with size {shape[0]}")
        ones = np.ones(rows.size, g.dtype)
        sums = csc_array((ones, rows, np.arange(rows.size + 1)), shape=(shape[0], rows.size)) @ g
    else:
        places = np.arange(math.prod(shape)).reshape(shape)[index]
        g = np.broadcast_to(g, places.shape).ravel()
        places = places.ravel()
        sums = np.bincount(places, g.real, math.prod(shape))
        if g.dtype.kind == "c":
            sums = sums + 1j * np.bincount(places, g.imag, math.prod(shape))
    return sums.reshape(shape).astype(g.dtype, copy=False)


def _placed(g: Any, index: Index, shape: Shape) -> Any:
    """Zeros with g added at an index, on arrays."""
    repeats = may_repeat(index)
    if repeats and _is_large(g, index, shape):
        return _tallied(g, index, shape)
    out = np.zeros(shape, getattr(g, "dtype", type(g)))
    if repeats:
        np.add.at(out, index, g)
    else:
        out[index] = g
    return out if shape else out[()]


# --- getitem and its transpose -------------------------------------------------------------------

_SAMPLES: Final[Sequence[tuple[Shape, Index]]] = (
    ((3,), 1),
    ((3, 4), 1),
    ((3, 4), (1, 2)),
    ((3, 4), (slice(None), 1)),
    ((3, 4), (slice(2, None, -1), slice(0, 4, 2))),
    ((3, 4), (..., None, 1)),
    ((3, 4), (None, slice(1, 1))),
    ((3, 4), np.array([2, 0, 2])),
    ((3, 4), (np.array([[0, 1], [1, 0]]), np.array([3, 3]))),
    ((3, 4), (slice(None), np.array([-1, 0, 0, 3]))),
    ((2, 3, 4), (np.array([1, 1]), slice(None), np.array([0, 3]))),
    ((2, 3, 4), (1, slice(1, None), np.array([0, 3]))),
    ((3,), np.array([True, False, True])),
    ((2, 3), np.array([[True, False, True], [False, True, False]])),
    ((2, 3), (np.array([False, True]), np.array([0, 2]))),
    ((2, 3), np.array([], int)),
    ((0, 3), (slice(None), 1)),
    ((), ()),
    ((), None),
    ((), ...),
)


def _shape_at(shape: Shape, index: Index) -> Shape:
    return np.shape(np.empty(shape)[index])


def _getitem_reverse(ct: Any, _y: Any, _x: Any, index: Index) -> Any:
    return put(ct, index, _x.shape)


@operation(
    reverse=(_getitem_reverse,),
    linear=(0,),
    kind="movement",
    samples=[S(shape, index=index) for shape, index in _SAMPLES],
    batch=batched_index.at_same_index,
)
def getitem(x: Any, index: Index) -> Any:
    """`x[index]`: any index NumPy takes, integer and boolean Tensors included.

    A basic index (integers, slices, None, ...) gives a view, any other one a copy.

    >>> getitem(cr.tensor([1.0, 2.0, 3.0]), [2, 0])
    tensor([3., 1.])
    """
    return x[index]


_GETITEM: Final = getitem.operation  # type: ignore[attr-defined]
PICK.append(_GETITEM)


@functools.wraps(getitem)
def _getitem(x: Any, index: Index) -> Any:
    """As `operation` would make it, with fewer steps: code on small arrays reads elements often."""
    if type(index) is not int:
        index = index_of(index)
        if is_dynamic(index):
            return at_traced(_GETITEM, (x,), {"index": index})
    return general(_GETITEM, (x,), {"index": index})


def _pull_getitem(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    index, shape = node.params["index"], saved[1].shape
    if isinstance(ct, Variable):
        return (general(put.operation, (ct,), {"index": index, "shape": shape}),)  # type: ignore[attr-defined]
    found = pull_picked(ct, shape, index)
    return (_placed(ct, index, shape) if found is None else found,)


_GETITEM.function = getitem = _getitem
_GETITEM.pull = _pull_getitem


@indexed
@operation(
    reverse=(lambda ct, _y, _g, index, **_: getitem(ct, index),),
    linear=(0,),
    kind="movement",
    samples=[
        *(S(_shape_at(shape, index), index=index, shape=shape) for shape, index in _SAMPLES),
        S((), index=(slice(None), 1), shape=(2, 3)),
        S((2, 1), index=(slice(None), np.array([0, 0, 2])), shape=(2, 3)),
    ],
    batch=batched_index.at_same_index,
)
def put(g: Any, index: Index, shape: Shape) -> Any:
    """Zeros of a shape, with g added at an index: the transpose of `x[index]`.

    g broadcasts to the shape of `x[index]`; what falls on the same place adds up.

    >>> put(cr.tensor([1.0, 2.0, 3.0]), [0, 2, 2], (4,))
    tensor([1., 0., 5., 0.])
    """
    return _placed(g, index, shape)


# --- assignment ----------------------------------------------------------------------------------


def _copy_to_hold(x: Any, value: Any) -> Any:
    """A copy of x that can take the value without losing more than digits."""
    out = np.array(x)
    dtype = getattr(value, "dtype", None)
    if dtype is not None and not np.can_cast(dtype, out.dtype, "same_kind"):
        raise TypeError(
            f"cannot write {dtype} into an array of {out.dtype}; give the array the dtype "
            "`.astype(...)` first"
        )
    return out


def _set_kept(ct: Any, _y: Any, _x: Any, _value: Any, index: Index) -> Any:
    return set_item(ct, 0, index)


def _set_value(ct: Any, _y: Any, _x: Any, _value: Any, index: Index) -> Any:
    g = getitem(ct, index)
    extra = len(_value.shape) - len(g.shape) if hasattr(_value, "shape") else 0
    if extra > 0:  # NumPy stores [[1, 2]] where there is room for [1, 2]
        g = g[(None,) * extra]
    return np.where(last_writers(np.empty(_y.shape), index), g, 0) if may_repeat(index) else g


def _set_forward(tangents: Any, y: Any, _x: Any, _value: Any, index: Index) -> Any:
    moved, written = tangents
    moved = zeros_like(y) if moved is None else moved
    return set_item(moved, 0 if written is None else written, index)


_WRITES: Final = (
    *(S(shape, _shape_at(shape, index), index=index) for shape, index in _SAMPLES),
    S((3, 4), (), index=(slice(None), 1)),
    S((3, 4), (1, 2), index=(slice(1, None), slice(0, 2))),
    S((3, 4), (3, 1), index=(slice(None), np.array([1, 1, 2]))),
)


def _set_by_places(x: Any, value: Any, index: Index) -> Any:
    """Where an index has arrays, which are constant: what is written to each place last."""
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(p, (np.ndarray, list)) for p in parts):
        return None
    places = np.arange(x.size).reshape(x.shape)[index]
    writer = np.full(x.size, -1)
    if not places.size:
        return x
    writer[places.reshape(-1)] = np.arange(places.size)
    value = np.broadcast_to(value, places.shape).reshape(-1).astype(x.dtype)
    written = np.take(value, np.maximum(writer, 0))
    return np.where(writer >= 0, written, x.reshape(-1)).reshape(x.shape)


@indexed
@operation(
    reverse=(_set_kept, _set_value),
    forward=_set_forward,
    arity=2,
    samples=_WRITES,
    batch=batched_index.at_same_index,
    expand=_set_by_places,
)
def set_item(x: Any, value: Any, index: Index) -> Any:
    """A copy of x in which `x[index] = value` was done; value broadcasts.

    Where an index names an element twice, the last write wins, also in the derivative.
    Raises DtypeError where the value's dtype does not fit x's (a float into integers).

    >>> set_item(cr.tensor([1.0, 2.0, 3.0]), 7.0, slice(1, None))
    tensor([1., 7., 7.])
    """
    out = _copy_to_hold(x, value)
    out[index] = value
    return out if out.ndim else out[()]


def _add_forward(tangents: Any, y: Any, _x: Any, _value: Any, index: Index) -> Any:
    moved, added = tangents
    moved = zeros_like(y) if moved is None else moved
    return moved if added is None else add_at(moved, added, index)


@indexed
@operation(
    reverse=(
        lambda ct, _y, _x, _value, **_: ct,
        lambda ct, _y, _x, _value, index: getitem(ct, index),
    ),
    forward=_add_forward,
    arity=2,
    samples=_WRITES,
    batch=batched_index.at_same_index,
)
def add_at(x: Any, value: Any, index: Index) -> Any:
    """A copy of x with a value added at an index, once for every time an element is named.

    >>> add_at(cr.tensor([1.0, 1.0, 1.0]), cr.tensor([5.0, 6.0]), [2, 2])
    tensor([ 1.,  1., 12.])
    """
    out = _copy_to_hold(x, value)
    if not may_repeat(index):
        out[index] += value
    elif _is_large(value, index, out.shape):
        out += _tallied(value, index, out.shape)
    else:
        np.add.at(out, index, value)
    return out if out.ndim else out[()]


at_index.operation.samples = [  # type: ignore[attr-defined]
    Seq(
        (3, 4),
        lambda _: [0, 2],
        row=_GETITEM,
        params={"index": (slice(None), Hole(1))},
    ),
    Seq(
        (3, 4),
        (2, 3),
        lambda _: [0, 2, 0],
        row=set_item.operation,  # type: ignore[attr-defined]
        params={"index": (slice(1, None), Hole(2))},
    ),
]

# --- take, and its transpose ---------------------------------------------------------------------


def _reverse_take(ct: Any, _y: Any, _x: Any, indices: Any, axis: int | None, mode: str) -> Any:
    return scatter_add(ct, indices, shape=_x.shape, axis=axis, mode=mode)


@operation(
    reverse=(_reverse_take, ZERO),
    arity=2,
    linear=(0,),
    kind="movement",
    numpy=(np.take,),
    samples=[
        S((5,), lambda _: [0, 3, 3]),
        S((2, 3), lambda _: [[1, 5], [0, -1]]),
        S((2, 3, 4), lambda _: [[1, 2], [0, 1]], axis=1),
        S((2, 3), lambda _: 2, axis=-1),
        S((3,), lambda _: [-4, 7, 1], mode="clip"),
        S((3, 2), lambda _: [-4, 7, 1], axis=0, mode="wrap"),
    ],
    batch=batched_index.taken,
)
def take(x: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Slices of x by position along an axis (of all elements in a row by default).

    `mode` says what a position out of range does: "raise", "wrap" or "clip".

    >>> cr.take(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), [1, 1, 0], axis=1)
    tensor([[2., 2., 1.],
            [4., 4., 3.]])
    """
    return np.take(x, indices, axis=axis, mode=mode)  # type: ignore[call-overload]


@operation(
    reverse=(lambda ct, _y, _g, indices, axis, mode, **_: take(ct, indices, axis, mode), ZERO),
    arity=2,
    linear=(0,),
    kind="movement",
    samples=[
        S((3,), lambda _: [0, 3, 3], shape=(5,)),
        S((2, 2), lambda _: [[0, 1], [1, 5]], shape=(2, 3)),
        S((2, 3), lambda _: [0, -1, 0], shape=(2, 4), axis=1),
        S((3,), lambda _: [-4, 7, 1], shape=(3,), mode="clip"),
    ],
    batch=batched_index.added,
)
def scatter_add(
    g: Any, indices: Any, shape: Shape, axis: int | None = None, mode: str = "raise"
) -> Any:
    """Zeros of a shape, with slices of g added by position along an axis: the transpose of `take`.

    >>> cr.scatter_add(cr.tensor([1.0, 2.0, 3.0]), [0, 2, 2], (4,))
    tensor([1., 0., 5., 0.])
    """
    indices = np.asarray(indices)
    flat = (math.prod(shape),) if axis is None else tuple(shape)
    axis = 0 if axis is None else axis % len(flat)
    if mode == "wrap":
        indices = indices % flat[axis]
    elif mode == "clip":
        indices = np.clip(indices, 0, flat[axis] - 1)
    return _placed(g, (slice(None),) * axis + (indices,), flat).reshape(shape)


def _reverse_along(ct: Any, _y: Any, _x: Any, indices: Any, axis: int | None) -> Any:
    return add_along_axis(ct, indices, _x.shape, axis)


def index_along(indices: Any, shape: Shape, axis: int) -> Index:
    """The index that reads `take_along_axis`: positions along one axis, all of the others."""
    axis %= len(shape)
    indices = indices if isinstance(indices, Variable) else np.asarray(indices)
    parts = []
    for i, n in enumerate(shape):
        if i == axis:
            parts.append(indices)
        else:
            parts.append(np.arange(n).reshape((n,) + (1,) * (len(shape) - 1 - i)))
    return tuple(parts)


@operation(
    reverse=(_reverse_along, ZERO),
    arity=2,
    linear=(0,),
    kind="movement",
    numpy=(np.take_along_axis,),
    samples=[
        S((3, 4), lambda rng: rng.integers(0, 4, (3, 2))),
        S((3, 4), lambda rng: rng.integers(0, 3, (5, 4)), axis=0),
        S((3, 4), lambda rng: rng.integers(0, 4, (1, 2)), axis=1),
        S((3, 2), lambda rng: rng.integers(0, 6, 4), axis=None),
    ],
    batch=batched_index.taken_along,
)
def take_along_axis(x: Any, indices: Any, axis: int | None = -1) -> Any:
    """Elements by position along an axis, with positions of their own for every place beside it.

    `indices` has as many axes as x and broadcasts with it on all but `axis`.

    >>> cr.take_along_axis(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1)
    tensor([[2.],
            [3.]])
    """
    return np.take_along_axis(np.asarray(x), np.asarray(indices), axis)


@operation(
    reverse=(lambda ct, _y, _g, indices, axis, **_: take_along_axis(ct, indices, axis), ZERO),
    arity=2,
    linear=(0,),
    kind="movement",
    samples=[
        S((3, 2), lambda rng: rng.integers(0, 4, (3, 2)), shape=(3, 4)),
        S((5, 4), lambda rng: rng.integers(0, 3, (5, 4)), shape=(3, 4), axis=0),
        S((4,), lambda rng: rng.integers(0, 6, 4), shape=(3, 2), axis=None),
    ],
    batch=batched_index.added_along,
)
def add_along_axis(g: Any, indices: Any, shape: Shape, axis: int | None = -1) -> Any:
    """Zeros of a shape, with g added by position along an axis: transpose of `take_along_axis`.

    >>> add_along_axis(cr.tensor([[1.0, 2.0]]), [[2, 2]], (1, 3))
    tensor([[0., 0., 3.]])
    """
    flat = (math.prod(shape),) if axis is None else tuple(shape)
    index = index_along(np.asarray(indices), flat, axis or 0)
    return _placed(g, index, flat).reshape(shape)
