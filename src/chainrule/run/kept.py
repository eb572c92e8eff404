"""What did not fuse: arrays that lie in memory between steps of a program, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from chainrule.codegen.loops import (
    Buffer,
    Callback,
    Kernel,
    Loop,
    Nest,
    Product,
    Program,
    positions_by_buffer,
)

SHOWN: Final = 12
"""So many are told of."""


def kept(program: Program) -> list[str]:
    """A line for each temporary with more than one element that one step writes and others read."""
    found = []
    for p in program.programs():
        for b in p.temporaries:
            writers = [s for s in p.steps if b in s.writes()]
            readers = [s for s in p.steps if b in s.reads() and s not in writers]
            if b.size > 1 and writers and readers:
                found.append(f"{b!r}, {list(b.value.shape)}: {_why(b, writers, readers)}")
    if len(found) > SHOWN:
        found[SHOWN:] = [f"and {len(found) - SHOWN} more"]
    return found


def _why(b: Buffer, writers: Sequence[Any], readers: Sequence[Any]) -> str:
    for steps, role in ((writers, "the result of"), (readers, "an operand of")):
        for s in steps:
            if not isinstance(s, (Kernel, Nest)):
                return f"{role} {_named(s)}"
    written, read = _kernels(writers, b), _kernels(readers, b)
    if any(s.how != "=" for k in written for s in k.stores if s.buffer is b):
        return "a reduction, which is complete only after its loops"
    if len(written) > 1:
        return "put together of parts"
    (own,) = written
    other = [k.extents for k in read if math.prod(k.extents) != math.prod(own.extents)]
    if other:
        return f"computed in loops {list(own.extents)} and read in loops {list(other[0])}"
    places = {(k.extents, p) for k in (own, *read) for p in positions_by_buffer(k)[b]}
    if len(places) > 1:
        return "read at other elements than those computed at the same time"
    return "read by what waits for something else"


def _named(step: Any) -> str:
    if isinstance(step, Product):
        return "a matrix product"
    if isinstance(step, Callback):
        return f"{step.value.op}, which NumPy does"
    if isinstance(step, Loop):
        return f"a {step.kind}"
    return str(step.value.op)


def _kernels(steps: Sequence[Any], b: Buffer) -> list[Kernel]:
    """The kernels among steps that touch a buffer."""
    kernels = [k for s in steps for k in (s.kernels if isinstance(s, Nest) else [s])]
    return [k for k in kernels if b in k.reads() or b in k.writes()]
