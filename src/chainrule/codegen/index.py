"""Indices of loop nests: integers, and sums of loop variables and gathered integers times factors.

A coordinate is an int, or an `Affine`: const + sum of factor * variable, where a variable is
the number of a loop (an int) or an expression that is an integer (a gathered position).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Coordinate = Any
"""int or Affine."""


class Affine:
    """const + sum of factor * variable; equal sums are equal, so that they serve as keys."""

    __slots__ = ("_hash", "const", "terms")

    def __init__(self, const: int, terms: tuple[tuple[Any, int], ...]) -> None:
        self.const, self.terms = const, terms
        self._hash = hash((const, terms))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Affine) and self.const == other.const and self.terms == other.terms

    def __repr__(self) -> str:
        parts = [
            f"{c if c != 1 else ''}{'i' if isinstance(v, int) else ''}{v}" for v, c in self.terms
        ]
        return " + ".join(parts + ([str(self.const)] if self.const else []))


def variable(number: int) -> Affine:
    """The variable of a loop."""
    return Affine(0, ((number, 1),))


def affine(const: int, terms: dict[Any, int]) -> Coordinate:
    """A coordinate from its parts."""
    kept = tuple(sorted([t for t in terms.items() if t[1]], key=_order))
    return Affine(const, kept) if kept else const


def _order(term: tuple[Any, int]) -> tuple[int, int]:
    v = term[0]
    return (0, v) if isinstance(v, int) else (1, v.order)


def plus(a: Coordinate, b: Coordinate) -> Coordinate:
    """a + b."""
    if isinstance(b, int):
        if b == 0:
            return a
        return a + b if isinstance(a, int) else Affine(a.const + b, a.terms)
    if isinstance(a, int):
        return plus(b, a)
    terms = dict(a.terms)
    for v, c in b.terms:
        terms[v] = terms.get(v, 0) + c
    return affine(a.const + b.const, terms)


def times(a: Coordinate, k: int) -> Coordinate:
    """k * a."""
    if isinstance(a, int):
        return a * k
    if k == 1:
        return a
    return Affine(a.const * k, tuple((v, c * k) for v, c in a.terms)) if k else 0


def strides_of(shape: Sequence[int]) -> list[int]:
    """Strides, in elements, of a contiguous array."""
    strides, step = [1] * len(shape), 1
    for k in range(len(shape) - 1, -1, -1):
        strides[k] = step
        step *= shape[k]
    return strides


def flat(index: Sequence[Coordinate], shape: Sequence[int]) -> Coordinate:
    """Position in a contiguous array."""
    out: Coordinate = 0
    step = 1
    for c, n in zip(reversed(index), reversed(shape), strict=True):
        if n != 1:
            out = plus(out, times(c, step))
        step *= n
    return out


def bounds(c: Coordinate, scope: Any) -> tuple[int, int] | None:
    """Least and greatest number a coordinate takes, or None where that is not known.

    `scope.extents` has the extents of the loops, `scope.ranges` the bounds of gathered integers.
    """
    if isinstance(c, int):
        return c, c
    low = high = c.const
    for v, k in c.terms:
        count = scope.extents[v] if isinstance(v, int) else scope.ranges.get(v)
        if count is None:
            return None
        reach = k * (count - 1)
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


def unravel(
    position: Coordinate, shape: Sequence[int], scope: Any
) -> tuple[Coordinate, ...] | None:
    """The index of a position in a contiguous array of this shape, or None where its parts
    do not fall apart: i // 2 is no coordinate.
    """
    if isinstance(position, int):
        found = []
        for step in strides_of(shape):
            q, position = divmod(position, step)
            found.append(q)
        return tuple(found)
    index: list[Coordinate] = []
    for n, step in zip(shape, strides_of(shape), strict=True):
        if n == 1:
            index.append(0)
            continue
        if isinstance(position, int):
            q, position = divmod(position, step)
            index.append(q)
            continue
        whole = {v: c // step for v, c in position.terms if c % step == 0}
        part = {v: c for v, c in position.terms if c % step}
        above, below = divmod(position.const, step)
        rest = affine(below, part)
        if step > 1:
            reach = bounds(rest, scope)
            if reach is None or reach[0] < 0 or reach[1] >= step:
                return None
        index.append(affine(above, whole))
        position = rest
    return tuple(index)
