"""Selection by value: sort, search, the k largest, distinct values; and NumPy's ways to choose.

Positions are found on plain values and carry no derivative; the elements at them do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops import order_loops
from chainrule.ops.axes import along
from chainrule.ops.batched import contained, digits, over_axes, over_axis_or_flat, searched
from chainrule.ops.indexing import (
    add_along_axis,
    getitem,
    index_along,
    set_item,
    take,
    take_along_axis,
)
from chainrule.ops.native import along_last, last_axis, loops
from chainrule.ops.recording import numbers, raw
from chainrule.ops.table import S, composite, operation

Shape = tuple[int, ...]

_FOUND = "how many elements it finds depends on their values"
_DISTINCT = "how many distinct elements there are depends on their values"
"""Why the shape of a result is not known while tracing."""

# --- sorting -----------------------------------------------------------------------------------


def _order(x: Any, axis: int | None, descending: bool, stable: bool) -> Any:
    """`argsort` on arrays; a stable descending order keeps ties as they stood, too."""
    x = np.asarray(x)
    if axis is None:
        x, axis = x.reshape(-1), 0
    if not descending:
        return np.argsort(x, axis=axis, stable=stable)
    backwards = np.argsort(np.flip(x, axis), axis=axis, stable=stable)
    return x.shape[axis] - 1 - np.flip(backwards, axis)


def _reverse_sort(
    ct: Any, _y: Any, x: Any, axis: int | None, descending: bool, stable: bool, **_: Any
) -> Any:
    order = argsort(x, axis, descending, stable)
    along = 0 if axis is None else axis
    back = take_along_axis(ct, argsort(order, along), along)
    return back.reshape(x.shape)


@operation(
    reverse=(_reverse_sort,),
    numpy=(np.sort,),
    samples=[
        S((5,)),
        S((3, 4)),
        S((3, 4), axis=0, descending=True),
        S((2, 3), axis=None),
        S((0, 2), axis=0),
    ],
    batch=over_axis_or_flat,
    expand=along_last("sort"),
    native=loops(order_loops.sort, fits=last_axis),
)
def sort(
    x: Any,
    axis: int | None = -1,
    descending: bool = False,
    stable: bool = True,
    kind: str | None = None,
) -> Any:
    """The elements in order along an axis; `kind` is NumPy's name of an algorithm, and not needed.

    A gradient goes to the places the elements came from.

    >>> cr.sort(cr.tensor([3.0, 1.0, 2.0]), descending=True)
    tensor([3., 2., 1.])
    """
    y = np.sort(np.asarray(x), axis=axis)
    return np.flip(y, 0 if axis is None else axis) if descending else y


@operation(
    differentiable=False,
    numpy=(np.argsort,),
    samples=[S((5,)), S((3, 4), axis=0, descending=True), S((2, 3), axis=None)],
    batch=over_axis_or_flat,
    expand=along_last("argsort"),
    native=loops(order_loops.argsort, dtype="", fits=last_axis),
)
def argsort(
    x: Any,
    axis: int | None = -1,
    descending: bool = False,
    stable: bool = True,
    kind: str | None = None,
) -> Any:
    """Positions that put the elements in order along an axis.

    >>> cr.argsort(cr.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    return _order(x, axis, descending, stable)


class TopK(NamedTuple):
    """What `topk` gives."""

    values: Any
    indices: Any


def _reverse_topk(ct: Any, y: Any, _x: Any, axis: int, **_: Any) -> Any:
    return add_along_axis(ct[0], raw(y[1]), _x.shape, axis)


def _first_of_all(x: Any, k: int, axis: int, largest: bool) -> Any:
    """By sorting all."""
    if not k:
        return None
    order = argsort(x, axis, largest)[along(axis, x.ndim, slice(k))]
    return take_along_axis(x, order, axis), order


@operation(
    reverse=(_reverse_topk,),
    results=2,
    samples=[S((5,), k=2), S((3, 4), k=3, axis=0), S((3, 4), k=2, largest=False), S((3,), k=0)],
    batch=over_axes("axis"),
    expand=_first_of_all,
)
def topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest (or smallest) elements along an axis, in order, and their positions.

    Gives a named tuple (values, indices). Raises ShapeError where the axis has fewer than k.

    >>> cr.topk(cr.tensor([1.0, 4.0, 3.0]), 2)
    TopK(values=tensor([4., 3.]), indices=tensor([1, 2]))
    """
    x = np.asarray(x)
    n = x.shape[axis]
    if not 0 <= k <= n:
        raise ValueError(f"k={k} is out of range for an axis of size {n}")
    if 0 < k < n:
        cut = np.argpartition(x, n - k if largest else k - 1, axis=axis)
        some = np.sort(cut.take(range(n - k, n) if largest else range(k), axis=axis), axis=axis)
        order = _order(np.take_along_axis(x, some, axis), axis, largest, True)
        indices = np.take_along_axis(some, order, axis)
    else:
        indices = _order(x, axis, largest, True).take(range(k), axis=axis)
    return TopK(np.take_along_axis(x, indices, axis), indices)


# --- searching ---------------------------------------------------------------------------------


def _searched_line(x1: Any, x2: Any, side: str, sorter: Any) -> Any:
    """Searching for a vector in a sorted one."""
    if sorter is not None:
        return searchsorted(x1[np.asarray(raw(sorter))], x2, side)
    x2 = x2 if hasattr(x2, "shape") else np.asarray(x2)
    return None if x2.ndim == 1 else searchsorted(x1, x2.reshape(-1), side)


def _is_line(_x1: Any, x2: Any, sorter: Any, **_: Any) -> bool:
    return sorter is None and len(x2.shape) == 1


def _flat_first(x: Any, y: Any, **params: Any) -> Any:
    """Elements as vectors."""
    x, y = (v if hasattr(v, "shape") else np.asarray(v) for v in (x, y))
    if x.ndim == y.ndim == 1:
        return None
    function = digitize if "right" in params else isin
    return function(x.reshape(-1), y.reshape(-1), **params)


def _are_lines(x: Any, y: Any, **_: Any) -> bool:
    return len(x.shape) == len(y.shape) == 1


@operation(
    arity=2,
    differentiable=False,
    numpy=(np.searchsorted,),
    samples=[
        S(lambda rng: np.sort(rng.random(5)), (3,)),
        S(lambda _: [1.0, 2.0], (), side="right"),
    ],
    batch=searched,
    expand=_searched_line,
    native=loops(order_loops.searchsorted, dtype="common", fits=_is_line),
)
def searchsorted(x1: Any, x2: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where the elements of x2 would have to be inserted in the sorted x1 to keep it sorted.

    >>> cr.searchsorted(cr.tensor([1.0, 2.0, 3.0]), cr.tensor([2.0, 9.0]))
    tensor([1, 3])
    """
    return np.searchsorted(x1, x2, side=side, sorter=raw(sorter))  # type: ignore[call-overload]


@operation(
    shape=_FOUND,
    differentiable=False,
    results=0,
    numpy=(np.nonzero,),
    samples=[S(lambda rng: rng.integers(0, 2, (3, 4)))],
)
def nonzero(x: Any) -> tuple[Any, ...]:
    """Positions of the elements that are not zero: one array of indices for each axis.

    >>> cr.nonzero(cr.tensor([0.0, 5.0, 7.0]))
    (tensor([1, 2]),)
    """
    return np.nonzero(x)


@operation(
    shape=_FOUND,
    differentiable=False,
    numpy=(np.argwhere,),
    samples=[S(lambda rng: rng.integers(0, 2, (3, 4)))],
)
def argwhere(x: Any) -> Any:
    """Positions of the elements that are not zero, one row each.

    >>> cr.argwhere(cr.tensor([[0.0, 5.0], [7.0, 0.0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    return np.argwhere(x)


@operation(
    shape=_FOUND,
    differentiable=False,
    numpy=(np.flatnonzero,),
    samples=[S(lambda rng: rng.integers(0, 2, (3, 4)))],
)
def flatnonzero(x: Any) -> Any:
    """Positions of the elements that are not zero, counted through all of x.

    >>> cr.flatnonzero(cr.tensor([[0.0, 5.0], [7.0, 0.0]]))
    tensor([1, 2])
    """
    return np.flatnonzero(x)


@operation(
    arity=2,
    differentiable=False,
    numpy=(np.isin,),
    samples=[S(lambda rng: rng.integers(0, 5, (3, 4)), lambda _: [1, 2])],
    batch=contained,
    expand=_flat_first,
    native=loops(order_loops.isin, dtype="common", fits=_are_lines),
)
def isin(
    elements: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False
) -> Any:
    """Which elements are among the test elements.

    >>> cr.isin(cr.tensor([1, 2, 3]), [2, 3])
    tensor([False,  True,  True])
    """
    return np.isin(elements, test_elements, assume_unique=assume_unique, invert=invert)


@operation(
    arity=2,
    differentiable=False,
    numpy=(np.digitize,),
    samples=[S((3, 4), lambda _: [-1.0, 0.0, 1.0])],
    batch=digits,
    expand=_flat_first,
    native=loops(order_loops.digitize, dtype="common", fits=_are_lines),
)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """Number of the bin that each element falls in, as `numpy.digitize`.

    >>> cr.digitize(cr.tensor([0.5, 2.5]), [0.0, 1.0, 2.0])
    tensor([1, 3])
    """
    return np.digitize(x, bins, right=right)


# --- distinct values -----------------------------------------------------------------------------


class UniqueAll(NamedTuple):
    """What `unique_all` gives."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What `unique_counts` gives."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What `unique_inverse` gives."""

    values: Any
    inverse_indices: Any


def _distinct(x: Any) -> UniqueAll:
    """Sorted distinct values of an array; every NaN is distinct, as the standard asks."""
    x = np.asarray(x)
    found = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False
    )
    return UniqueAll(found[0], found[1], found[2].reshape(x.shape), found[3])


def _reverse_unique(ct: Any, _y: Any, x: Any) -> Any:
    """Elements of equal value share a gradient equally, as ties do everywhere."""
    if isinstance(ct, (tuple, list)):
        ct = ct[0]
    found = _distinct(numbers(x))
    share = (1 / found.counts[found.inverse_indices]).astype(x.dtype)
    return take(ct, found.inverse_indices) * share


_REPEATED = [
    S(lambda rng: rng.permutation(6.0 + np.arange(6)).reshape(2, 3)),
    S(lambda _: [0, 2, 1, 2]),
]


@operation(
    shape=_DISTINCT, reverse=(_reverse_unique,), numpy=(np.unique_values,), samples=_REPEATED
)
def unique_values(x: Any) -> Any:
    """The distinct elements, sorted; a gradient is shared equally among equal elements.

    >>> cr.unique_values(cr.tensor([2.0, 1.0, 2.0]))
    tensor([1., 2.])
    """
    return np.unique(x, equal_nan=False)


@operation(
    shape=_DISTINCT,
    reverse=(_reverse_unique,),
    results=2,
    numpy=(np.unique_counts,),
    samples=_REPEATED,
)
def unique_counts(x: Any) -> UniqueCounts:
    """The distinct elements, sorted, and how often each stands there.

    >>> cr.unique_counts(cr.tensor([2.0, 1.0, 2.0])).counts
    tensor([1, 2])
    """
    found = _distinct(x)
    return UniqueCounts(found.values, found.counts)


@operation(
    shape=_DISTINCT,
    reverse=(_reverse_unique,),
    results=2,
    numpy=(np.unique_inverse,),
    samples=_REPEATED,
)
def unique_inverse(x: Any) -> UniqueInverse:
    """The distinct elements, sorted, and for every element of x the position of its value there.

    >>> cr.unique_inverse(cr.tensor([2.0, 1.0, 2.0])).inverse_indices
    tensor([1, 0, 1])
    """
    found = _distinct(x)
    return UniqueInverse(found.values, found.inverse_indices)


@operation(
    shape=_DISTINCT,
    reverse=(_reverse_unique,),
    results=4,
    numpy=(np.unique_all,),
    samples=_REPEATED,
)
def unique_all(x: Any) -> UniqueAll:
    """The distinct elements, sorted: values, first positions, positions of x in them, counts.

    >>> cr.unique_all(cr.tensor([2.0, 1.0, 2.0])).indices
    tensor([1, 0])
    """
    return _distinct(x)


@composite(numpy=(np.unique,), samples=_REPEATED)
def unique(
    x: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    equal_nan: bool = True,
) -> Any:
    """The distinct elements, sorted, and what else is asked for, in NumPy's order.

    All NaN count as one unless `equal_nan` is False; then, and in the functions above, none is
    another's equal.

    >>> cr.unique(cr.tensor([2.0, 1.0, 2.0]), return_counts=True)
    (tensor([1., 2.]), tensor([1, 2]))
    """
    found = unique_all(x)
    missing = np.isnan(numbers(found.values)) if equal_nan else np.zeros(1, bool)
    if np.count_nonzero(missing) > 1:
        k = int(np.argmax(missing))
        counts = np.add.reduceat(numbers(found.counts), np.arange(k + 1))
        found = UniqueAll(
            getitem(found.values, slice(k + 1)),
            getitem(found.indices, slice(k + 1)),
            np.minimum(found.inverse_indices, k),
            set_item(getitem(found.counts, slice(k + 1)), counts, ...),
        )
    wanted = (True, return_index, return_inverse, return_counts)
    parts = tuple(part for part, want in zip(found, wanted, strict=True) if want)
    return parts[0] if len(parts) == 1 else parts


# --- choosing ------------------------------------------------------------------------------------


def _shape(x: Any) -> Shape:
    return x._value.shape if isinstance(x, Variable) else np.shape(x)


@composite(
    samples=[
        S((3, 4), lambda _: [[2], [0], [1]], (3, 1)),
        S((3, 4), lambda _: [[2, 0, 1, 1]], (), axis=0),
    ]
)
def put_along_axis(x: Any, indices: Any, values: Any, axis: int = -1) -> Any:
    """A copy of x with values written by position along an axis (see `take_along_axis`).

    >>> cr.put_along_axis(cr.tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], 9.0)
    tensor([[1., 9.],
            [9., 4.]])
    """
    return set_item(x, values, index_along(raw(indices), _shape(x), axis))


@composite(
    numpy=(np.compress,),
    samples=[
        S(lambda _: [True, False, True], (3, 2), axis=0),
        S(lambda _: [False, True], (2, 3)),
    ],
)
def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """Slices of x along an axis (elements by default) where the condition, in one row, holds.

    >>> cr.compress([True, False, True], cr.tensor([1.0, 2.0, 3.0]))
    tensor([1., 3.])
    """
    return take(x, np.flatnonzero(numbers(condition)), axis)


@composite(
    numpy=(np.extract,), samples=[S(lambda _: [[True, False, True], [False, True, True]], (2, 3))]
)
def extract(condition: Any, x: Any) -> Any:
    """The elements of x, in one row, where the condition of the same shape holds.

    >>> x = cr.tensor([1.0, 2.0, 3.0])
    >>> cr.extract(x > 1, x)
    tensor([2., 3.])
    """
    return take(x, np.flatnonzero(numbers(condition)))


@composite(
    numpy=(np.select,),
    untested="lists of arrays as operands; tests/test_indexing.py has it",
)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Elements of the first choice whose condition holds, else the default.

    >>> x = cr.tensor([-1.0, 2.0, 5.0])
    >>> cr.select([x < 0, x > 4], [-x, x * 10])
    tensor([ 1.,  0., 50.])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError("select: needs as many conditions as choices, and at least one")
    y = default
    for condition, choice in reversed(list(zip(condlist, choicelist, strict=True))):
        y = np.where(raw(condition), choice, y)
    return y


@composite(
    numpy=(np.choose,),
    untested="lists of arrays as operands; tests/test_indexing.py has it",
)
def choose(a: Any, choices: Sequence[Any], mode: str = "raise") -> Any:
    """For every element of the integer array `a`, the element of the choice it counts.

    `mode` says what a number out of range does: "raise", "wrap" or "clip".

    >>> cr.choose([0, 1, 0], [cr.tensor([1.0, 2.0, 3.0]), cr.tensor([10.0, 20.0, 30.0])])
    tensor([ 1., 20.,  3.])
    """
    number, n = np.asarray(raw(a)), len(choices)
    if mode == "wrap":
        number = number % n
    elif mode == "clip":
        number = np.clip(number, 0, n - 1)
    elif number.size and not (number.min() >= 0 and number.max() < n):
        raise ValueError(f"choose: there is no choice {number.max()} among {n}")
    y = choices[-1]
    for i in reversed(range(n)):
        y = np.where(number == i, choices[i], y)
    return y


@composite(
    numpy=(np.piecewise,),
    untested="functions as operands; tests/test_indexing.py has it",
)
def piecewise(
    x: Any, condlist: Any, funclist: Sequence[Callable[..., Any] | Any], *args: Any, **kw: Any
) -> Any:
    """A function given piece by piece: each function sees only the elements of its condition.

    A function more than there are conditions is for the elements left over. Where conditions
    overlap, the last one counts. A number stands for a constant function.

    >>> x = cr.tensor([-4.0, 9.0])
    >>> cr.piecewise(x, [x >= 0], [np.sqrt, 0.0])
    tensor([0., 3.])
    """
    masks = [np.asarray(raw(c), bool) for c in _conditions(raw(condlist), _shape(x))]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.logical_or.reduce(masks))
    if len(funclist) != len(masks):
        raise ValueError(
            f"piecewise: {len(masks)} conditions need {len(masks)} or {len(masks) + 1} functions, "
            f"not {len(funclist)}"
        )
    y = set_item(x, 0, ...)
    for mask, function in zip(masks, funclist, strict=True):
        if mask.any():
            piece = function(getitem(x, mask), *args, **kw) if callable(function) else function
            y = set_item(y, piece, mask)
    return y


def _conditions(given: Any, shape: Shape) -> list[Any]:
    """The conditions as a list: one array by itself stands for a list of one, as in NumPy."""
    if isinstance(given, (list, tuple)) and given and np.shape(raw(given[0])) == shape:
        return list(given)
    given = np.asarray(given)
    return [given] if given.shape == shape else list(given)
