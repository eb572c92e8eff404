"""Long bodies without loops, cut into kernels that pass numbers on through memory.

LLVM takes more than linear time for a very long function. What such a body computes is computed
once a call, and tens of kilobytes of code take as long as they take to be fetched. Code is longer
where numbers must leave their registers, so that each is computed shortly before it is needed:
depth first, not in the order of recording, where a gradient goes through its function by levels.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.codegen.expression import Expr, gathered
from chainrule.codegen.index import Coordinate, affine
from chainrule.codegen.loops import Buffer, Kernel, Program, Step, Store

LONG: Final = 800
"""A body longer than this is cut ..."""

PIECE: Final = 400
"""... into kernels of about so many operations."""


def chop(program: Program) -> None:
    """Cut very long bodies without loops into several kernels."""
    steps: list[Step] = []
    for step in program.steps:
        if isinstance(step, Kernel) and not step.extents and len(step.body()) > LONG:
            steps.extend(_Cut(step, program).kernels())
        else:
            steps.append(step)
    program.steps = steps


class _Cut:
    """A kernel without loops as several."""

    def __init__(self, kernel: Kernel, program: Program) -> None:
        self.kernel = kernel
        body = _depth_first(kernel)
        self.order = {e: k for k, e in enumerate(body)}
        self.body = [e for e in body if not _is_at_hand(e)]
        self.part = {e: k // PIECE for k, e in enumerate(self.body)}
        self.count = 1 + max(self.part.values(), default=0)
        read = set(kernel.reads())
        # what is read as well is written last
        self.places = {
            s: self.count - 1 if s.buffer in read else self.part.get(s.expr, self.count - 1)
            for s in kernel.stores
        }
        self.slots = self._slots(program)
        self.copies: list[dict[Expr, Expr]] = [{} for _ in range(self.count)]

    def _slots(self, program: Program) -> dict[Expr, tuple[Buffer, int]]:
        """Memory for what a later part needs: a buffer for each dtype, and the place in it."""
        last = dict(self.part)
        needs = [(self.part[e], _operands(e)) for e in self.body]
        needs += [(k, [s.expr, *gathered(s.position)]) for s, k in self.places.items()]
        for k, operands in needs:
            for a in operands:
                if a in last:
                    last[a] = max(last[a], k)
        slots: dict[Expr, tuple[Buffer, int]] = {}
        buffers: dict[str, Buffer] = {}
        for e in self.body:
            if last[e] > self.part[e]:
                if e.code not in buffers:
                    buffers[e.code] = program.scratch(np.dtype(e.code), e.code, 0)
                slots[e] = buffers[e.code], buffers[e.code].size
                buffers[e.code].size += 1
        return slots

    def _inside(self, e: Expr, k: int) -> Expr:
        """An expression as part k has it: copied there, or read from memory."""
        found = self.copies[k].get(e)
        if found is None:
            found = self.copies[k][e] = Expr()
            found.order, found.mask, found.code = self.order[e], 0, e.code
            if self.part.get(e, k) < k:
                found.op, found.args, found.value = "load", (), self.slots[e]
            else:
                found.op, found.value = e.op, e.value
                found.args = tuple([self._inside(a, k) for a in e.args])
                if e.op == "load":
                    found.value = (e.value[0], self._position(e.value[1], k))
                elif e.op == "index":
                    found.value = self._position(e.value, k)
        return found

    def _position(self, p: Coordinate, k: int) -> Coordinate:
        if isinstance(p, int):
            return p
        return affine(p.const, {self._inside(v, k): c for v, c in p.terms})

    def kernels(self) -> list[Kernel]:
        """The parts, in order."""
        stores: list[list[Store]] = [[] for _ in range(self.count)]
        for e in self.body:
            new = self._inside(e, self.part[e])
            if e in self.slots:
                stores[self.part[e]].append(Store(*self.slots[e], new))
        for s, k in self.places.items():
            where = self._position(s.position, k)
            stores[k].append(Store(s.buffer, where, self._inside(s.expr, k), s.how, s.start))
        level, name = self.kernel.level, self.kernel.name
        return [Kernel((), some, level, f"{name}_{k}") for k, some in enumerate(stores) if some]


def _depth_first(kernel: Kernel) -> list[Expr]:
    """The body, each expression shortly before the first that needs it, from the last store on:
    for gradients that makes shorter code than from the first.
    """
    roots = [x for s in reversed(kernel.stores) for x in (s.expr, *gathered(s.position))]
    found: dict[Expr, None] = {}
    begun: set[Expr] = set()
    waiting = roots[::-1]
    while waiting:
        e = waiting.pop()
        if e in begun:  # for the second time: its operands are there
            found.setdefault(e)
            continue
        begun.add(e)
        waiting.append(e)
        waiting.extend([a for a in reversed(_operands(e)) if a not in begun])
    return list(found)


def _is_at_hand(e: Expr) -> bool:
    """Whether every part has an expression without computing anything."""
    return e.op == "const" or (e.op == "load" and not gathered(e.value[1]))


def _operands(e: Expr) -> list[Expr]:
    where = e.value[1] if e.op == "load" else e.value if e.op == "index" else 0
    return [*e.args, *gathered(where)]
