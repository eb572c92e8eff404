"""Rules for batches of rows that take an index, a position or a list of positions.

NumPy puts the axes that arrays in an index make where the arrays stood, if they stand next to each
other, and first otherwise. A rule writes the index that does for a batch what the given one does
for an example, and says in which order the axes come out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops.batched import Params, dimensions, rank, repeated, widened
from chainrule.ops.recording import general
from chainrule.ops.table import TABLE

Parts = tuple[Any, ...]

# --- where the axes of an index go ---------------------------------------------------------------


def _is_array(part: Any) -> bool:
    return isinstance(part, (np.ndarray, Variable, np.generic))


def _taken(part: Any) -> int:
    """How many axes of the array a part of an index stands for."""
    if part is None:
        return 0
    if _is_array(part) and part.dtype.kind == "b":
        return dimensions(part)
    return 1


@dataclass
class Layout:
    """The result's axes of an index: `before` the arrays' axes, these, and the rest."""

    arrays: int
    """Axes that the arrays in the index make together."""
    before: int
    """Axes in front of them; 0 where they come first as they do not stand together."""
    apart: bool
    """Whether they do not stand together."""
    count: int
    """Axes of the result."""


def layout(parts: Parts, ndim: int, extra: Sequence[int] = ()) -> Layout:
    """Where the axes go, `ndim` being those of the array; `extra` are parts with a batch axis,
    whose examples count.
    """
    taken = sum(_taken(p) for p in parts if p is not Ellipsis)
    spread = ndim - taken
    arrays, places, before, count = 0, [], 0, 0
    for k, part in enumerate(parts):
        if _is_array(part):
            arrays = max(arrays, 1 if part.dtype.kind == "b" else dimensions(part) - (k in extra))
            places.append(k)
        elif isinstance(part, int):
            places.append(k)
        else:
            n = spread if part is Ellipsis else 1
            count += n
            before += n * (not places)
    if Ellipsis not in [p for p in parts if p is Ellipsis]:
        count += spread
    apart = bool(places) and places[-1] - places[0] >= len(places)
    if not arrays:
        return Layout(0, 0, False, count)
    return Layout(arrays, 0 if apart else before, apart, arrays + count)


def _odd(parts: Parts) -> bool:
    """Whether a part is a single boolean, which makes an axis of its own."""
    return any(
        isinstance(p, (bool, np.bool_)) or (_is_array(p) and not dimensions(p) and p.dtype == bool)
        for p in parts
    )


@dataclass
class Batched:
    """An index for a batch, and `order`: the axes of what it reads, as an example has them, the
    batch in front.
    """

    index: Parts
    order: list[int] | None
    count: int
    """Axes of what one example reads."""

    def read(self, y: Any) -> Any:
        """What the index read, with the batch as first axis."""
        return y if self.order is None else np.transpose(y, self.order)

    def written(self, value: Any, moved: bool) -> Any:
        """A value, which broadcasts to what an example has at the index, as the index writes it."""
        extra = rank(value, moved) - self.count
        if moved:
            value = widened(value, self.count)
            if extra > 0:  # NumPy stores [[1, 2]] where there is room for [1, 2]
                value = value.reshape((value.shape[0], *value.shape[1 + extra :]))
        elif self.order is not None:
            value = value if hasattr(value, "shape") else np.asarray(value)
            shape = value.shape[max(extra, 0) :]
            value = value.reshape((*(1,) * (1 + self.count - len(shape)), *shape))
        if self.order is None:
            return value
        return np.transpose(value, np.argsort(self.order).tolist())


def same_for_all(parts: Parts, ndim: int) -> Batched:
    """An index that all examples share."""
    at = layout(parts, ndim)
    index = (slice(None), *parts)
    if not at.apart:
        return Batched(index, None, at.count)
    n = at.arrays
    return Batched(index, [n, *range(n), *range(n + 1, at.count + 1)], at.count)


def one_for_each(parts: Parts, ndim: int, moved: Sequence[int], size: int) -> Batched:
    """An index whose parts numbered in `moved` have a batch axis: with the examples' numbers it is
    an index of the whole batch, in which the arrays' axes come first.
    """
    at = layout(parts, ndim, moved)
    n, b = at.arrays, at.before
    numbers = np.arange(size).reshape((size, *(1,) * n))
    index = (numbers, *(widened(p, n) if k in moved else p for k, p in enumerate(parts)))
    if not b:
        return Batched(index, None, at.count)
    order = [0, *range(1 + n, 1 + n + b), *range(1, 1 + n), *range(1 + n + b, 1 + at.count)]
    return Batched(index, order, at.count)


# --- rows with an index --------------------------------------------------------------------------


def _parts(index: Any) -> Parts:
    return index if type(index) is tuple else (index,)


def at_same_index(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`getitem`, `put`, `set_item`, `add_at`, `last_writers` at an index that all share."""
    parts = _parts(params["index"])
    if _odd(parts):
        return NotImplemented
    shape = _example(row, operands[0], moved[0], params)
    return _run(row, size, operands, moved, params, same_for_all(parts, len(shape)), shape)


