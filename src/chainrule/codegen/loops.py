"""The loop language: kernels (loop nests over scalar expressions), library calls, callbacks.

A kernel is a nest of loops; its body stores expressions and adds to accumulators. The last loop is
the one that machine code runs in vectors. A program is a list of steps in order; a step reads and
writes buffers. Next: `chainrule.codegen.emit` writes a kernel in LLVM's language.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chainrule.codegen.expression import Expr, gathered, mask_of
from chainrule.codegen.index import Affine, Coordinate, affine
from chainrule.codegen.text import width
from chainrule.codegen.values import Value


@dataclass(eq=False)
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

    def __repr__(self) -> str:
        return f"{self.kind[0]}{self.number}"


@dataclass(eq=False)
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


@dataclass(eq=False)
class Kernel:
    """Loops of these extents, and what is done at each point of them."""

    extents: tuple[int, ...]
    stores: list[Store]
    level: int = 0
    name: str = ""

    def body(self) -> list[Expr]:
        """The expressions that the stores need, operands first."""
        return needed([s.expr for s in self.stores], [s.position for s in self.stores])

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


@dataclass(eq=False)
class Access:
    """A matrix in a buffer, for a library: position of its first element, and its layout."""

    buffer: Buffer
    position: Coordinate
    """In terms of the loops over the batch."""
    row: int
    """Elements from a row to the next."""
    column: int


@dataclass(eq=False)
class Product:
    """c = a @ b by BLAS, for every point of loops over a batch."""

    extents: tuple[int, ...]
    sizes: tuple[int, int, int]
    a: Access
    b: Access
    c: Access
    code: str
    level: int = 0

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


@dataclass(eq=False)
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


@dataclass(eq=False)
class Loop:
    """A choice between programs, or programs again and again.

    The kind is "cond", "while_loop", "while_back" or "scan".

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


@dataclass(eq=False)
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


Step = Kernel | Nest | Product | Callback | Loop


@dataclass(eq=False)
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
            total += max(step.length, 100) * sum(map(work, step.bodies))
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


def moved(kernel: Kernel, place: Callable[[Buffer, Coordinate], Coordinate]) -> dict[Expr, Expr]:
    """The body with elements read elsewhere: old expression -> new one."""
    changed: dict[Expr, Expr] = {}
    for e in kernel.body():
        new = changed[e] = Expr()
        new.op, new.code, new.order, new.value = e.op, e.code, e.order, e.value
        new.args = tuple([changed[a] for a in e.args])
        new.mask = 0
        for a in new.args:
            new.mask |= a.mask
        if e.op in ("load", "index"):
            p = place(*e.value) if e.op == "load" else e.value
            p = _renamed(p, changed)
            new.value = (e.value[0], p) if e.op == "load" else p
            new.mask = mask_of(p) | e.mask & 1  # each turn has another row
    return changed


def _renamed(p: Coordinate, changed: dict[Expr, Expr]) -> Coordinate:
    if isinstance(p, int):
        return p
    return affine(p.const, {changed.get(v, v): c for v, c in p.terms})


def collapse_inside(kernel: Kernel) -> Kernel:
    """`collapse` that leaves the first loop alone."""
    k = 1
    while k < len(kernel.extents) - 1:
        if _contiguous(kernel, k):
            kernel = _merged(kernel, k)
        else:
            k += 1
    return kernel


def collapse(kernel: Kernel) -> Kernel:
    """The kernel with two loops in one where every position runs through both without a gap."""
    while len(kernel.extents) > 1:
        for k in range(len(kernel.extents) - 1):
            if _contiguous(kernel, k):
                kernel = _merged(kernel, k)
                break
        else:
            break
    return kernel


PIECE = 400
"""A body without loops is cut into functions of about so many operations: compilers take more
than linear time for very long ones."""


