"""Movement: where an element of the result comes from. `view(v, index, scope)` gives the operand
and the index in it, so that no copy is made: transposes, slices, broadcasts and gathers disappear
into the expressions that read them.

Rows that place elements (concat, put, pad ...) are in `codegen.placing`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.codegen.index import Coordinate, bounds, plus, times
from chainrule.codegen.values import Value
from chainrule.ops.axes import axes_of

Index = Any
"""A tuple of coordinates, or a `Flat` position."""


class Flat:
    """A position in an array, counted as if it were flat: all one needs of an array in memory."""

    __slots__ = ("position",)

    def __init__(self, position: Coordinate) -> None:
        self.position = position

    def __hash__(self) -> int:
        return hash(self.position)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Flat) and self.position == other.position


BASIC: Final = frozenset({
    "reshape", "expand_dims", "squeeze", "broadcast_to", "permute_dims", "matrix_transpose",
    "moveaxis", "swapaxes", "flip", "rot90", "diagonal",
})  # fmt: skip
"""Rows whose result shows the memory of a contiguous operand."""

TABLED: Final = frozenset({
    "roll", "tile", "repeat", "split", "unstack", "fftshift", "ifftshift", "reshape",
})  # fmt: skip
"""Rows that are followed by running them on an array of positions."""


class Unresolved(Exception):
    """An index that cannot be followed through a value, which must be in memory then."""

    def __init__(self, value: Value) -> None:
        super().__init__(value)
        self.value = value


def is_view(v: Value) -> bool:
    """Whether a value only shows elements of an operand."""
    if v.op == "select":
        return v.args[0].op in TABLED
    if v.op == "getitem_at_traced":
        from chainrule.codegen.dynamic import parts_of

        return parts_of(v, v.args[0].shape) is not None
    return (
        v.op in BASIC or v.op in TABLED or v.op in _GATHERS or v.op in ("getitem", "copy", "alias")
    )


def view(v: Value, index: Index, scope: Any) -> tuple[Value, Index]:
    """The operand and the index in it of an element of a view."""
    x = v.args[0]
    if v.op in ("copy", "alias"):
        return x, index
    if v.op == "broadcast_to":
        return x, stretched(index, x.shape)
    if v.op in ("permute_dims", "matrix_transpose", "moveaxis", "swapaxes"):
        return x, _permuted(v, index)
    if v.op == "getitem_at_traced":
        from chainrule.codegen.dynamic import getitem

        return getitem(v, index, scope)
    gather = _GATHERS.get(v.op)
    if gather is not None:
        return gather(v, index, scope)
    if v.op == "getitem":
        found = _getitem(v, index, scope)
        if found is not None:
            return x, found
    if v.op == "select":
        whole = v.args[0]
        return whole.args[0], _tabled(whole, index, scope, v.params["index"])
    layout = _layout(v) if v.op in BASIC or v.op == "getitem" else None
    if layout is None:
        return x, _tabled(v, index, scope, None)
    offset, strides = layout
    position: Coordinate = offset
    for c, s in zip(index, strides, strict=True):
        position = plus(position, times(c, s))
    return x, Flat(position)


def stretched(index: Index, shape: Sequence[int]) -> Index:
    """The index in an operand that is broadcast."""
    extra = len(index) - len(shape)
    return tuple(0 if n == 1 else c for c, n in zip(index[extra:], shape, strict=True))


def _permuted(v: Value, index: Index) -> Index:
    ndim = v.ndim
    marks = np.lib.stride_tricks.as_strided(np.empty(1, "i1"), (1,) * ndim, range(ndim))
    axes = v.row.evaluate(marks, **v.params).strides
    found: list[Coordinate] = [0] * ndim
    for c, axis in zip(index, axes, strict=True):
        found[axis] = c
    return tuple(found)


def _layout(v: Value) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides, in elements, of a view of a contiguous operand; None if it is no view."""
    if v.layout is not False:
        return v.layout
    v.layout = None
    if v.params.get("order", "C") == "C" and (v.op != "getitem" or _is_basic(v.params["index"])):
        memory = np.empty(v.args[0].shape, "i1")
        shown = v.row.evaluate(memory, **v.params)
        if not isinstance(shown, np.ndarray):  # of no axes: the one element, or one of several
            if memory.size > 1:
                return None
            shown = memory.reshape(())
        offset = shown.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
        v.layout = (offset, shown.strides)
    return v.layout


