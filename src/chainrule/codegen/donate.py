"""Memory that is written again where it is read for the last time, element by element: arguments
that the caller gives away become results, and temporaries become results or other temporaries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chainrule.codegen.index import Affine, Coordinate
from chainrule.codegen.loops import Buffer, Kernel, Program
from chainrule.codegen.reuse import Edits, edits

FAR: Final = 1 << 15
"""Bytes of a temporary that does not lie in the nearest cache: smaller ones stay as they are."""


def donated(lowered: Callable[[bool], Program], given: Sequence[int], careful: bool) -> Program:
    """A program in which results are written where some of the inputs lie, where that can be.

    `lowered` makes the program, with strong products if asked for them. Where an input is
    overwritten the program cannot be run again: after a doubt, so products are strong at once, or
    by NumPy, so one that may need that stays as it is.
    """
    program = lowered(careful)
    if any(p.may_fail for p in program.programs()):
        return program
    for j in given:
        _give(program, j)
    doubts = any(p.doubt in s.writes() for p in program.programs() for s in p.steps)
    if program.inplace and doubts and not careful:
        return donated(lowered, given, True)
    return program


def _give(program: Program, j: int) -> None:
    """Find a result for the memory of input j."""
    first = program.inputs[j]
    for k, last in enumerate(program.outputs):
        same = first.value.shape == last.value.shape and first.value.dtype == last.value.dtype
        if not same or not first.value.shape or not first.size or k in program.inplace:
            continue
        found = edits(program, j, k)
        if found is None and _in_turn(program, first, last):
            found = Edits(merged=[(program, [first, last])], pairs=[(program, k, j)])
        if found is not None:
            found.apply()
            return


def settle(program: Program) -> None:
    """Have large temporaries lie where what is computed of them, element by element, is written.

    The exponentials of a softmax are in the result already when they are divided by their sum:
    the loop touches one array where it would touch two.
    """
    for step in list(program.steps):
        if isinstance(step, Kernel):
            for last in step.writes():
                first = _ended(program, step, last)
                if first is not None:
                    Edits(merged=[(program, [last, first])]).apply()


def _ended(program: Program, kernel: Kernel, last: Buffer) -> Buffer | None:
    """A temporary that a kernel reads for the last time, where it begins to write a buffer."""
    if last.kind not in ("output", "temporary") or last.nbytes < FAR:
        return None
    for first in kernel.reads():
        alike = first.value.shape == last.value.shape and first.code == last.code
        if first.kind != "temporary" or not alike or first is last or first.size != last.size:
            continue
        writers = [s for s in program.steps if last in s.writes()]
        if writers[0] is kernel and _in_turn(program, first, last):
            return first
    return None


def _in_turn(program: Program, first: Buffer, last: Buffer) -> bool:
    """Whether all that is read of one buffer is read before the other is written there."""
    begin = min((k for k, s in enumerate(program.steps) if last in s.writes()), default=None)
    if begin is None:
        return False
    for k, step in enumerate(program.steps):
        if first not in step.reads():
            continue
        own = k == begin and isinstance(step, Kernel) and _own_place(step, first, last)
        if k >= begin and not own:
            return False
    return True


def _own_place(kernel: Kernel, first: Buffer, last: Buffer) -> bool:
    """Whether each point of the loops reads and writes elements that no other point does."""
    stores = [s for s in kernel.stores if s.buffer is last]
    if any(s.how != "=" for s in stores):
        return False
    loads = [e.value[1] for e in kernel.body() if e.op == "load" and e.value[0] is first]
    return disjoint([*loads, *[s.position for s in stores]], kernel.extents)


def disjoint(positions: Sequence[Coordinate], extents: Sequence[int]) -> bool:
    """Whether the sets of positions at two points of some loops never have one in common."""
    if not extents:
        return True
    if not all(isinstance(p, Affine) for p in positions):
        return False
    found = [p for p in positions if isinstance(p, Affine)]
    terms = found[0].terms
    if any(p.terms != terms for p in found) or {v for v, _ in terms} != set(range(len(extents))):
        return False
    constants = [p.const for p in found]
    reach = max(constants) - min(constants)
    for v, step in sorted(terms, key=lambda t: abs(t[1])):
        if abs(step) <= reach:
            return False
        reach += abs(step) * (extents[v] - 1)
    return True
