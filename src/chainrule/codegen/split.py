"""Large loops in pieces, which threads may share (`codegen.pool`).

A piece is a stretch of the first loop. How long pieces are follows from the extents alone, and
sums have a number for each piece, which are added up in order, so that results are the same
however many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from chainrule.codegen.donate import disjoint
from chainrule.codegen.expression import Expressions, gathered, mask_of
from chainrule.codegen.index import Affine, Coordinate, affine, plus, variable
from chainrule.codegen.loops import Buffer, Kernel, Program, Step, Store
from chainrule.codegen.reshape import Move, rewritten
from chainrule.codegen.scalars import EXPENSIVE, identity_of

ENOUGH: Final = 1 << 18
"""Operations from which on a loop is shared."""

PIECE: Final = 1 << 15
"""Operations of a piece, about."""

MOST: Final = 512
"""Pieces at most."""


def split(program: Program) -> None:
    """Have the large loops of a program run in pieces."""
    steps: list[Step] = []
    for step in program.steps:
        parts = _parts(step, program) if isinstance(step, Kernel) else None
        steps += [step] if parts is None else parts
    program.steps = steps


def cost(kernel: Kernel) -> int:
    """Operations at a point of the loops."""
    return sum(8 if e.op in EXPENSIVE else 1 for e in kernel.body() if e.op != "const") + 1


def _parts(kernel: Kernel, program: Program) -> list[Step] | None:
    """The kernel in pieces, with what comes before and after it; None if that cannot be."""
    if not kernel.extents or math.prod(kernel.extents) * cost(kernel) < ENOUGH:
        return None
    notes = {program.status, program.doubt}
    sums = [s for s in kernel.stores if s.buffer not in notes and not mask_of(s.position) & 1]
    if any(s.how == "=" or gathered(s.position) for s in sums):
        return None
    own = [s for s in kernel.stores if s.buffer not in notes and s not in sums]
    if not _independent(kernel, own, sums):
        return None
    inner = math.prod(kernel.extents[1:]) * cost(kernel)
    n = kernel.extents[0]
    size = max(-(-PIECE // inner), -(-n // MOST), 1)
    if not sums and len(kernel.extents) > 1:
        return [*_fills(kernel), _shared(kernel, size)]
    if len(kernel.extents) == 1:
        size = -(-size // 64) * 64
    size = _dividing(n, size)
    count = n // size
    if count < 2 or 8 * sum(s.buffer.size for s in sums) * count > n * inner:
        return None
    return _pieces(kernel, sums, size, count, program)


def _independent(kernel: Kernel, own: Sequence[Store], sums: Sequence[Store]) -> bool:
    """Whether no turn of the first loop touches what another one writes."""
    written = {s.buffer for s in own}
    summed = {s.buffer for s in sums}
    if written & summed:
        return False
    places: dict[Buffer, list[Coordinate]] = {b: [] for b in written}
    for s in own:
        places[s.buffer].append(s.position)
    for e in kernel.body():
        if e.op == "load" and e.value[0] in written | summed:
            if e.value[0] in summed:
                return False
            places[e.value[0]].append(e.value[1])
    return all(_by_turns(p, kernel) for p in places.values())


def _by_turns(positions: Sequence[Coordinate], kernel: Kernel) -> bool:
    """Whether the turns of the first loop have places of their own."""
    found: list[Coordinate] = []
    used: set[int] = {0}
    for p in positions:
        if not isinstance(p, Affine) or gathered(p):
            return False
        used |= {v for v, _ in p.terms}
        found.append(p)
    order = sorted(used)
    moved = [
        affine(p.const, {order.index(v): c for v, c in p.terms})
        for p in found
        if isinstance(p, Affine)
    ]
    return disjoint(moved, [kernel.extents[v] for v in order])


def _dividing(n: int, size: int) -> int:
    """A size of pieces, near to the one wanted, that leaves no rest, where there is one."""
    for candidate in range(size, min(2 * size, n // 2) + 1):
        if n % candidate == 0 and candidate % 8 == size % 8:
            return candidate
    return size


def _fills(kernel: Kernel) -> list[Step]:
    """What sums begin with, written before the pieces are; the kernel no longer does it."""
    starts = {s.buffer: s for s in kernel.stores if s.start is not None}
    for s in kernel.stores:
        s.start = None if s.buffer in starts else s.start
    found: list[Step] = []
    for b, s in starts.items():
        make = Expressions()
        begin = make.const(identity_of(s.how, s.expr.code), b.code)
        place = variable(0) if b.size > 1 else 0
        extents = (b.size,) if b.size > 1 else ()
        found.append(Kernel(extents, [Store(b, place, begin)], kernel.level))
    return found


def _shared(kernel: Kernel, grain: int) -> Kernel:
    kernel.grain = grain
    return kernel


def _pieces(
    kernel: Kernel, sums: Sequence[Store], size: int, count: int, program: Program
) -> list[Step]:
    """The first loop as two, over pieces and inside of one; the rest; the sums of all pieces."""
    rest = kernel.extents[0] - size * count
    total = count + (rest > 0)
    main = rewritten(kernel, (count, size, *kernel.extents[1:]), _opened(size))
    partial = {
        b: program.scratch(b.value.dtype, b.code, total * b.size)
        for b in dict.fromkeys(s.buffer for s in sums)
    }
    steps: list[Step] = [_begun(partial[s.buffer], s) for s in {s.buffer: s for s in sums}.values()]
    for s in main.stores:
        b = partial.get(s.buffer)
        if b is not None:
            s.position = plus(s.position, affine(0, {0: s.buffer.size}))
            s.buffer, s.start = b, None
    steps += _fills(main)
    if rest:
        last = rewritten(main, (rest, *kernel.extents[1:]), _closed(count))
    steps.append(_shared(main, 1))
    if rest:
        steps.append(last)
    return steps + [
        _ended(s, partial[s.buffer], total) for s in {s.buffer: s for s in sums}.values()
    ]


def _begun(partial: Buffer, s: Store) -> Kernel:
    make = Expressions()
    begin = make.const(identity_of(s.how, s.expr.code), partial.code)
    return Kernel((partial.size,), [Store(partial, variable(0), begin)])


def _ended(s: Store, partial: Buffer, total: int) -> Kernel:
    """What the pieces have found, put together in order."""
    make = Expressions()
    n = s.buffer.size
    where = variable(0) if n == 1 else affine(0, {0: n, 1: 1})
    e = make.load(partial, where, partial.code)
    extents = (total,) if n == 1 else (total, n)
    return Kernel(extents, [Store(s.buffer, 0 if n == 1 else variable(1), e, s.how, s.start)])


def _opened(size: int) -> Move:
    """The first loop is one over pieces of a size, and one inside of them."""
    return lambda v, c: (0, {0: c * size, 1: c} if v == 0 else {v + 1: c})


def _closed(number: int) -> Move:
    """The loop over pieces is at a number, and gone."""
    return lambda v, c: (c * number, {}) if v == 0 else (0, {v - 1: c})
