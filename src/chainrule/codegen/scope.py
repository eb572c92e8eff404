"""What a value is at an index, as an expression: operands are followed through views and fused
operations down to what lies in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.codegen import placing, views
from chainrule.codegen.define import DEFINE, is_defined
from chainrule.codegen.expression import Expr, Expressions
from chainrule.codegen.index import Affine, Coordinate, flat, plus, times, unravel
from chainrule.codegen.loops import Buffer
from chainrule.codegen.values import Value, number_of
from chainrule.codegen.views import Index


class Memory:
    """The buffers of a program, and the constants that lowering makes."""

    def __init__(self) -> None:
        self.buffers: dict[Value, Buffer] = {}
        nothing = Value("status", None, (), {}).spec((), np.dtype(bool))
        self.status = Buffer("status", "b1", 1, 0, nothing)
        self.doubt = Buffer("doubt", "b1", 1, 0, nothing)
        self.results: dict[tuple[Value, int], Buffer] = {}
        self._tables: dict[Any, Value] = {}
        self._placings: dict[Value, Any] = {}
        self._compact: dict[Value, Value] = {}
        self._uniform: dict[Value, Any] = {}
        self._progressions: dict[Value, tuple[int, int] | None] = {}
        self._diagonals: dict[Value, tuple[int, Any, Any] | None] = {}

    def new(self, kind: str, v: Value) -> Buffer:
        """A buffer for a value."""
        found = Buffer(kind, v.code, v.size, len(self.buffers), v)
        self.buffers[v] = found
        return found

    def of(self, v: Value) -> Buffer | None:
        """The buffer of a value, where it has one; a constant gets one when it is asked for."""
        found = self.buffers.get(v)
        return self.new("constant", v) if found is None and v.op == "const" else found

    def constant(self, array: np.ndarray[Any, Any]) -> Value:
        """A constant array as a value, one for each content."""
        array = np.array(array, order="C")
        key = (array.shape, array.dtype.str, array.tobytes())
        found = self._tables.get(key)
        if found is None:
            found = Value("const", None, (), {}).spec(array.shape, array.dtype)
            found.const = array
            found.number = -1 - len(self._tables)
            self._tables[key] = found
        return found

    def table(self, v: Value, which: int | None) -> Value:
        """Positions in the operand of the elements of a movement."""
        key = (v, which)
        found = self._tables.get(key)
        if found is None:
            x = v.args[0]
            moved = v.row.evaluate(np.arange(x.size).reshape(x.shape), **v.params)
            part = moved if which is None else moved[which]
            found = self._tables[key] = self.constant(np.asarray(part))
        return found

    def compact(self, v: Value) -> Value:
        """A constant with size one along the axes along which it does not vary."""
        found = self._compact.get(v)
        if found is None:
            array = np.asarray(v.const)
            for k in range(array.ndim):
                first = array[(slice(None),) * k + (slice(0, 1),)]
                if array.shape[k] > 1 and (array == first).all():
                    array = first
            found = self._compact[v] = v if array.shape == v.shape else self.constant(array)
        return found

    def placing(self, v: Value) -> Any:
        """How a value is placed, found once."""
        if v not in self._placings:
            self._placings[v] = placing.placing(v)
        return self._placings[v]

    def progression(self, v: Value) -> tuple[int, int] | None:
        """First integer and step of a constant whose elements are in equal steps, or None."""
        if v not in self._progressions:
            self._progressions[v] = None
            elements = np.ravel(v.const)
            if v.code == "i8" and v.size > 1:
                first, step = int(elements[0]), int(elements[1]) - int(elements[0])
                if (elements == first + step * np.arange(v.size)).all():
                    self._progressions[v] = first, step
        return self._progressions[v]

    def diagonal(self, v: Value) -> tuple[int, Any, Any] | None:
        """Offset and number of the only diagonal of a constant, its later axes taken as one, and
        the number elsewhere: what unit vectors become. None of another constant.
        """
        if v not in self._diagonals:
            self._diagonals[v] = _diagonal(np.asarray(v.const)) if v.ndim > 1 else None
        return self._diagonals[v]

    def uniform(self, v: Value) -> Any:
        """The one number of a constant, or None."""
        if v not in self._uniform:
            self._uniform[v] = number_of(v)
        return self._uniform[v]


class Scope:
    """One kernel's loops and expressions."""

    def __init__(self, extents: Sequence[int], memory: Memory) -> None:
        self.extents = tuple(extents)
        self.memory = memory
        self.expressions = Expressions()
        self.ranges: dict[Expr, int] = {}
        self.checks: list[Expr] = []
        """What must hold: an index is in range."""
        self.doubts: list[Expr] = []
        """What is expected to hold (`ops.expected`)."""
        self._known: dict[tuple[Value, Index], Expr] = {}
        self.table, self.constant = memory.table, memory.constant
        self.placing = memory.placing
        self.cast = self.expressions.cast

    def at(self, v: Value, index: Index) -> Expr:
        """The element of a value at an index."""
        key = (v, index)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._at(v, index)
        return found

    def _at(self, v: Value, index: Index) -> Expr:
        if v.op == "const":
            return self.element(v, index)
        buffer = self.stored(v)
        if buffer is not None:
            return self.expressions.load(buffer, position_of(index, v), v.code)
        return self.define(v, self.index_of(index, v))

    def index_of(self, index: Index, v: Value) -> Index:
        """An index as coordinates; raises Unresolved where a flat position does not fall apart."""
        if type(index) is not views.Flat:
            return index
        found = unravel(index.position, v.shape, self)
        if found is None:
            raise views.Unresolved(v)
        return found

    def check(self, holds: Expr) -> None:
        """Note something that must hold at every point of the loops."""
        if holds.op != "const" and holds not in self.checks:
            self.checks.append(holds)

    def stored(self, v: Value) -> Buffer | None:
        """The buffer from which a value is read."""
        return self.memory.buffers.get(v)

    def define(self, v: Value, index: Index) -> Expr:
        """The element of a value by its definition."""
        if views.is_view(v):
            return self.at(*views.view(v, index, self))
        if is_defined(v):
            return DEFINE[v.op](v, index, self)
        return placing.element(v, index, self)

    def element(self, v: Value, index: Index) -> Expr:
        """An element of a constant: a number where it is known which."""
        if type(index) is views.Flat:
            if isinstance(index.position, int):
                return self.expressions.const(np.asarray(v.const).flat[index.position], v.code)
        elif all(isinstance(c, int) for c in index):
            return self.expressions.const(np.asarray(v.const)[index], v.code)
        else:
            smaller = self.memory.compact(v)
            if smaller is not v:
                return self.element(smaller, views.stretched(index, smaller.shape))
        number = self.memory.uniform(v)
        if number is not None:
            return self.expressions.const(number, v.code)
        steps = self.memory.progression(v)
        if steps is not None:
            return self.expressions.index(plus(times(position_of(index, v), steps[1]), steps[0]))
        diagonal = self.memory.diagonal(v)
        if diagonal is not None:
            parts = index if isinstance(index, tuple) else unravel(index.position, v.shape, self)
            if parts is not None:
                return self._on_diagonal(parts, v, *diagonal)
        buffer = self.memory.of(v)
        return self.expressions.load(buffer, position_of(index, v), v.code)

    def _on_diagonal(self, index: Any, v: Value, offset: int, on: Any, off: Any) -> Expr:
        """An element that is computed, where it would be read from as much memory as a matrix."""
        make = self.expressions
        row, column = plus(index[0], offset), flat(index[1:], v.shape[1:])
        here = make.apply("equal", (make.index(row), make.index(column)), "b1")
        return make.apply("where", (here, make.const(on, v.code), make.const(off, v.code)), v.code)

    def integer(self, e: Expr, count: int) -> Coordinate:
        """An expression known to be in range(count), as a coordinate."""
        if e.op == "const":
            return int(e.value)
        if e.op == "index":
            return e.value
        e = self.cast(e, "i8")
        self.ranges[e] = count
        return Affine(0, ((e, 1),))

    def position(self, e: Expr, count: int, mode: str) -> Coordinate:
        """A position along an axis as `take` understands it, checked when the program runs."""
        make = self.expressions
        e = make.cast(e, "i8")
        n, zero = make.const(count, "i8"), make.const(0, "i8")
        if mode == "wrap":
            return self.integer(make.apply("remainder", (e, n), "i8"), count)
        if mode == "clip":
            low = make.apply("maximum", (e, zero), "i8")
            return self.integer(
                make.apply("minimum", (low, make.const(count - 1, "i8")), "i8"), count
            )
        below = make.apply("less", (e, zero), "b1")
        e = make.apply("where", (below, make.apply("add", (e, n), "i8"), e), "i8")
        inside = make.apply(
            "logical_and",
            (make.apply("greater_equal", (e, zero), "b1"), make.apply("less", (e, n), "b1")),
            "b1",
        )
        self.check(inside)
        return self.integer(make.apply("where", (inside, e, zero), "i8"), count)