def at_own_index(_: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`at_index`: one of those rows, with operands in its index that may differ by example."""
    row, inner = params["row"], params["params"]
    count = row.arity
    given = _parts(inner["index"])
    parts = tuple(operands[p.number] if hasattr(p, "number") else p for p in given)
    own = [k for k, p in enumerate(given) if hasattr(p, "number") and moved[p.number]]
    operands, moved = operands[:count], moved[:count]
    if not own:
        whole = parts if type(inner["index"]) is tuple else parts[0]
        return at_same_index(row, size, operands, moved, {**inner, "index": whole})
    shape = _example(row, operands[0], moved[0], inner)
    if _odd(parts):
        return NotImplemented
    if row.name == "getitem" and not moved[0]:
        return _read_shared(operands[0], parts, own)
    return _run(
        row, size, operands, moved, inner, one_for_each(parts, len(shape), own, size), shape
    )


def _read_shared(x: Any, parts: Parts, own: Sequence[int]) -> Any:
    """One array read at an index for each example: the batch is one more axis of the arrays."""
    n = layout(parts, len(x.shape), own).arrays
    index = tuple(widened(p, n) if k in own else p for k, p in enumerate(parts))
    before = layout(index, len(x.shape)).before
    y = TABLE["getitem"].function(x, index)
    return np.moveaxis(y, before, 0) if before else y


def _example(row: Any, x: Any, moved: bool, params: Params) -> tuple[int, ...]:
    """Shape of one example of the array that is indexed."""
    return tuple(params["shape"]) if row.name == "put" else tuple(x.shape[int(moved) :])


def _run(
    row: Any,
    size: int,
    operands: Sequence[Any],
    moved: Sequence[bool],
    params: Params,
    at: Batched,
    shape: tuple[int, ...],
) -> Any:
    x = operands[0]
    if row.name == "put":
        return _apply(row, [at.written(x, moved[0])], at.index, shape=(size, *shape))
    if row.name == "last_writers":
        return at.read(_apply(row, [np.empty((size, *shape))], at.index))
    x = repeated(x, moved[0], size)
    if row.name == "getitem":
        return at.read(_apply(row, [x], at.index))
    return _apply(row, [x, at.written(operands[1], moved[1])], at.index)


def _apply(row: Any, operands: Sequence[Any], index: Parts, **params: Any) -> Any:
    """A row at an index, which its function takes apart where it has Tensors in it."""
    if any(isinstance(p, Variable) for p in index):
        return row.function(*operands, index=index, **params)
    return general(row, operands, {"index": index, **params})


# --- positions along an axis ---------------------------------------------------------------------


def taken(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`take`."""
    x, positions = operands
    axis, mode = params["axis"], params["mode"]
    if axis is None:
        x = (
            x.reshape((size, -1) if moved[0] else (-1,))
            if size
            else x.reshape((0, _size(x, moved[0])))
        )
        axis = 0
    n = rank(x, moved[0])
    axis %= n
    if not moved[1]:
        return general(row, [x, positions], {"axis": axis + 1, "mode": mode})
    if not moved[0]:
        y = general(row, [x, positions], {"axis": axis, "mode": mode})
        return np.moveaxis(y, axis, 0)
    positions = _inside(positions, x.shape[axis + 1], mode)
    at = one_for_each((*[slice(None)] * axis, positions), n, [axis], size)
    return at.read(TABLE["getitem"].function(x, at.index))


def _size(x: Any, moved: bool) -> int:
    return math.prod(x.shape[int(moved) :])


def _inside(positions: Any, n: int, mode: str) -> Any:
    """Positions by the mode of `take`; those that "raise" are left as they are."""
    if mode == "wrap":
        return positions % n
    return np.clip(positions, 0, n - 1) if mode == "clip" else positions


def added(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`scatter_add`, the transpose of `take`."""
    g, positions = operands
    shape, axis, mode = params["shape"], params["axis"], params["mode"]
    flat = (math.prod(shape),) if axis is None else tuple(shape)
    axis = 0 if axis is None else axis % len(flat)
    own = moved[1]
    positions = _inside(positions if own else np.asarray(positions), flat[axis], mode)
    parts = (*[slice(None)] * axis, positions)
    if own:
        at = one_for_each(parts, len(flat), [axis], size)
    else:
        at = same_for_all(parts, len(flat))
    y = TABLE["put"].function(at.written(g, moved[0]), at.index, (size, *flat))
    return y.reshape((size, *shape))


def taken_along(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`take_along_axis`."""
    x, positions = operands
    axis = params["axis"]
    if axis is None:
        x, axis = x.reshape((*x.shape[: int(moved[0])], _size(x, moved[0]))), 0
    axis = axis % rank(x, moved[0]) + 1
    return general(row, _with_batch_axes(x, positions, moved), {"axis": axis})


def added_along(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`add_along_axis`, the transpose of `take_along_axis`."""
    g, positions = operands
    shape, axis = params["shape"], params["axis"]
    flat = (math.prod(shape),) if axis is None else tuple(shape)
    axis = (axis or 0) % len(flat) + 1
    operands = _with_batch_axes(g, positions, moved)
    return general(row, operands, {"axis": axis, "shape": (size, *flat)}).reshape((size, *shape))


def _with_batch_axes(x: Any, positions: Any, moved: Sequence[bool]) -> list[Any]:
    """Operands with a first axis of size one where they have no batch."""
    x = x if moved[0] else (x if hasattr(x, "shape") else np.asarray(x))[None]
    return [x, positions if moved[1] else np.asarray(positions)[None]]


def at_positions(row: Any, size: int, operands: Sequence[Any], moved: Any, params: Params) -> Any:
    """`gather_positions` and `scatter_positions`: examples are further along in the flat array."""
    x, positions = operands
    if row.name == "gather_positions":
        if not moved[0]:
            return general(row, operands, params)
        n = _size(x, True)
        if not moved[1]:
            return np.take(x.reshape((size, n)), positions, axis=1)
        return general(row, [x, _numbered(positions, n, size)], params)
    shape = params["shape"]
    x = repeated(x, moved[0], size)
    if not moved[1]:
        positions = np.asarray(positions)[None]
    elif rank(positions, True) < rank(x, True):
        positions = widened(positions, rank(x, True))
    positions = np.broadcast_to(positions, x.shape)
    return general(
        row, [x, _numbered(positions, math.prod(shape), size)], {"shape": (size, *shape)}
    )


def _numbered(positions: Any, n: int, size: int) -> Any:
    """Positions in every example of n elements, as positions in all of them one after the other."""
    return positions + n * np.arange(size).reshape((size, *(1,) * (len(positions.shape) - 1)))
