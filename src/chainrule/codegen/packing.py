"""Arrays that are read again and again in large steps are laid out once as they are read.

The last loop runs in vectors, and a vector of elements that lie apart in memory is gathered one by
one. Where a loop around it reads the same elements every time (the centers that each point is
compared with, the columns of a small matrix), they are copied beforehand, next to each other in
the order of the last loop, as libraries do for matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.codegen.expression import Expressions
from chainrule.codegen.index import Affine, Coordinate, affine, plus, strides_of
from chainrule.codegen.loops import Buffer, Kernel, Nest, Step, Store
from chainrule.codegen.reshape import moved
from chainrule.codegen.scope import Memory
from chainrule.codegen.values import Value

TURNS: Final = 8
"""Elements that are read fewer times are read where they are."""

BYTES: Final = 1 << 18
"""A copy stays in a near cache."""

LEAST: Final = 4
"""A shorter loop has no vectors to speak of."""

Terms = tuple[tuple[int, int], ...]
"""Loops and the steps in which they read."""


def packed(steps: Sequence[Step], memory: Memory) -> list[Step]:
    """The steps, with kernels before them that copy what is read in large steps."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Kernel):
            before, step = _kernel(step, set(step.writes()), memory)
            found += before
        elif isinstance(step, Nest):
            written = set(step.writes())
            parts = [_kernel(k, written, memory) for k in step.kernels]
            step.kernels = [k for _, k in parts]
            found += [b for before, _ in parts for b in before]
        found.append(step)
    return found


def _kernel(kernel: Kernel, written: set[Buffer], memory: Memory) -> tuple[list[Kernel], Kernel]:
    """Kernels that copy, and the kernel that reads the copies."""
    last = len(kernel.extents) - 1
    if last < 1 or kernel.extents[last] < LEAST:
        return [], kernel
    groups: dict[tuple[Buffer, Terms], set[int]] = {}
    for e in kernel.body():
        if e.op == "load" and e.value[0] not in written and (terms := _terms(e.value[1], kernel)):
            groups.setdefault((e.value[0], terms), set()).add(e.value[1].const)
    before: list[Kernel] = []
    places: dict[tuple[Buffer, Terms, int], tuple[Buffer, Coordinate]] = {}
    for (buffer, terms), starts in groups.items():
        extents = tuple([kernel.extents[v] for v, _ in terms])
        count = math.prod(extents)
        size = count * len(starts)
        turns = math.prod(kernel.extents) // count
        if turns < TURNS or size * buffer.value.dtype.itemsize > BYTES:
            continue
        copy = memory.new("temporary", _array(size, buffer.value.dtype))
        before.append(_copying(buffer, copy, terms, extents, sorted(starts), kernel.level))
        steps = dict(zip([v for v, _ in terms], strides_of(extents), strict=True))
        for k, start in enumerate(sorted(starts)):
            places[buffer, terms, start] = copy, affine(k * count, steps)
    return before, _reading(kernel, places) if before else kernel


def _array(size: int, dtype: np.dtype[Any]) -> Value:
    return Value("packed", None, (), {}).spec((size,), dtype)


def _terms(position: Coordinate, kernel: Kernel) -> Terms | None:
    """The loops of a position in large steps of the last loop that does not vary with all loops."""
    if not isinstance(position, Affine) or not all(isinstance(v, int) for v, _ in position.terms):
        return None
    last = len(kernel.extents) - 1
    step = dict(position.terms).get(last, 1)
    return position.terms if abs(step) > 1 and len(position.terms) <= last else None


def _copying(
    buffer: Buffer, copy: Buffer, terms: Terms, extents: tuple[int, ...], starts: list[int],
    level: int,
) -> Kernel:  # fmt: skip
    """A kernel that copies elements from some starts on."""
    make = Expressions()
    here = dict(enumerate(strides_of(extents)))
    there = {k: step for k, (_, step) in enumerate(terms)}
    size = math.prod(extents)
    stores = []
    for k, start in enumerate(starts):
        e = make.load(buffer, affine(start, there), buffer.code)
        stores.append(Store(copy, plus(affine(0, here), k * size), e))
    return Kernel(extents, stores, level)


def _reading(
    kernel: Kernel, places: dict[tuple[Buffer, Terms, int], tuple[Buffer, Coordinate]]
) -> Kernel:
    """The kernel with loads from the copies."""
    changed = moved(kernel, lambda _, p: p)
    for old, new in changed.items():
        if old.op == "load" and isinstance(p := old.value[1], Affine):
            new.value = places.get((old.value[0], p.terms, p.const), new.value)
    stores = [Store(s.buffer, s.position, changed[s.expr], s.how, s.start) for s in kernel.stores]
    return Kernel(kernel.extents, stores, kernel.level, kernel.name)