def chopped(kernel: Kernel, scratch: Buffer) -> list[Kernel]:
    """A kernel without loops as several, that pass numbers on through a scratch buffer."""
    body = [e for e in kernel.body() if e.op not in ("const", "load")]
    part = {e: k // PIECE for k, e in enumerate(body)}
    last = dict(part)  # the last part that needs each expression
    for e in body:
        for a in e.args:
            if a in last:
                last[a] = max(last[a], part[e])
    passed = [e for e in body if last[e] > part[e]]
    slots = {e: k for k, e in enumerate(passed)}
    scratch.size = max(len(slots), 1)
    count = 1 + max(part.values(), default=0)
    stores: list[list[Store]] = [[] for _ in range(count)]
    copies: list[dict[Expr, Expr]] = [{} for _ in range(count)]

    def inside(e: Expr, k: int) -> Expr:
        """An expression as part k has it: copied there, or read from the scratch buffer."""
        found = copies[k].get(e)
        if found is None:
            found = copies[k][e] = Expr()
            found.order, found.mask, found.code = e.order, 0, e.code
            if e in part and part[e] < k:
                place = (scratch, slots[e])
                found.op, found.args, found.value = "load", (), place
            else:
                found.op, found.value = e.op, e.value
                found.args = tuple([inside(a, k) for a in e.args])
        return found

    for e in body:
        k = part[e]
        new = inside(e, k)
        if e in slots:
            stores[k].append(Store(scratch, slots[e], new))
    for s in kernel.stores:
        k = part.get(s.expr, count - 1)
        stores[k].append(Store(s.buffer, s.position, inside(s.expr, k), s.how, s.start))
    return [
        Kernel((), some, kernel.level, f"{kernel.name}_{k}")
        for k, some in enumerate(stores)
        if some
    ]


def _positions(kernel: Kernel) -> list[Coordinate]:
    found = [s.position for s in kernel.stores]
    for e in kernel.body():
        if e.op == "load":
            found.append(e.value[1])
        elif e.op == "index":
            found.append(e.value)
    return found


def _contiguous(kernel: Kernel, k: int) -> bool:
    n = kernel.extents[k + 1]
    for p in _positions(kernel):
        if isinstance(p, Affine):
            terms = dict(p.terms)
            if terms.get(k, 0) != n * terms.get(k + 1, 0):
                return False
    return True


def _merged(kernel: Kernel, k: int) -> Kernel:
    """Loops k and k + 1 as one."""
    n = kernel.extents
    extents = (*n[:k], n[k] * n[k + 1], *n[k + 2 :])
    return _renumbered(kernel, extents, [v - (v > k) for v in range(len(n))], dropped=k)


def interchange(kernel: Kernel) -> Kernel:
    """The kernel with that loop last in which most elements lie next to each other in memory."""
    count = len(kernel.extents)
    if count < 2:
        return kernel
    positions = _positions(kernel)
    costs = [sum(_step_cost(p, v) for p in positions) for v in range(count)]
    for s in kernel.stores:  # a sum along the last loop ends in its lanes
        if s.how != "=" and s.buffer.kind != "status":
            costs = [c + 4 * (mask_of(s.position) >> v & 1) for v, c in enumerate(costs)]
    best = min(range(count), key=lambda v: (costs[v] + (0 if kernel.extents[v] >= 4 else 100), -v))
    if best == count - 1 or 2 * costs[best] > costs[-1]:
        return kernel
    order = [v for v in range(count) if v != best] + [best]
    places = [order.index(v) for v in range(count)]
    return _renumbered(kernel, tuple(kernel.extents[v] for v in order), places)


def _step_cost(p: Coordinate, v: int) -> int:
    """What reading or writing along a loop costs: nothing where it stays, much where it jumps."""
    if not isinstance(p, Affine) or not mask_of(p) >> v & 1:
        return 0
    step = dict(p.terms).get(v, 0)
    return 1 if step == 1 and not any(e.mask >> v & 1 for e in gathered(p)) else 6


def _renumbered(
    kernel: Kernel, extents: tuple[int, ...], places: list[int], dropped: int | None = None
) -> Kernel:
    """The kernel with loop v as loop places[v]; the terms of a dropped loop are in another's."""
    changed: dict[Expr, Expr] = {}

    def move(p: Coordinate) -> Coordinate:
        if isinstance(p, int):
            return p
        terms: dict[Any, int] = {}
        for v, c in p.terms:
            if not isinstance(v, int):
                terms[changed.get(v, v)] = c
            elif v != dropped:
                terms[places[v]] = c
        return affine(p.const, terms)

    for e in kernel.body():
        new = Expr()
        new.op, new.code, new.order = e.op, e.code, e.order
        new.args = tuple([changed[a] for a in e.args])
        new.value = e.value
        changed[e] = new
        if e.op == "load":
            new.value = (e.value[0], move(e.value[1]))
        elif e.op == "index":
            new.value = move(e.value)
        new.mask = 0
        for v, place in enumerate(places):
            new.mask |= (e.mask >> v & 1) << place
    stores = [
        Store(s.buffer, move(s.position), changed[s.expr], s.how, s.start) for s in kernel.stores
    ]
    return Kernel(extents, stores, kernel.level, kernel.name)
