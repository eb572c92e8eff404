"""Sums of arrays of which some are zero but for a slice: one array, written slice by slice.

The transpose of `u[1:] - u[:-1]` is a sum of two arrays padded with zeros, and that of a stencil a
sum of as many as it has points. Along every axis the ends of the slices cut the array in intervals;
in a box of these each term is either there as a whole or not at all, so the box is a sum of slices
without zeros, and the boxes together (`ops.joining.tiles`) are the sum.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import operands as given
from chainrule.graph.node import Node, Variable
from chainrule.ops.axes import axes_of
from chainrule.ops.recording import wrapped
from chainrule.ops.table import TABLE

FEW: Final = 9
"""Sums over more boxes are left as they are."""

BOXES: Final = 64
"""A sum that would fall into more boxes is left as it is."""

TERMS: Final = 32
"""Neither are terms of a sum of more of them looked at one by one."""

SMALL: Final = 36
"""So is one of arrays of at most so many elements: those are written out anyway."""


@dataclass(eq=False, repr=False)
class Term:
    """A part of a sum: an array of as many axes as the sum, lying at `start`, times numbers."""

    array: Any
    start: tuple[int, ...]
    stop: tuple[int, ...]
    factors: tuple[tuple[Any, Any], ...] = ()
    """Rows of products and numbers, the last of which is outermost."""

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(b - a for a, b in zip(self.start, self.stop, strict=True))


def slices_added(node: Node, operands: list[Any], build: Any) -> Any:
    """A sum of terms of which one at least is a slice among zeros; None for other sums.

    The terms are noted, as the sum may be a part of a longer one.
    """
    assert node.saved is not None
    result = node.saved[0]
    if result.size <= SMALL or not all(_fits(x, result) for x in operands):
        return None
    sides = [_terms(x, build) for x in operands]
    if sides[0] is None and sides[1] is None:
        return None
    terms = [
        t
        for x, side in zip(operands, sides, strict=True)
        for t in (side or [Term(x, (0,) * result.ndim, result.shape)])
    ]
    total = _assembled(terms, result, build)
    if total is None:
        total = build.do(TABLE["add"], operands)
    if len(terms) <= TERMS:
        build.sums[total._node] = terms
    return total


def _assembled(terms: Sequence[Term], result: Any, build: Any) -> Any:
    """The sum in boxes, where that is worth it: slices together are not small, and boxes are few.

    The parts of an array, each used by itself, as the gates of a cell, are small one by one.
    """
    slices = [t.size for t in terms if t.size < result.size]
    if 2 * sum(slices) < result.size:
        return None
    boxes = _boxes(terms, result.shape)
    if len(boxes) > BOXES:
        return None
    arrays = [_sum(start, stop, terms, result, build) for start, stop in boxes]
    starts = tuple([start for start, _ in boxes])
    return build.do(TABLE["tiles"], arrays, starts=starts, shape=result.shape)


def _fits(x: Any, result: Any) -> bool:
    return (
        isinstance(x, Variable)
        and x._value.shape == result.shape
        and (x._value.dtype == result.dtype)
    )


def _terms(x: Any, build: Any) -> list[Term] | None:
    """What an operand is a sum of, where some of it is a slice among zeros."""
    node = x._node
    if node in build.sums:
        found: list[Term] = build.sums[node]
        return found
    if node is None or node.op is None:
        return None
    if node.op.name in ("multiply", "strong_multiply"):
        return _scaled(node, build)
    if node.op.name != "put" or node.inputs[0] is None:
        return None
    index = node.params["index"]
    where = _ranges(index, x._value.shape)
    if where is None:
        return None
    g = wrapped(build.cls, node.saved[1], node.inputs[0])
    shape = tuple(b - a for a, b in where)
    if math.prod(shape) == 0:
        return None
    if g._value.shape != shape:
        selected = [n for n, p in zip(shape, _by_axis(index, len(shape)), strict=True) if p is None]
        if list(g._value.shape) != selected:
            return None
        g = build.do(TABLE["reshape"], [g], shape=shape)
    return [Term(g, tuple(a for a, _ in where), tuple(b for _, b in where))]


def _scaled(node: Node, build: Any) -> list[Term] | None:
    """The terms of a sum times a number, each times the number: zeros stay zeros."""
    assert node.saved is not None
    result = node.saved[0]
    pairs = [v if n is None else wrapped(build.cls, v, n) for n, v in given(node)]
    for x, number in (pairs, pairs[::-1]):
        if not _fits(x, result):
            continue
        if math.prod(getattr(number, "shape", ())) != 1 or not _keeps_zeros(node, number):
            continue
        terms = _terms(x, build)
        if terms is None or len(terms) > TERMS:
            return None
        return [Term(t.array, t.start, t.stop, (*t.factors, (node.op, number))) for t in terms]
    return None


def _keeps_zeros(node: Node, number: Any) -> bool:
    """Whether zero times a number is zero."""
    assert node.op is not None
    if isinstance(number, Variable):
        return node.op.name == "strong_multiply"
    return bool(np.all(np.isfinite(number)))


def _by_axis(index: Any, ndim: int) -> list[int | None]:
    """The integer of each axis that an index of integers and slices takes, None for slices."""
    parts = _parts(index, ndim)
    assert parts is not None
    return [None if isinstance(p, slice) else p for p in parts]


def _parts(index: Any, ndim: int) -> list[Any] | None:
    parts = list(index) if type(index) is tuple else [index]
    for p in parts:
        number = isinstance(p, (int, np.integer)) and not isinstance(p, bool)
        if not (number or isinstance(p, slice) or p is Ellipsis):
            return None
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        return None
    at = dots[0] if dots else len(parts)
    parts[at : at + 1] = [slice(None)] * (ndim - len(parts) + len(dots))
    return parts


def _ranges(index: Any, shape: Sequence[int]) -> list[tuple[int, int]] | None:
    """First place and end along each axis of a basic index without steps."""
    parts = _parts(index, len(shape))
    if parts is None:
        return None
    found = []
    for p, n in zip(parts, shape, strict=True):
        if isinstance(p, slice):
            r = range(n)[p]
            if r.step != 1:
                return None
            found.append((r.start, r.start + len(r)))
        else:
            found.append((int(p) % n, int(p) % n + 1))
    return found


def _boxes(terms: Sequence[Term], shape: Sequence[int]) -> list[Any]:
    """The boxes in which every term is there as a whole or not at all: first places and ends."""
    axes = []
    for k, n in enumerate(shape):
        ends = sorted({0, n, *[t.start[k] for t in terms], *[t.stop[k] for t in terms]})
        axes.append(list(itertools.pairwise(ends)))
    if math.prod(map(len, axes)) > BOXES:
        return [((), ())] * (BOXES + 1)
    return [tuple(zip(*pairs, strict=True)) for pairs in itertools.product(*axes)]


def _sum(start: Any, stop: Any, terms: Sequence[Term], result: Any, build: Any) -> Any:
    """What a box holds."""
    inside = [
        t
        for t in terms
        if all(a >= b for a, b in zip(start, t.start, strict=True))
        and all(a <= b for a, b in zip(stop, t.stop, strict=True))
    ]
    if not inside:
        shape = tuple(b - a for a, b in zip(start, stop, strict=True))
        return np.broadcast_to(result.dtype.type(0), shape)
    return _total(start, stop, [(t, t.factors) for t in inside], build)


def _total(start: Any, stop: Any, terms: Sequence[tuple[Term, Any]], build: Any) -> Any:
    """A sum of terms times factors: those with the same outermost factor are added before."""
    groups: dict[Any, list[tuple[Term, Any]]] = {}
    for k, (t, factors) in enumerate(terms):
        groups.setdefault(_key(factors[-1]) if factors else k, []).append((t, factors))
    total = None
    for some in groups.values():
        t, factors = some[0]
        if factors:
            row, number = factors[-1]
            inner = _total(start, stop, [(t, f[:-1]) for t, f in some], build)
            part = build.do(row, [inner, number])
        else:
            part = t.array
            if (start, stop) != (t.start, t.stop):
                places = zip(start, stop, t.start, strict=True)
                index = tuple([slice(a - o, b - o) for a, b, o in places])
                part = build.do(TABLE["getitem"], [part], index=index)
        total = part if total is None else build.do(TABLE["add"], [total, part])
    return total


def _key(factor: tuple[Any, Any]) -> Any:
    row, number = factor
    same = id(number._node) if isinstance(number, Variable) else np.asarray(number).tobytes()
    return row.name, same


def sum_of_boxes(node: Node, operands: list[Any], build: Any) -> Any:
    """The sum of a product with an array in boxes: that of the boxes' sums."""
    (x,) = operands
    product = x._node if isinstance(x, Variable) else None
    p = node.params
    if product is None or product.op is None or not product.op.name.endswith("multiply"):
        return None
    ndim = x._value.ndim
    if len(axes_of(p.get("axis"), ndim)) < ndim or p.get("dtype") is not None:
        return None
    factors = [v if n is None else wrapped(build.cls, v, n) for n, v in given(product)]
    for tiles, other in (factors, factors[::-1]):
        made = tiles._node.op if isinstance(tiles, Variable) and tiles._node else None
        if made is None or made.name != "tiles" or not _fits(other, tiles._value):
            continue
        boxes = list(given(tiles._node))
        if max(v.size for _, v in boxes) * 2 < tiles._value.size or len(boxes) > FEW:
            return None
        total = None
        for (n, v), start in zip(boxes, tiles._node.params["starts"], strict=True):
            box = v if n is None else wrapped(build.cls, v, n)
            index = tuple([slice(a, a + k) for a, k in zip(start, v.shape, strict=True)])
            part = build.do(TABLE["getitem"], [other], index=index)
            part = build.do(node.op, [build.do(product.op, [box, part])], **p)
            total = part if total is None else build.do(TABLE["add"], [total, part])
        return total
    return None
