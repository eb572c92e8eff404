"""The loop language: kernels (loop nests over scalar expressions), library calls, callbacks.

A kernel is a nest of loops; its body stores expressions and adds to accumulators. The last loop is
the one that machine code runs in vectors. A program is a list of steps in order; a step reads and
writes buffers. Next: `chainrule.codegen.emit` writes a kernel in LLVM's language.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from chainrule.codegen.expression import Expr, gathered
from chainrule.codegen.index import Coordinate
from chainrule.codegen.text import width
from chainrule.codegen.values import Value

if TYPE_CHECKING:
    from chainrule.codegen.routines import Routine


@dataclass(eq=False, repr=False)
class Buffer:
    """Memory of an array: an input, an output, a constant, or temporary (in the arena)."""

    kind: str
    code: str
    size: int
    number: int
    value: Value
    offset: int = -1
    """Of a temporary: its place in the arena, in bytes, given by the memory plan."""

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * max(width(self.code), 1)

    @property
    def is_note(self) -> bool:
        """Whether it holds one truth value that any step may make true."""
        return self.kind in ("status", "doubt")

    def __repr__(self) -> str:
        return f"{self.kind[0]}{self.number}"


@dataclass(eq=False, repr=False)
class Store:
    """buffer[position] = value, or += value, or another step of a reduction there."""

    buffer: Buffer
    position: Coordinate
    expr: Expr
    how: str = "="
    start: Any = None
    """Of a reduction: the number that the buffer is filled with before."""

    def __repr__(self) -> str:
        sign = {"=": "=", "add": "+="}.get(self.how, f"={self.how}")
        return f"{self.buffer}[{self.position}] {sign} {self.expr}"


@dataclass(eq=False, repr=False)
class Kernel:
    """Loops of these extents, and what is done at each point of them."""

    extents: tuple[int, ...]
    stores: list[Store]
    level: int = 0
    name: str = ""
    grain: int = 0
    """If threads may share the first loop: turns of it in one piece (`codegen.split`)."""
    _known: tuple[list[Expr], list[Expr]] = field(default=([], []), init=False)

    def body(self) -> list[Expr]:
        """The expressions that the stores need, operands first."""
        roots = [s.expr for s in self.stores]
        if roots != self._known[0]:
            self._known = roots, needed(roots, [s.position for s in self.stores])
        return self._known[1]

    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        found = [e.value[0] for e in self.body() if e.op == "load"]
        found += [s.buffer for s in self.stores if s.how != "="]
        return list(dict.fromkeys(found))

    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return list(dict.fromkeys(s.buffer for s in self.stores))

    def __repr__(self) -> str:
        lines = [f"{'  ' * k}for i{k} in range({n}):" for k, n in enumerate(self.extents)]
        pad = "  " * len(lines)
        lines += [f"{pad}{e!r} = {_shown(e)}" for e in self.body() if e.op != "const"]
        lines += [f"{pad}{s!r}" for s in self.stores]
        return "\n".join(lines)


def _shown(e: Expr) -> str:
    if e.op == "load":
        return f"{e.value[0]}[{e.value[1]}]"
    if e.op == "index":
        return repr(e.value)
    parts = [str(a.value) if a.op == "const" else repr(a) for a in e.args]
    return f"{e.op}({', '.join(parts)}) : {e.code}"


def needed(roots: Sequence[Expr], positions: Sequence[Coordinate] = ()) -> list[Expr]:
    """All expressions that some are made of, in the order in which they were made."""
    seen: set[Expr] = set()
    stack = list(roots)
    for p in positions:
        stack.extend(gathered(p))
    while stack:
        e = stack.pop()
        if e in seen:
            continue
        seen.add(e)
        stack.extend(e.args)
        if e.op == "load":
            stack.extend(gathered(e.value[1]))
        elif e.op == "index":
            stack.extend(gathered(e.value))
    return sorted(seen, key=lambda e: e.order)


@dataclass(eq=False, repr=False)
class Access:
    """A matrix in a buffer, for a library: position of its first element, and its layout."""

    buffer: Buffer
    position: Coordinate
    """In terms of the loops over the batch."""
    row: int
    """Elements from a row to the next."""
    column: int


@dataclass(eq=False, repr=False)
class Product:
    """c = a @ b by a library or `codegen.gemm`, for every point of loops over a batch."""

    extents: tuple[int, ...]
    sizes: tuple[int, int, int]
    a: Access
    b: Access
    c: Access
    code: str
    level: int = 0
    doubt: Buffer | None = None
    """Where to note a NaN among the results."""

    @property
    def is_vector(self) -> bool:
        """Whether an operand is a vector."""
        return 1 in self.sizes[:2]

    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return [self.a.buffer, self.b.buffer]

    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return [self.c.buffer]

    def __repr__(self) -> str:
        m, n, k = self.sizes
        batch = f" for each of {list(self.extents)}" if self.extents else ""
        return f"{self.c.buffer} = {self.a.buffer} @ {self.b.buffer} [{m}x{k} by {k}x{n}]{batch}"


@dataclass(eq=False, repr=False)
class Callback:
    """An operation evaluated by NumPy on views of the buffers."""

    value: Value
    arguments: list[Any]
    """For each operand a Buffer, or a constant."""
    results: list[Buffer]
    level: int = 0
    number: int = -1

    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return [a for a in self.arguments if isinstance(a, Buffer)]

    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return self.results

    def __repr__(self) -> str:
        shown = ", ".join(repr(a) if isinstance(a, Buffer) else "constant" for a in self.arguments)
        results = ", ".join(map(repr, self.results))
        return f"{results} = {self.value.op}({shown}) by NumPy"


@dataclass(eq=False, repr=False)
class Loop:
    """A choice between programs, or programs again and again.

    The kind is "call" (once), "cond", "while_loop", "while_back" or "scan".

    The rows of `ops.control_flow` say what the arguments and results are.
    """

    kind: str
    value: Value
    bodies: list[Program]
    arguments: list[Buffer]
    results: list[Buffer]
    scratch: Buffer
    """Arena of the bodies."""
    following: list[Buffer]
    """The carry that a turn makes."""
    states: list[Buffer] = field(default_factory=list)
    """Of a `while_back`: two places for each part of the carry on the way there."""
    holds: Buffer | None = None
    """What the condition of a `while_loop` gives."""
    counts: tuple[int, ...] = (0, 0)
    length: int = 0
    reverse: bool = False
    limit: int | None = None
    level: int = 0
    back: Loop | None = None
    """Of a `while_loop`: the `while_back` for which it remembers its turns."""

    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return list(self.arguments)

    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        more = [] if self.holds is None else [self.holds]
        return [*self.results, self.scratch, *self.following, *self.states, *more]

    def __repr__(self) -> str:
        results, given = ", ".join(map(repr, self.results)), ", ".join(map(repr, self.arguments))
        lines = [f"{results} = {self.kind}({given})"]
        for program in self.bodies:
            lines.append("  {")
            lines += ["    " + line for line in repr(program).split("\n") if line]
            lines.append("  }")
        return "\n".join(lines)


@dataclass(eq=False, repr=False)
class Nest:
    """Kernels in one loop, which is the first of each of them (`codegen.nests`)."""

    rows: int
    kernels: list[Kernel]
    rowwise: dict[Buffer, int]
    """Buffers that hold one row at a time, and its elements."""
    level: int = 0
    name: str = ""

    def reads(self) -> list[Buffer]:
        """Buffers that are read."""
        return list(dict.fromkeys(b for k in self.kernels for b in k.reads()))

    def writes(self) -> list[Buffer]:
        """Buffers that are written."""
        return list(dict.fromkeys(b for k in self.kernels for b in k.writes()))

    def __repr__(self) -> str:
        inner = "\n".join(map(repr, self.kernels))
        return f"for each of {self.rows} rows:\n  " + inner.replace("\n", "\n  ")


Step: TypeAlias = "Kernel | Nest | Product | Callback | Loop | Routine"


@dataclass(eq=False, repr=False)
class Program:
    """Steps in order, and the buffers they work on."""

    steps: list[Step]
    inputs: list[Buffer]
    outputs: list[Buffer]
    constants: list[Buffer]
    temporaries: list[Buffer]
    status: Buffer
    """One truth value: an index was out of range."""
    doubt: Buffer
    """One truth value: there may have been a product of zero and infinity (`codegen.doubt`)."""
    arena: int = 0
    """Bytes of the arena."""
    inplace: dict[int, int] = field(default_factory=dict)
    """Outputs that are written where an input lies: output -> input."""
    may_fail: bool = False
    """Whether it may end before its time, to be done by NumPy from the beginning."""

    def scratch(self, dtype: Any, code: str, size: int) -> Buffer:
        """A new temporary."""
        every = (*self.temporaries, *self.constants, *self.inputs, *self.outputs)
        number = 1 + max([b.number for b in every], default=0)
        value = Value("scratch", None, (), {}).spec((size,), dtype)
        self.temporaries.append(Buffer("temporary", code, size, number, value))
        return self.temporaries[-1]

    @property
    def kernels(self) -> list[Kernel]:
        """The steps that are loops, and those in nests."""
        found: list[Kernel] = []
        for s in self.steps:
            if isinstance(s, Nest):
                found += s.kernels
            elif isinstance(s, Kernel):
                found.append(s)
        return found

    @property
    def callbacks(self) -> list[Callback]:
        """The steps that NumPy does, those of loops included."""
        return [s for p in self.programs() for s in p.steps if isinstance(s, Callback)]

    def programs(self) -> list[Program]:
        """The program and those of its loops, inner ones first."""
        inner = [
            p for s in self.steps if isinstance(s, Loop) for b in s.bodies for p in b.programs()
        ]
        return [*inner, self]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.steps))


def work(program: Program) -> int:
    """About how many operations a call does."""
    total = 0
    for step in program.steps:
        if isinstance(step, Kernel):
            total += math.prod(step.extents) * len(step.body())
        elif isinstance(step, Nest):
            total += sum(math.prod(k.extents) * len(k.body()) for k in step.kernels)
        elif isinstance(step, Product):
            total += math.prod(step.extents) * math.prod(step.sizes)
        elif isinstance(step, Loop):
            turns = 1 if step.kind == "cond" else max(step.length, 100)
            total += turns * sum(map(work, step.bodies))
    return total


def positions_by_buffer(kernel: Kernel) -> dict[Buffer, list[Coordinate]]:
    """Where a kernel reads and writes, buffer by buffer."""
    found: dict[Buffer, list[Coordinate]] = {}
    for e in kernel.body():
        if e.op == "load":
            found.setdefault(e.value[0], []).append(e.value[1])
    for s in kernel.stores:
        found.setdefault(s.buffer, []).append(s.position)
    return found
