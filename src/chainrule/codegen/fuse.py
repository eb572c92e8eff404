"""Fusion: which values are computed together, in which loops, and which of them lie in memory.

A value's leading axes are loops, its small trailing ones are written out (`split`). Values with the
same loops that need each other only at the same point of the loops are computed in one kernel.
A value is kept in memory where another kernel, a library or the caller reads it; views, and a few
cheap operations on what is in memory already, never are. Next: `codegen.lower` writes the kernels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Final

from chainrule.codegen import views
from chainrule.codegen.define import REDUCTIONS, is_defined
from chainrule.codegen.dtypes import loop_dtypes
from chainrule.codegen.expression import Expr
from chainrule.codegen.index import Affine, unravel
from chainrule.codegen.scalars import EMIT, EXPENSIVE
from chainrule.codegen.scope import Memory, Scope, loop_index
from chainrule.codegen.values import CODES, Value, Values, code_of
from chainrule.codegen.views import Index, Unresolved
from chainrule.graph.graph import has_effect

WRITTEN_OUT: Final = 36
"""Arrays of at most this many elements are computed element by element, without loops ..."""

VECTOR: Final = 8
"""... unless their last axis is as long as this: then a loop along it runs in vectors."""

TRAILING: Final = 96
"""Trailing axes of at most so many elements together are written out in a loop's body ..."""

AXIS: Final = 16
"""... if none of them is longer than this ..."""

FEW: Final = 16
"""... and the loops have at least so many points."""

PRODUCT: Final = 256
"""Matrix products of at most so many multiplications are written out."""


def split(shape: Sequence[int]) -> int:
    """How many leading axes of a shape are loops."""
    total = math.prod(shape)
    if total <= WRITTEN_OUT and (not shape or shape[-1] < VECTOR):
        return 0
    p, trailing = len(shape), 1
    while p > 1 and shape[p - 1] <= AXIS and trailing * shape[p - 1] <= TRAILING:
        p -= 1
        trailing *= shape[p]
    return p if total // trailing >= FEW else len(shape)


def loops_of(shape: Sequence[int], axes: int) -> tuple[int, ...]:
    """Extents of the loops over the first axes of a shape."""
    return tuple([n for n in shape[:axes] if n != 1])


LOOPS: Final = {
    "call": ("body",),
    "cond": ("branches",),
    "while_loop": ("cond", "body"),
    "while_back": ("cond", "body", "back"),
    "scan": ("body",),
}
"""Rows that hold graphs, and the parameters in which they do."""


def is_native_loop(v: Value) -> bool:
    """Whether a loop's operands and results have dtypes of machine code, and elements."""
    return (
        v.op in LOOPS
        and all(a.native and a.size for a in v.args)
        and all(code_of(s.dtype) in CODES and s.size for s in v.const)
    )


def same_memory(a: Value) -> Value:
    """The value whose memory holds an operand of a loop, in the same order: a loop asks for no
    shape.
    """
    while a.op == "reshape" and a.params.get("order", "C") == "C":
        a = a.args[0]
    return a


class Unit:
    """Something that a kernel does at each point of its loops: compute a value, add to a
    reduction, fill an array, or place a piece in it.
    """

    __slots__ = ("axes", "bases", "extents", "level", "piece", "shape", "task", "value")

    def __init__(self, task: str, value: Value, shape: Sequence[int], piece: int = 0) -> None:
        self.task, self.value, self.shape, self.piece = task, value, tuple(shape), piece
        self.axes = split(shape)
        self.extents = loops_of(shape, self.axes)
        self.level = 0
        self.bases: list[tuple[Value, Index]] = []

    def __repr__(self) -> str:
        return f"{self.task} {self.value!r} {list(self.extents)} level {self.level}"


class Probe(Scope):
    """Follows a value's definition to what it needs: computed values, noted with the index."""

    def __init__(self, extents: Sequence[int], fusion: Fusion) -> None:
        super().__init__(extents, fusion.memory)
        self.fusion = fusion
        self.found: list[tuple[Value, Index]] = []

    def _at(self, v: Value, index: Index) -> Expr:
        if v.op == "const":
            return self.element(v, index)
        if type(index) is views.Flat:
            index = unravel(index.position, v.shape, self) or index
        if self.fusion.is_base(v):
            self.found.append((v, index))
            return self.expressions._make("local", (), v.code, None, (v, index), 0)
        return self.define(v, self.index_of(index, v))

    def stored(self, v: Value) -> None:
        """Nothing is in memory yet."""


