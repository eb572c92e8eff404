"""Rows that place their operands in a larger array: concat, stack, put, pad, scatters.

`pieces(v)` says what lies where. Where an index tells at compile time which piece it is in, the
element is read from there (`element`), and no array is made. Otherwise the array is made by a loop
over each piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.codegen.index import Coordinate
from chainrule.codegen.values import Value
from chainrule.codegen.views import Index, Unresolved, inverse, slices, stretched
from chainrule.ops.identities import NOTHING


@dataclass(eq=False, repr=False)
class Piece:
    """A part of an array: `source`, an operand broadcast to `shape`, each element at `place`."""

    source: Value
    shape: tuple[int, ...]
    place: Callable[[Index, Any], Index]
    """Index in the array of an index in the piece; a scope gives gathered positions."""
    back: Callable[[Index, Any], Any] | None = None
    """The index in the piece of an index in the array; None if it is not in the piece, False
    where that is not known at compile time."""
    how: str = "="


@dataclass(eq=False, repr=False)
class Placing:
    """An array as pieces over a base: an operand, or zeros where that is None."""

    base: Value | None
    pieces: list[Piece]
    whole: bool = False
    """The pieces cover everything."""


def placing(v: Value) -> Placing | None:
    """How a value is placed, or None for other rows."""
    rule = _RULES.get(v.op)
    return None if rule is None else rule(v)


def element(v: Value, index: Index, scope: Any) -> Any:
    """The element at an index of a placed value; raises Unresolved where pieces must be stored."""
    plan: Placing = scope.placing(v)
    if any(p.how != "=" or p.back is None for p in plan.pieces):
        raise Unresolved(v)
    for piece in reversed(plan.pieces):
        assert piece.back is not None
        inside = piece.back(index, scope)
        if inside is False:
            raise Unresolved(v)
        if inside is not None:
            return scope.cast(scope.at(piece.source, stretched(inside, piece.source.shape)), v.code)
    if plan.base is not None:
        return scope.cast(scope.at(plan.base, index), v.code)
    return scope.expressions.const(NOTHING.get(v.code, 0), v.code)


def _at_slices(source: Value, index: Any, shape: Sequence[int], how: str = "=") -> Piece | None:
    parts = slices(index, shape)
    if parts is None:
        return None
    inner = tuple(count for kind, _, _, count in parts if kind != "int")

    def place(i: Index, _scope: Any) -> Index:
        from chainrule.codegen.index import plus, times

        found: list[Coordinate] = []
        coordinates = iter(i)
        for kind, start, step, _ in parts:
            if kind == "int":
                found.append(start)
                continue
            c = next(coordinates)
            if kind == "slice":
                found.append(plus(times(c, step), start))
        return tuple(found)

    def back(i: Index, scope: Any) -> Any:
        found: list[Coordinate] = []
        coordinates = iter(i)
        unknown = False
        for kind, start, step, count in parts:
            if kind == "new":
                found.append(0)
                continue
            c = next(coordinates)
            if kind == "int":
                step, count = 1, 1
            inside = inverse(c, start, step, count, scope) if count else None
            if inside is None:
                return None
            unknown |= inside is False
            if kind == "slice":
                found.append(inside)
        return False if unknown else tuple(found)

    source_shape = source.shape
    if len(source_shape) > len(inner):
        return None
    return Piece(source, inner, place, back, how)


def _concat(v: Value) -> Placing | None:
    axis = v.params["axis"]
    if axis is None:
        return None
    axis %= v.ndim
    pieces, start = [], 0
    for x in v.args:
        end = start + x.shape[axis]
        index = (slice(None),) * axis + (slice(start, end),)
        if end > start:
            piece = _at_slices(x, index, v.shape)
            assert piece is not None
            pieces.append(piece)
        start = end
    return Placing(None, pieces, whole=True)


def _tiles(v: Value) -> Placing:
    pieces = []
    for x, start in zip(v.args, v.params["starts"], strict=True):
        index = tuple([slice(a, a + n) for a, n in zip(start, x.shape, strict=True)])
        piece = _at_slices(x, index, v.shape)
        assert piece is not None
        pieces.append(piece)
    return Placing(None, pieces, whole=True)


def _stack(v: Value) -> Placing:
    axis = v.params["axis"] % v.ndim
    pieces = []
    for k, x in enumerate(v.args):
        piece = _at_slices(x, (slice(None),) * axis + (k,), v.shape)
        assert piece is not None
        pieces.append(piece)
    return Placing(None, pieces, whole=True)


def _put(v: Value) -> Placing | None:
    piece = _at_slices(v.args[0], v.params["index"], v.shape)
    return None if piece is None else Placing(None, [piece])


def _set_item(v: Value) -> Placing | None:
    piece = _at_slices(v.args[1], v.params["index"], v.shape)
    return None if piece is None else Placing(v.args[0], [piece])


def _put_diagonal(v: Value) -> Placing | None:
    x, p = v.args[0], v.params
    a, b = p["axis1"] % v.ndim, p["axis2"] % v.ndim
    down, right = max(-p["offset"], 0), max(p["offset"], 0)
    count = x.shape[-1]

    def place(i: Index, _scope: Any) -> Index:
        from chainrule.codegen.index import plus

        rest = list(i[:-1])
        ends = {a: plus(i[-1], down), b: plus(i[-1], right)}
        return tuple(ends[k] if k in ends else rest.pop(0) for k in range(v.ndim))

    def back(i: Index, scope: Any) -> Any:
        from chainrule.codegen.index import plus

        one = inverse(i[a], down, 1, count, scope)
        two = inverse(i[b], right, 1, count, scope)
        if one is None or two is None:
            return None
        if one is False or two is False:
            return False
        apart = plus(one, -two) if isinstance(two, int) else None
        if one != two:
            known = isinstance(apart, int) or (isinstance(one, int) and isinstance(two, int))
            return None if known else False
        return (*(c for k, c in enumerate(i) if k not in (a, b)), one)

    return Placing(None, [Piece(x, x.shape, place, back)])


def _pad(v: Value) -> Placing | None:
    p = v.params
    if p.get("mode", "constant") != "constant" or p.get("constant_values", 0) != 0:
        return None
    x = v.args[0]
    widths = np.broadcast_to(np.asarray(p["pad_width"]), (x.ndim, 2))
    index = tuple(slice(int(w), int(w) + n) for (w, _), n in zip(widths, x.shape, strict=True))
    piece = _at_slices(x, index, v.shape)
    return None if piece is None else Placing(None, [piece])


# --- scatters ------------------------------------------------------------------------------------


def _scatter_positions(v: Value) -> Placing:
    x, positions = v.args

    def place(i: Index, scope: Any) -> Index:
        c = scope.position(scope.at(positions, stretched(i, positions.shape)), v.size, "raise")
        return (c,) if v.ndim == 1 else _linear(c, v)

    shape = np.broadcast_shapes(x.shape, positions.shape)
    return Placing(None, [Piece(x, shape, place, None, "add")])


def _linear(c: Coordinate, v: Value) -> Index:
    """A position in the whole array, as the index of its last axis: only the sum counts."""
    return (*(0,) * (v.ndim - 1), c)


def _scatter_add(v: Value) -> Placing | None:
    g, indices = v.args
    axis, mode = v.params["axis"], v.params["mode"]
    n = v.size if axis is None else v.shape[axis]
    at = 0 if axis is None else axis % v.ndim
    k = indices.ndim
    shape = indices.shape if axis is None else (*v.shape[:at], *indices.shape, *v.shape[at + 1 :])

    def place(i: Index, scope: Any) -> Index:
        c = scope.position(scope.at(indices, i[at : at + k]), n, mode)
        return _linear(c, v) if axis is None else (*i[:at], c, *i[at + k :])

    return Placing(None, [Piece(g, shape, place, None, "add")])


def _add_along_axis(v: Value) -> Placing:
    g, indices = v.args
    axis = v.params["axis"]
    if axis is None:
        shape: tuple[int, ...] = indices.shape
    else:
        axis %= v.ndim
        shape = tuple(indices.shape[k] if k == axis else n for k, n in enumerate(v.shape))

    def place(i: Index, scope: Any) -> Index:
        n = v.size if axis is None else v.shape[axis]
        c = scope.position(scope.at(indices, stretched(i, indices.shape)), n, "raise")
        return _linear(c, v) if axis is None else (*i[:axis], c, *i[axis + 1 :])

    return Placing(None, [Piece(g, shape, place, None, "add")])


def _put_array(v: Value) -> Placing | None:
    """`put` at one array of integers among full slices, or at arrays by a table of positions."""
    index = v.params["index"]
    table = np.arange(math.prod(v.shape)).reshape(v.shape)[index]
    source = v.args[0]
    if len(source.shape) > table.ndim:
        return None

    def place(i: Index, scope: Any) -> Index:
        position = scope.integer(scope.element(scope.constant(table), i), v.size)
        return _linear(position, v)

    return Placing(None, [Piece(source, table.shape, place, None, "add")])


def _add_at(v: Value) -> Placing | None:
    x, value = v.args
    table = np.arange(math.prod(x.shape)).reshape(x.shape)[v.params["index"]]
    if value.ndim > np.ndim(table):
        return None

    def place(i: Index, scope: Any) -> Index:
        position = scope.integer(scope.element(scope.constant(table), i), v.size)
        return _linear(position, v)

    return Placing(x, [Piece(value, np.shape(table), place, None, "add")])


def _at_traced(v: Value) -> Placing | None:
    from chainrule.codegen.dynamic import placed

    found = placed(v)
    if found is None:
        return None
    base, source, shape, place, how = found
    return Placing(base, [Piece(source, shape, place, None, how)])


_RULES: dict[str, Callable[[Value], Placing | None]] = {
    "concat": _concat,
    "tiles": _tiles,
    "stack": _stack,
    "put": lambda v: _put(v) or _put_array(v),
    "set_item": _set_item,
    "put_diagonal": _put_diagonal,
    "pad": _pad,
    "scatter_positions": _scatter_positions,
    "scatter_add": _scatter_add,
    "add_along_axis": _add_along_axis,
    "add_at": _add_at,
    **dict.fromkeys(("set_item_at_traced", "add_at_at_traced", "put_at_traced"), _at_traced),
}
