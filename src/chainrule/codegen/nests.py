"""Kernels that need each other row by row, in one loop over the rows.

A softmax is a maximum, a sum of exponentials and a quotient, each a loop over everything; done row
by row, a row stays in the nearest cache from one to the next, and what they pass on is as large as
a row, not as the whole array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chainrule.codegen.expression import gathered
from chainrule.codegen.index import Affine, Coordinate, affine, bounds
from chainrule.codegen.loops import Buffer, Kernel, Nest, Step, Store, positions_by_buffer
from chainrule.codegen.reshape import collapse_inside, moved

ROWS: Final = 4
"""Fewer rows are not worth a loop of their own."""

LONG: Final = 32
"""Neither are shorter ones."""

CACHE: Final = 1 << 17
"""Bytes of a row that still lie in a near cache."""


def nested(steps: Sequence[Step], whole: dict[Kernel, Kernel]) -> list[Step]:
    """The steps with kernels joined where that saves memory. `whole` has kernels with all loops."""
    rest = list(steps)
    found: list[Step] = []
    while rest:
        step = rest.pop(0)
        if isinstance(step, Kernel) and step in whole:
            group, rest = _grown(step, rest, whole)
            if _worth(group):
                found.append(_nest(group))
                continue
            rest = [*(s for s, k in group[1:]), *rest] if len(group) > 1 else rest
            rest.sort(key=lambda s: s.level)
        found.append(step)
    return found


Member = tuple[Step, Kernel]


def _grown(
    first: Kernel, rest: list[Step], whole: dict[Kernel, Kernel]
) -> tuple[list[Member], list[Step]]:
    """The kernels that can go together with the first, and the other steps."""
    group: list[Member] = [(first, whole[first])]
    others: list[Step] = []
    read: set[Buffer] = set()  # by what then comes after the group
    written: set[Buffer] = set()
    for step in rest:
        writes = {b for b in step.writes() if not b.is_note}
        if (
            isinstance(step, Kernel)
            and step in whole
            and not written.intersection(step.reads())
            and not (written | read).intersection(writes)
            and _joins(whole[step], [k for _, k in group])
        ):
            group.append((step, whole[step]))
        else:
            others.append(step)
            read.update(step.reads())
            written.update(writes)
    return group, others


def _joins(kernel: Kernel, group: list[Kernel]) -> bool:
    """Whether a kernel runs over the same rows, and takes from the group only its own row."""
    rows = group[0].extents[0]
    if not kernel.extents or kernel.extents[0] != rows:
        return False
    touched = positions_by_buffer(kernel)
    shared = False
    for other in group:
        theirs = positions_by_buffer(other)
        for b in other.writes():
            if b.is_note or b not in touched:
                continue
            shared = True
            if _row(theirs[b], other) is None or _row(theirs[b], other) != _row(touched[b], kernel):
                return False
    return shared


def _row(positions: Sequence[Coordinate], kernel: Kernel) -> int | None:
    """Elements from a row to the next, where every position stays in its row; else None."""
    steps = set()
    for p in positions:
        if not isinstance(p, Affine) or gathered(p):
            return None
        terms = dict(p.terms)
        step = terms.pop(0, 0)
        reach = bounds(affine(p.const, terms), Loops(kernel))
        if step < 1 or reach is None or reach[0] < 0 or reach[1] >= step:
            return None
        steps.add(step)
    return steps.pop() if len(steps) == 1 else None


class Loops:
    """What `bounds` asks for."""

    def __init__(self, kernel: Kernel) -> None:
        self.extents = kernel.extents
        self.ranges: dict[Any, int] = {}


def _worth(group: list[Member]) -> bool:
    kernels = [k for _, k in group]
    if len(kernels) < 2 or kernels[0].extents[0] < ROWS:
        return False
    return any(len(k.extents) > 1 and max(k.extents[1:]) >= LONG for k in kernels)


def _nest(group: list[Member]) -> Nest:
    """The kernels in one loop; what only they use is as large as a row."""
    kernels = [k for _, k in group]
    rows = kernels[0].extents[0]
    inside: dict[Buffer, int] = {}
    for k in kernels:
        for b, positions in positions_by_buffer(k).items():
            step = _row(positions, k)
            if b.kind != "temporary" or step is None or inside.get(b, step) != step:
                inside[b] = 0
            else:
                inside[b] = step
    candidates = {
        b: step
        for b, step in inside.items()
        if step and step * rows == b.size and 8 * step <= CACHE
    }
    return Nest(rows, kernels, candidates, group[0][0].level)


def finish(steps: Sequence[Step]) -> None:
    """Shrink what only one nest uses to a row, once all steps are known."""
    users: dict[Buffer, int] = {}
    for step in steps:
        for b in {*step.reads(), *step.writes()}:
            users[b] = users.get(b, 0) + 1
    for step in steps:
        if isinstance(step, Nest):
            own = {b: n for b, n in step.rowwise.items() if users.get(b) == 1}
            for b, n in own.items():
                b.size = n
            step.rowwise = own
            step.kernels = [collapse_inside(_shrunk(k, own)) for k in step.kernels]


def _shrunk(kernel: Kernel, own: dict[Buffer, int]) -> Kernel:
    """The kernel with positions in its row, in buffers that are no larger."""

    def place(b: Buffer, p: Coordinate) -> Coordinate:
        if b not in own or isinstance(p, int):
            return p
        return affine(p.const, {v: c for v, c in p.terms if v != 0})

    changed = moved(kernel, place)
    stores = [
        Store(s.buffer, place(s.buffer, s.position), changed[s.expr], s.how, s.start)
        for s in kernel.stores
    ]
    return Kernel(kernel.extents, stores, kernel.level, kernel.name)