class Fusion:
    """Decides, value by value."""

    def __init__(
        self, values: Values, memory: Memory, forced: set[Value], careful: bool = False
    ) -> None:
        self.careful = careful
        self.pieces = False
        """Whether a value before this one is made of pieces."""
        self.values, self.memory, self.forced = values, memory, forced
        self.kind: dict[Value, str] = {}
        self.units: list[Unit] = []
        self.unit: dict[Value, Unit] = {}
        self.level: dict[Value, int] = {}
        self.stored: set[Value] = set()
        self.calls: list[Value] = []
        self.effects = 0
        """The level of the last effect."""
        self.cost: dict[Value, int] = {}
        self.users = values.users()
        for v in values.list:
            self._take(v)
        self.stored.update(values.outputs)
        for unit in self.units:
            self._keep_operands(unit)

    # --- kinds -----------------------------------------------------------------------------------

    def _kind(self, v: Value) -> str:
        if v.op in ("input", "const"):
            return "given"
        if v.op == "select":
            return "view" if self.kind[v.args[0]] == "whole" else "result"
        if v.dtype == object:
            known = v.op in views.TABLED and all(a.native and a.size for a in v.args)
            return "whole" if known else "callback"
        if not v.size and v.native:
            return "nothing"
        if not v.native or not all(a.native and a.size for a in v.args):
            return "callback"
        if views.is_view(v):
            return "view"
        if v.op in EMIT:
            return "callback" if loop_dtypes(v) is None else "compute"
        if v.op in REDUCTIONS:
            gone = views.axes(v, v.args[0])
            return "reduce" if any(k < split(v.args[0].shape) for k in gone) else "compute"
        if v.op in ("matmul", "strong_matmul"):
            return self._kind_of_product(v)
        if is_defined(v):
            return "compute"
        plan = self.memory.placing(v)
        if plan is None:
            return "callback"
        return "placed"

    def _kind_of_product(self, v: Value) -> str:
        a, b = v.args
        inner = a.shape[-1]
        trailing = math.prod(v.shape[split(v.shape) :])
        if inner <= AXIS and trailing * inner <= PRODUCT:
            written = split(v.shape) < v.ndim or v.size <= WRITTEN_OUT or v.ndim == 0
            if written or v.code not in ("f8", "f4"):
                return "compute"
        if v.code in ("f8", "f4") and a.code == b.code == v.code:
            return "product"
        return "callback"

    def is_base(self, v: Value) -> bool:
        """Whether a value is computed, rather than followed to its operands."""
        kind = self.kind[v]
        return v in self.forced or kind not in ("view", "inline", "placed", "whole")

    # --- one value after another -----------------------------------------------------------------

    def _take(self, v: Value) -> None:
        kind = self.kind[v] = self._kind(v)
        if kind in ("given", "nothing"):
            self.level[v] = -1
        elif kind == "compute":
            self._compute(v)
        elif kind == "reduce":
            self._add(Unit("reduce", v, v.args[0].shape), stored=True)
        elif kind == "placed":
            self.pieces = True
            if (
                any(p.how != "=" for p in self.memory.placing(v).pieces)
                or v in self.forced
                or v in self.values.outputs
            ):
                self.force(v)
        elif kind in ("product", "callback"):
            self._call(v)
        elif kind == "result":
            self.level[v] = self.level[v.args[0]]
        if v in self.forced and kind == "view":
            self._add(Unit("compute", v, v.shape), stored=True)

    def _compute(self, v: Value) -> None:
        unit = Unit("compute", v, v.shape)
        self._probe(unit)
        if self._is_cheap(v, unit):
            self.kind[v] = "inline"
            return
        self._add(unit, stored=v in self.forced, probed=True)

    def _is_cheap(self, v: Value, unit: Unit) -> bool:
        """Whether a value is better computed where it is read than kept: it costs little, and is
        made of one or two arrays that are in memory anyway, and of single numbers.
        """
        if v.op in EXPENSIVE or not (v.op in EMIT or v.op == "astype"):
            return False
        if not unit.extents or v in self.forced:
            return False
        if v in self.values.outputs or sum(b.size > 1 for b, _ in unit.bases) > 2:
            return False
        later = [b for b, _ in unit.bases if self.kind[b] != "given"]
        if sum(b.size > 1 for b in later) > 1 or not self._are_kept(later, unit):
            return False
        self.cost[v] = 1 + sum(self.cost.get(a, 0) for a in v.args)
        arrays = sum(b.size > 1 for b, _ in unit.bases)
        return self.cost[v] <= (3 if arrays < 2 else 2) and v.size > WRITTEN_OUT

    def _are_kept(self, bases: Sequence[Value], unit: Unit) -> bool:
        """Whether values are in memory before a unit can begin, as it waits for another one."""
        level = self._earliest(unit)
        return all(self.level[b] < level for b in bases)

    def force(self, v: Value) -> None:
        """Have a value in memory that would be followed to its operands."""
        if v in self.level:
            self.stored.add(v)
            return
        self.forced.add(v)
        kind = self.kind[v]
        if kind == "placed":
            self._place(v)
        else:
            self._add(Unit("compute", v, v.shape), stored=True)

    def _place(self, v: Value) -> None:
        plan = self.memory.placing(v)
        first = -1
        self.stored.add(v)
        if plan.base is not None or not plan.whole:
            unit = Unit("fill", v, v.shape)
            self._add(unit)
            first = unit.level
        level = first
        for k, piece in enumerate(plan.pieces):
            unit = Unit("piece", v, piece.shape, k)
            self._probe(unit)
            unit.level = max(self._earliest(unit), first + 1)
            self.units.append(unit)
            level = max(level, unit.level)
        self.level[v] = level

    def _add(self, unit: Unit, stored: bool = False, probed: bool = False) -> None:
        if not probed:
            self._probe(unit)
        unit.level = self._earliest(unit)
        self.units.append(unit)
        v = unit.value
        self.level[v] = unit.level
        if unit.task == "compute":
            self.unit[v] = unit
        if stored:
            self.stored.add(v)

    def _is_met(self, a: Value) -> bool:
        """Whether following an operand ends at once."""
        return a.op == "const" or self.is_base(a)

    def _probe(self, unit: Unit) -> None:
        """Find what a unit needs; a value that cannot be followed at its index is put in memory."""
        v = unit.value
        plain = unit.task == "compute" and v.op in EMIT and not unit.shape
        if plain and all(map(self._is_met, v.args)):
            unit.bases = [(a, ()) for a in v.args if a.op != "const"]
            return
        while True:
            probe = Probe(unit.extents, self)
            try:
                for t in self._samples(unit):
                    index = (*loop_index(unit.shape, unit.axes), *t)
                    needs(unit, index, probe)
            except Unresolved as problem:
                self.force(problem.value)
                continue
            unit.bases = list(dict.fromkeys(probe.found))
            return

    def _samples(self, unit: Unit) -> list[tuple[int, ...]]:
        """First and last of the elements that are written out; all, where pieces are put together,
        as each may come from another operand.
        """
        trailing = unit.shape[unit.axes :]
        if self.pieces:
            return list(itertools.product(*map(range, trailing)))
        first = (0,) * len(trailing)
        last = tuple(n - 1 for n in trailing)
        return [first] if first == last else [first, last]

    def _earliest(self, unit: Unit) -> int:
        level = 0
        for b, index in unit.bases:
            other = self.unit.get(b)
            if other is not None and other.extents == unit.extents and aligned(other, index):
                level = max(level, other.level)
            else:
                level = max(level, self.level[b] + 1)
        return level

    def _call(self, v: Value) -> None:
        """A library call or a callback: operands and result are in memory."""
        level = 0
        for k, a in enumerate(v.args):
            level = max(level, self._operand_level(v, k, a))
        if has_effect(v.row, v.params):  # effects are done in their order
            level = self.effects = max(level, self.effects)
        self.level[v] = level
        self.stored.add(v)
        self.calls.append(v)

    def _operand_level(self, v: Value, k: int, a: Value) -> int:
        if a.op == "const":
            return 0
        base = a
        if self.kind[v] == "product":
            from chainrule.codegen.products import base_of

            base = base_of(v, k, self)
        elif is_native_loop(v):
            base = same_memory(a)
            if base.op == "const":
                return 0
        if not self.is_base(base):
            self.force(base)
        self.stored.add(base)
        return self.level[base] + 1

    # --- what is kept ----------------------------------------------------------------------------

    def _keep_operands(self, unit: Unit) -> None:
        for b, index in unit.bases:
            other = self.unit.get(b)
            if other is None:
                continue
            together = other.extents == unit.extents and other.level == unit.level
            if not together or not aligned(other, index):
                self.stored.add(b)


def aligned(unit: Unit, index: Index) -> bool:
    """Whether an index names the same point of a unit's loops at which it is asked for."""
    number = 0
    if type(index) is views.Flat:
        return False
    for k, c in enumerate(index):
        if k >= unit.axes or unit.shape[k] == 1:
            if not isinstance(c, int):
                return False
            continue
        if not (isinstance(c, Affine) and c.const == 0 and c.terms == ((number, 1),)):
            return False
        number += 1
    return True


def needs(unit: Unit, index: Index, scope: Any) -> None:
    """Ask a scope for what a unit reads at a point."""
    v = unit.value
    if unit.task == "compute":
        scope.define(v, index)
    elif unit.task == "reduce":
        scope.at(v.args[0], index)
    elif unit.task == "fill":
        base = scope.placing(v).base
        if base is not None:
            scope.at(base, index)
    else:
        piece = scope.placing(v).pieces[unit.piece]
        piece.place(index, scope)
        scope.at(piece.source, views.stretched(index, piece.source.shape))
