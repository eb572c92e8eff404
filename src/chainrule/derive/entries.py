"""A batch of arrays with few entries each: what a walk makes of unit vectors, for a while.

The Jacobian of an elementwise function, of slices, of sums of these, has a few nonzero elements in
each row. Pushed through the walk as whole arrays, n unit vectors of n elements cost n**2 at every
operation; as entries (positions and values) they cost n. `on_entries` knows what the operations do
to entries that are mostly found there, and says NotImplemented for others, before which a batch is
made whole.

While tracing, positions are known and values are not: then the values are Tensors, and the compiled
program computes entries only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops.indexing import getitem, put
from chainrule.ops.joining import concat
from chainrule.ops.movement import reshape
from chainrule.ops.recording import general, is_traced
from chainrule.ops.table import TABLE

Shape = tuple[int, ...]

WORTH: Final = 4096
"""From this many elements in a batch of unit vectors on, entries take less time than arrays."""

_FEW: Final = 4
"""With up to this many entries, a product with a matrix is a sum of its rows."""

_SPARSE: Final = 4
"""There must be so many times as many elements as entries."""


class Entries:
    """A batch of arrays: example k is zeros of `shape` with `values[k]` added at `positions[k]`,
    counted as if it were flat.
    """

    __slots__ = ("positions", "shape", "values")

    def __init__(self, shape: Shape, positions: Any, values: Any) -> None:
        self.shape = shape
        self.positions = positions
        self.values = values

    @property
    def size(self) -> int:
        """Elements of one example."""
        return math.prod(self.shape)

    def whole(self, last: bool = False) -> Any:
        """The batch as an array, its examples along the first axis or along the last."""
        size, count = self.values.shape
        if is_traced(self.values):
            return self._put(last)
        whole = np.zeros((size, self.size), self.values.dtype)
        rows = np.arange(size)
        for j in range(count):
            whole[rows, self.positions[:, j]] += self.values[:, j]
        whole = whole.reshape((size, *self.shape))
        return np.moveaxis(whole, 0, -1) if last else whole

    def _put(self, last: bool) -> Any:
        """The same of values that are traced."""
        size, count = self.values.shape
        examples = np.arange(size)[:, None]
        places = self.positions * size + examples if last else examples * self.size + self.positions
        flat = put(reshape(self.values, (size * count,)), (places.ravel(),), (size * self.size,))
        return reshape(flat, (*self.shape, size) if last else (size, *self.shape))

    def moved(self, target: Any, shape: Shape) -> Entries:
        """Entries with the element at p now at `target[p]`, or nowhere where that is negative."""
        positions, values = target[self.positions], self.values
        gone = positions < 0
        if gone.any():
            positions, values = np.where(gone, 0, positions), _where(gone, 0.0, values)
        return Entries(shape, positions, values)


def units(shape: Shape, dtype: Any) -> Any:
    """The unit vectors of a space, one after the other: as entries, or as an array if they are few.

    >>> units((2,), np.float64)
    array([[1., 0.],
           [0., 1.]])
    """
    n = math.prod(shape)
    if n * n < WORTH:
        return np.eye(n, dtype=dtype).reshape((n, *shape))
    return Entries(shape, np.arange(n)[:, None], np.ones((n, 1), dtype))


def whole(x: Any) -> Any:
    """An operand, entries as an array."""
    return x.whole() if type(x) is Entries else x


def _where(condition: Any, yes: Any, no: Any) -> Any:
    """`where`, of traced values as well; a number is of the dtype of the other values."""
    if any(map(is_traced, (condition, yes, no))):
        return general(TABLE["where"], [condition, yes, no], {})
    return np.where(condition, yes, no)


# --- operations ----------------------------------------------------------------------------------


def on_entries(row: Any, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """The result of a row, some operand being entries and others the same for all examples, as
    entries or as an array; NotImplemented where there is no rule.
    """
    where = [i for i, x in enumerate(operands) if type(x) is Entries]
    if len(where) == 2:
        return _sum(row.name, *operands) if row.name in ("add", "subtract") else NotImplemented
    (i,) = where
    if any(isinstance(x, Variable) and not is_traced(x) for x in operands):
        return NotImplemented
    e = operands[i]
    if row.name in _SCALING and (i == 0 or row.name != "divide"):
        return _scaled(row, operands, i)
    if row.name == "negative":
        return Entries(e.shape, e.positions, -e.values)
    if row.name == "where" and i:
        return _chosen(e, i, *operands)
    if row.name == "sum":
        return _reduced(e, params)
    if row.name == "matmul" and len(e.shape) == 1:
        return _multiplied(e, operands[1].T if i == 0 else operands[0])
    if row.name == "put":
        places = np.arange(math.prod(params["shape"])).reshape(params["shape"])[params["index"]]
        fits = np.shape(places) == e.shape
        return e.moved(np.ravel(places), tuple(params["shape"])) if fits else NotImplemented
    if row.kind == "movement" and row.arity == 1 and row.results == 1:
        return _rearranged(row, e, params)
    return NotImplemented


_SCALING: Final = frozenset({"multiply", "strong_multiply", "divide"})


def _sum(name: str, a: Any, b: Any) -> Any:
    count = a.values.shape[1] + b.values.shape[1]
    if a.shape != b.shape or count * _SPARSE > a.size:
        return NotImplemented
    added = b.values if name == "add" else -b.values
    return Entries(
        a.shape,
        np.concatenate([a.positions, b.positions], axis=1),
        _side_by_side(a.values, added),
    )


def _side_by_side(a: Any, b: Any) -> Any:
    if is_traced(a) or is_traced(b):
        return concat([a, b], axis=1)
    return np.concatenate([a, b], axis=1)


def _at(x: Any, e: Entries) -> Any:
    """The elements of an operand at the entries, or None where it stretches them."""
    shape = getattr(x, "shape", ())
    if shape == ():
        return x
    if shape != e.shape:
        if len(shape) > len(e.shape) or np.broadcast_shapes(shape, e.shape) != e.shape:
            return None
        if is_traced(x):
            return None
        x = np.broadcast_to(x, e.shape)
    if is_traced(x):
        return getitem(reshape(x, (e.size,)), (e.positions,))
    return x.reshape(-1)[e.positions]


def _scaled(row: Any, operands: Sequence[Any], i: int) -> Any:
    e = operands[i]
    factor = _at(operands[1 - i], e)
    if factor is None:
        return NotImplemented
    pair = (e.values, factor) if i == 0 else (factor, e.values)
    traced = any(map(is_traced, pair))
    return Entries(e.shape, e.positions, general(row, pair, {}) if traced else row.evaluate(*pair))


def _chosen(e: Entries, i: int, condition: Any, *others: Any) -> Any:
    """`where` of entries and zero."""
    other, condition = others[2 - i], _at(condition, e)
    if condition is None or isinstance(other, Variable) or np.ndim(other) or other != 0:
        return NotImplemented
    pair = (e.values, 0.0) if i == 1 else (0.0, e.values)
    return Entries(e.shape, e.positions, _where(condition, *pair))


def _reduced(e: Entries, params: dict[str, Any]) -> Any:
    if params["dtype"] is not None:
        return NotImplemented
    memory = np.broadcast_to(np.int8(0), e.shape)
    kept = np.add.reduce(memory, axis=params["axis"], keepdims=True).shape
    shape = np.shape(np.add.reduce(memory, axis=params["axis"], keepdims=params["keepdims"]))
    n = math.prod(kept)
    if n == 1:
        if is_traced(e.values):
            return NotImplemented
        return np.add.reduce(e.values, axis=1).reshape((len(e.values), *shape))
    target = np.broadcast_to(np.arange(n).reshape(kept), e.shape).reshape(-1)
    return Entries(shape, target[e.positions], e.values)


def _multiplied(e: Entries, matrix: Any) -> Any:
    """`matrix @ example`: a sum of columns, one for each entry."""
    count = e.values.shape[1]
    if is_traced(matrix) or is_traced(e.values):
        return NotImplemented
    if matrix.ndim == 1:
        return np.add.reduce(matrix[e.positions] * e.values, axis=1)
    if matrix.ndim != 2 or count > _FEW:
        return NotImplemented
    columns = matrix.T
    total = columns[e.positions[:, 0]] * e.values[:, :1]
    for j in range(1, count):
        total += columns[e.positions[:, j]] * e.values[:, j : j + 1]
    return total


def _rearranged(row: Any, e: Entries, params: dict[str, Any]) -> Any:
    """A movement: where it takes each element of the result from, it says of positions too."""
    source = np.asarray(row.evaluate(np.arange(e.size).reshape(e.shape), **params))
    flat = source.reshape(-1)
    if flat.size > e.size:
        return NotImplemented
    target = np.full(e.size, -1)
    target[flat] = np.arange(flat.size)
    if not np.array_equal(target[flat], np.arange(flat.size)):  # some element is taken twice
        return NotImplemented
    return e.moved(target, source.shape)