def _diagonal(array: np.ndarray[Any, Any]) -> tuple[int, Any, Any] | None:
    if array.dtype.kind not in "fiub" or not array.size:
        return None
    matrix = array.reshape(len(array), -1)
    rows, columns = matrix.shape
    if min(rows, columns) < 4:
        return None
    off = matrix[0, -1] if (matrix[0] == matrix[0, -1]).sum() > 1 else matrix[-1, 0]
    same = (matrix == off) & (np.signbit(matrix) == np.signbit(off))
    i, j = np.nonzero(~same)
    if not len(i):
        return None
    offset = int(j[0] - i[0])
    on = matrix[i[0], j[0]]
    whole = len(i) == min(rows, columns - offset) - max(0, -offset)
    single = whole and (j - i == offset).all() and (matrix[i, j] == on).all()
    return (offset, on, off) if single else None


def position_of(index: Index, v: Value) -> Coordinate:
    """Position in a contiguous array."""
    return index.position if type(index) is views.Flat else flat(index, v.shape)


def loop_index(shape: Sequence[int], axes: int) -> list[Coordinate]:
    """Coordinates of the first axes of a shape, which are loops but for those of size one."""
    from chainrule.codegen.index import variable

    found: list[Coordinate] = []
    number = 0
    for n in shape[:axes]:
        if n == 1:
            found.append(0)
        else:
            found.append(variable(number))
            number += 1
    return found
