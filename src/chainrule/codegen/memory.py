"""The memory plan: temporaries share one arena, and the memory of one that is read for the last
time serves the next.
"""

from __future__ import annotations

from typing import Final

from chainrule.codegen.loops import Buffer, Program

ALIGNMENT: Final = 64
"""Bytes: a line of the cache."""


def plan(program: Program) -> None:
    """Give every temporary its place, and the arena its size."""
    first: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for k, step in enumerate(program.steps):
        for b in (*step.reads(), *step.writes()):
            first.setdefault(b, k)
            last[b] = k
    placed: list[Buffer] = []
    for b in sorted(
        (b for b in program.temporaries if b in first), key=lambda b: (first[b], -b.nbytes)
    ):
        taken = sorted(
            (o.offset, o.offset + _rounded(o))
            for o in placed
            if first[o] <= last[b] and first[b] <= last[o]
        )
        place = 0
        for start, end in taken:
            if place + _rounded(b) <= start:
                break
            place = max(place, end)
        b.offset = place
        placed.append(b)
        program.arena = max(program.arena, place + _rounded(b))
    for b in program.temporaries:
        if b not in first:
            b.offset = 0


def _rounded(b: Buffer) -> int:
    return -(-max(b.nbytes, 1) // ALIGNMENT) * ALIGNMENT
