"""What a compiled program does, in words and numbers."""

from __future__ import annotations

import math
from typing import Any

from chainrule.codegen.loops import Buffer, Callback, Kernel, Loop, Nest, Product, Program
from chainrule.codegen.text import width
from chainrule.run.kept import kept

_NO_WORK = frozenset({"const", "load", "index", "cast", "local"})


def report(program: Program) -> str:
    """Steps, operations, bytes moved, temporaries, what did not fuse, and what is left to NumPy."""
    steps = [s for p in program.programs() for s in p.steps]
    kernels = [k for p in program.programs() for k in p.kernels]
    callbacks = [s for s in steps if isinstance(s, Callback)]
    products = [s for s in steps if isinstance(s, Product)]
    lines = [
        f"{len(kernels)} kernels, {len(products)} matrix products by BLAS",
        f"{operations_of(program):,} operations on numbers",
        f"{sum(map(moved, program.steps)):,} bytes read and written",
        f"{len(program.temporaries)} temporaries in {program.arena:,} bytes",
    ]
    lines += _lines(program, "  ")
    apart = kept(program)
    if apart:
        lines += ["not fused:", *(f"  {line}" for line in apart)]
    if callbacks:
        names = sorted({c.value.op for c in callbacks})
        lines.append(f"by NumPy, as there is no machine code for them: {', '.join(names)}")
    return "\n".join(lines)


def operations_of(program: Program) -> int:
    """Operations on numbers that a program does."""
    return sum(map(operations, program.steps))


def operations(step: Any) -> int:
    """Operations on numbers that a step does."""
    if isinstance(step, Kernel):
        body = [e for e in step.body() if e.op not in _NO_WORK]
        depths = [e.mask.bit_length() for e in body]
        return sum(math.prod(step.extents[:d]) for d in depths) + math.prod(step.extents) * sum(
            s.how != "=" for s in step.stores
        )
    if isinstance(step, Nest):
        return sum(map(operations, step.kernels))
    if isinstance(step, Product):
        return 2 * math.prod(step.extents) * math.prod(step.sizes)
    if isinstance(step, Loop):
        return turns(step) * sum(operations(s) for p in step.bodies for s in p.steps)
    return 0


def turns(loop: Loop) -> int:
    """How often a loop's body runs: once where only the numbers will say, and for a branch."""
    return loop.length if loop.kind == "scan" else 1


def moved(step: Any) -> int:
    """Bytes that a step reads and writes."""
    if isinstance(step, Kernel):
        total = 0
        for e in step.body():
            if e.op == "load":
                total += math.prod(step.extents[: e.mask.bit_length()]) * width(e.code)
        for s in step.stores:
            total += math.prod(step.extents) * width(s.buffer.code) * (s.how == "=")
        return total
    if isinstance(step, Nest):
        return sum(map(moved, step.kernels))
    if isinstance(step, Loop):
        return turns(step) * sum(moved(s) for p in step.bodies for s in p.steps)
    return sum(b.nbytes for b in (*step.reads(), *step.writes()))


def _lines(program: Program, margin: str) -> list[str]:
    """A line for each step, those of a loop's body further in."""
    found: list[str] = []
    for step in program.steps:
        found.append(margin + _line(step))
        if isinstance(step, Loop):
            for body in step.bodies:
                found += _lines(body, margin + "  ")
    return found


def _line(step: Any) -> str:
    if isinstance(step, Nest):
        shown = [f"{list(k.extents)}" for k in step.kernels]
        return f"{step.name}: row by row, loops {', '.join(shown)}, writes {_names(step.writes())}"
    if isinstance(step, Kernel):
        what = f"{step.name}: loops {list(step.extents)}, {operations(step):,} operations"
        kept = _names(step.writes())
        return f"{what}, writes {kept}"
    if isinstance(step, Loop):
        turns = f" of {step.length} turns" if step.kind == "scan" else ""
        return f"{step.kind}{turns}, writes {_names(step.results)}"
    return repr(step)


def _names(buffers: list[Buffer]) -> str:
    shown = [repr(b) for b in buffers if b.kind != "status"]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} more" if len(shown) > 8 else "")