def strided(v: Value, base: Value) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides, in elements, of views of views of a contiguous array; None if some copy
    of it would be needed.
    """
    chain = []
    while v is not base:
        basic = v.op in BASIC or (v.op == "getitem" and _is_basic(v.params["index"]))
        if not basic and v.op not in ("copy", "alias"):
            return None
        chain.append(v)
        v = v.args[0]
    memory = shown = np.empty(base.shape, "i1")
    for v in reversed(chain):
        if v.op not in ("copy", "alias"):
            shown = v.row.evaluate(shown, **v.params)
            if not isinstance(shown, np.ndarray) or not np.may_share_memory(shown, memory):
                return None
    offset = shown.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return offset, shown.strides


def _is_basic(index: Any) -> bool:
    parts = index if type(index) is tuple else (index,)
    return all(
        p is None
        or p is Ellipsis
        or type(p) is slice
        or (isinstance(p, (int, np.integer)) and not isinstance(p, bool))
        for p in parts
    )


def _tabled(v: Value, index: Index, scope: Any, which: int | None) -> Index:
    """By a table of positions: the row run on an array of them."""
    x = v.args[0]
    table = scope.table(v, which)
    return Flat(scope.integer(scope.element(table, index), x.size))


# --- gathers -------------------------------------------------------------------------------------


def _getitem(v: Value, index: Index, scope: Any) -> Index | None:
    """`x[..., positions, ...]` with one array of integers among slices; None for other indices."""
    given = v.params["index"]
    parts = list(given) if type(given) is tuple else [given]
    arrays = [p for p in parts if isinstance(p, np.ndarray) and p.ndim]
    if len(arrays) != 1 or arrays[0].dtype.kind not in "iu":
        return None
    x = v.args[0]
    if Ellipsis in [p for p in parts if not isinstance(p, np.ndarray)]:
        where = next(i for i, p in enumerate(parts) if p is Ellipsis)
        parts[where : where + 1] = [slice(None)] * (x.ndim - len(parts) + 1)
    parts += [slice(None)] * (x.ndim - len(parts))
    if not all(isinstance(p, np.ndarray) or p == slice(None) for p in parts):
        return None
    axis = next(i for i, p in enumerate(parts) if isinstance(p, np.ndarray))
    n = x.shape[axis]
    table = scope.constant(np.where(arrays[0] < 0, arrays[0] + n, arrays[0]).astype(np.int64))
    last = axis + arrays[0].ndim
    place = scope.integer(scope.element(table, index[axis:last]), n)
    return (*index[:axis], place, *index[last:])


def _take(v: Value, index: Index, scope: Any) -> tuple[Value, Index]:
    x, indices = v.args
    axis, mode = v.params["axis"], v.params["mode"]
    n = x.size if axis is None else x.shape[axis]
    axis = 0 if axis is None else axis % x.ndim
    last = axis + indices.ndim
    place = scope.position(scope.at(indices, index[axis:last]), n, mode)
    if v.params["axis"] is None:
        return x, Flat(place)
    return x, (*index[:axis], place, *index[last:])


def _take_along(v: Value, index: Index, scope: Any) -> tuple[Value, Index]:
    x, indices = v.args
    axis = v.params["axis"]
    if axis is None:
        place = scope.position(scope.at(indices, index), x.size, "raise")
        return x, Flat(place)
    axis %= x.ndim
    place = scope.position(
        scope.at(indices, stretched(index, indices.shape)), x.shape[axis], "raise"
    )
    rest = list(stretched(index, [1 if k == axis else n for k, n in enumerate(x.shape)]))
    rest[axis] = place
    return x, tuple(rest)


def _gather(v: Value, index: Index, scope: Any) -> tuple[Value, Index]:
    x, positions = v.args
    place = scope.position(scope.at(positions, index), x.size, "raise")
    return x, Flat(place)


_GATHERS: Final[dict[str, Callable[..., Any]]] = {
    "take": _take,
    "take_along_axis": _take_along,
    "gather_positions": _gather,
}

# --- inverses ------------------------------------------------------------------------------------


def inverse(
    c: Coordinate, start: int, step: int, count: int, scope: Any
) -> Coordinate | bool | None:
    """Which element of a slice lies at a coordinate: a coordinate, None for none, or False where
    that differs from one point of the loops to another.
    """
    if isinstance(c, int):
        q, r = divmod(c - start, step)
        return q if r == 0 and 0 <= q < count else None
    reach = bounds(c, scope)
    if reach is None:
        return False
    low, high = start, start + step * (count - 1)
    low, high = min(low, high), max(low, high)
    if reach[1] < low or reach[0] > high:
        return None
    if step != 1:
        return False
    return plus(c, -start) if reach[0] >= low and reach[1] <= high else False


Part = tuple[str, Any, int, int]
"""("slice", start, step, count), ("int", number, 0, 1), ("new", 0, 0, 1), ("hole", Value, 0, 0)."""


def slices(index: Any, shape: Sequence[int]) -> list[Part] | None:
    """A basic index, part by part: ("slice", start, step, count), ("int", i, 0, 1) of an axis of
    the operand, or ("new", 0, 0, 1) of an axis of the result; None for an index with arrays.
    """
    return parts_at(index, shape) if _is_basic(index) else None


def parts_at(
    index: Any, shape: Sequence[int], other: Callable[[Any], Part | None] = lambda _: None
) -> list[Part] | None:
    """An index of an array of a shape, part by part. What is neither an integer, a slice, None nor
    Ellipsis is asked of `other`; None where that gives none.
    """
    parts = list(index) if type(index) is tuple else [index]
    named = sum(p is not None and p is not Ellipsis for p in parts)
    if not any(p is Ellipsis for p in parts):
        parts.append(Ellipsis)
    found: list[Part] = []
    axis = 0
    for p in parts:
        if p is None:
            found.append(("new", 0, 0, 1))
        elif p is Ellipsis:
            for _ in range(len(shape) - named):
                found.append(("slice", 0, 1, shape[axis]))
                axis += 1
        elif type(p) is slice:
            r = range(*p.indices(shape[axis]))
            found.append(("slice", r.start, r.step, len(r)))
            axis += 1
        elif isinstance(p, (int, np.integer)) and not isinstance(p, bool):
            found.append(("int", int(p) % shape[axis], 0, 1))
            axis += 1
        else:
            part = other(p)
            if part is None:
                return None
            found.append(part)
            axis += 1
    return found


def axes(v: Value, x: Value) -> tuple[int, ...]:
    """The axes that a reduction takes."""
    return axes_of(v.params.get("axis"), x.ndim)
