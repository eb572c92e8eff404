"""How the last loop of a kernel is run: in chunks of several vectors, and what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.codegen.expression import mask_of
from chainrule.codegen.loops import Kernel
from chainrule.codegen.scalars import EXPENSIVE
from chainrule.codegen.text import width

IDEMPOTENT: Final = frozenset({"maximum", "minimum", "or", "and", "logical_or", "logical_and"})
"""Reductions that do not mind an element twice."""


@dataclass(eq=False, repr=False)
class Segment:
    """A stretch of the last loop: chunks of `unroll` vectors of `lanes` elements."""

    start: int
    stop: int
    lanes: int
    unroll: int

    @property
    def chunk(self) -> int:
        """Elements of a step."""
        return self.lanes * self.unroll

    @property
    def overlaps(self) -> bool:
        """Whether the last chunk does some elements again."""
        return (self.stop - self.start) % self.chunk != 0


def segments(kernel: Kernel, vector_bytes: int) -> list[Segment]:
    """How the last loop is run."""
    n = kernel.extents[-1]
    last = 1 << (len(kernel.extents) - 1)
    body = [e for e in kernel.body() if e.mask & last]
    stores = [s for s in kernel.stores if mask_of(s.position) & last]
    sizes = [width(e.code) for e in body if e.code != "b1" and e.op != "index"]
    sizes += [width(s.buffer.code) for s in stores]
    reductions = {s.how for s in kernel.stores if s not in stores and s.how != "="}
    if not sizes:
        sizes = [8]
    lanes = max(vector_bytes // max(sizes), 1)
    while lanes > n:
        lanes //= 2
    work = sum(8 if e.op in EXPENSIVE else 1 for e in body)
    adds = any(s.how != "=" for s in stores)
    unroll = 1
    if reductions and lanes > 1 and work <= 24:
        unroll = 8 if work <= 4 else 4
        while unroll > 1 and n < 2 * lanes * unroll:
            unroll //= 2
    stored = {s.buffer for s in kernel.stores}
    in_place = any(e.op == "load" and e.value[0] in stored for e in kernel.body())
    left = n % (lanes * unroll)
    some, once = n - left, not reductions <= IDEMPOTENT
    if left and (adds or in_place or (once and work <= 24)):
        most = n - n % lanes
        return [
            Segment(0, some, lanes, unroll),
            Segment(some, most, lanes, 1),
            Segment(most, n, 1, 1),
        ]
    if left and unroll > 1:
        return [Segment(0, some, lanes, unroll), Segment(min(some, n - lanes), n, lanes, 1)]
    return [Segment(0, n, lanes, unroll)]
