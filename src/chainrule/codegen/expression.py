"""Scalar expressions: what the body of a loop computes. Equal ones are one object.

`Expressions` makes them, folding constants and the identities of `ops.identities` on the way: after
unrolling, a product with an entry of an identity matrix is a product with 0 or 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.codegen.index import Affine, Coordinate
from chainrule.ops.identities import NOTHING, fold, is_nothing, simplified


class Expr:
    """One number: operation, operands, dtype; `mask` has a bit for every loop it varies with."""

    __slots__ = ("args", "code", "mask", "op", "order", "value")

    op: str
    """Name of an elementwise row, or: const, load, index, cast, local."""
    args: tuple[Expr, ...]
    code: str
    mask: int
    order: int
    value: Any
    """Of a constant its number; of a load (buffer, position); of an index its coordinate."""

    def __repr__(self) -> str:
        return f"e{self.order}"


class Expressions:
    """Makes expressions, one for each meaning."""

    def __init__(self) -> None:
        self._known: dict[Any, Expr] = {}
        self.list: list[Expr] = []

    def _make(
        self, op: str, args: tuple[Expr, ...], code: str, value: Any, key: Any, mask: int
    ) -> Expr:
        e = Expr()
        e.op, e.args, e.code, e.value, e.mask = op, args, code, value, mask
        e.order = len(self.list)
        self.list.append(e)
        self._known[key] = e
        return e

    def const(self, number: Any, code: str) -> Expr:
        """A constant; numbers are told apart by their bits (0.0 is not -0.0)."""
        if is_nothing(number) and code in NOTHING:
            number = NOTHING[code]
            key = ("const", code, "nothing")
        else:
            number = np.asarray(number).astype(code)[()]
            key = ("const", code, number.tobytes())
        return self._known.get(key) or self._make("const", (), code, number, key, 0)

    def load(self, buffer: Any, position: Coordinate, code: str) -> Expr:
        """The element of a buffer at a position."""
        key = ("load", buffer, position)
        found = self._known.get(key)
        return found or self._make("load", (), code, (buffer, position), key, mask_of(position))

    def index(self, coordinate: Coordinate) -> Expr:
        """A coordinate as a number."""
        if isinstance(coordinate, int):
            return self.const(coordinate, "i8")
        if coordinate.const == 0 and len(coordinate.terms) == 1:
            ((v, k),) = coordinate.terms
            if k == 1 and isinstance(v, Expr):
                return v
        key = ("index", coordinate)
        found = self._known.get(key)
        return found or self._make("index", (), "i8", coordinate, key, mask_of(coordinate))

    def cast(self, e: Expr, code: str) -> Expr:
        """The number in another dtype."""
        if e.code == code:
            return e
        if e.op == "const":
            with np.errstate(all="ignore"):
                return self.const(e.value, code)
        key = ("cast", e, code)
        return self._known.get(key) or self._make("cast", (e,), code, None, key, e.mask)

    def apply(self, op: str, args: tuple[Expr, ...], code: str) -> Expr:
        """An elementwise operation on numbers, which are in the dtypes it computes in."""
        key = (op, args, code)
        found = self._known.get(key)
        if found is not None:
            return found
        values = [a.value if a.op == "const" else None for a in args]
        if any(v is not None for v in values):
            short = simplified(op, values)
            if short is not None:
                kind, what = short
                e = self.cast(args[what], code) if kind == "operand" else self.const(what, code)
                self._known[key] = e
                return e
            if all(v is not None for v in values):
                folded = fold(op, values)
                if folded is not None:
                    return self.const(folded, code)
        mask = 0
        for a in args:
            mask |= a.mask
        return self._make(op, args, code, None, key, mask)


def mask_of(c: Coordinate) -> int:
    """The loops a coordinate varies with, as bits."""
    if not isinstance(c, Affine):
        return 0
    mask = 0
    for v, _ in c.terms:
        mask |= 1 << v if isinstance(v, int) else v.mask
    return mask


def gathered(c: Coordinate) -> list[Expr]:
    """The expressions among the variables of a coordinate."""
    return [v for v, _ in c.terms if isinstance(v, Expr)] if isinstance(c, Affine) else []
