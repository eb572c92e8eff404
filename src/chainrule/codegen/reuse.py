"""In place: a carry that a loop's body only changes here and there is changed where it lies.

`x[i] = v` is a copy of x, and a store. Where every reader of x comes before the store, the copy is
left out, and all the arrays on the way from the carry to what becomes of it are one. And a carry
that a loop's turns stack as they find it lies in the stack: a turn reads a row and writes the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from chainrule.codegen.carry import is_small
from chainrule.codegen.loops import (
    Buffer,
    Callback,
    Kernel,
    Loop,
    Nest,
    Product,
    Program,
    Step,
    Store,
)
from chainrule.codegen.routines import Routine


@dataclass(eq=False, repr=False)
class Edits:
    """What makes programs work in place, to be done all together."""

    copies: list[tuple[Kernel, Store]] = field(default_factory=list)
    merged: list[tuple[Program, list[Buffer]]] = field(default_factory=list)
    pairs: list[tuple[Program, int, int]] = field(default_factory=list)

    def add(self, other: Edits) -> None:
        """These as well."""
        self.copies += other.copies
        self.merged += other.merged
        self.pairs += other.pairs

    def apply(self) -> None:
        """Do it."""
        for kernel, store in self.copies:
            kernel.stores.remove(store)
        for program, chain in self.merged:
            _merge(program, chain)
            program.steps = [s for s in program.steps if not isinstance(s, Kernel) or s.stores]
        for program, k, j in self.pairs:
            program.inplace[k] = j


def work_in_place(program: Program, pairs: Sequence[tuple[int, int]]) -> None:
    """Have outputs written where inputs lie, (input, output) by (input, output), where possible."""
    for j, k in pairs:
        found = edits(program, j, k)
        if found is not None:
            found.apply()


def in_rows(body: Program, counts: Sequence[int]) -> dict[int, int]:
    """The large parts of a scan's carry that each turn stacks as it found them, with the output
    that does: the copies are left out, as such a part lies in the rows of the stack from the start.
    """
    m, n = counts
    found: dict[int, int] = {}
    read = {b for s in body.steps for b in s.reads()}
    for j, out in enumerate(body.outputs[n:], n):
        writers = [s for s in body.steps if out in s.writes()]
        if out in read or len(writers) != 1 or not isinstance(writers[0], Kernel):
            continue
        stores = [s for s in writers[0].stores if s.buffer is out]
        if len(stores) != 1 or not _is_copy(writers[0], stores[0]):
            continue
        source = stores[0].expr.value[0]
        k = body.inputs.index(source) - m if source in body.inputs else -1
        if 0 <= k < n and k not in (*body.inplace, *found) and not is_small(source):
            found[k] = j
            writers[0].stores.remove(stores[0])
    body.steps = [s for s in body.steps if not isinstance(s, Kernel) or s.stores]
    return found


def edits(program: Program, j: int, k: int) -> Edits | None:
    """What writes output k where input j lies, or None where that cannot be."""
    first, last = program.inputs[j], program.outputs[k]
    if first.size != last.size or first.code != last.code or k in program.inplace:
        return None
    found = Edits()
    chain = [last]
    while chain[0] is not first:
        before = _link(program, chain[0], found)
        if before is None or before in chain:
            return None
        if before is not first and before.kind != "temporary":
            return None
        chain.insert(0, before)
    rowwise = {b for s in program.steps if isinstance(s, Nest) for b in s.rowwise}
    if rowwise.intersection(chain) or not _in_order(program, chain, found):
        return None
    found.merged.append((program, chain))
    found.pairs.append((program, k, j))
    return found


def _link(program: Program, b: Buffer, found: Edits) -> Buffer | None:
    """The buffer of which a buffer is a copy, before something is changed in it."""
    for step in program.steps:
        if isinstance(step, Kernel):
            for store in step.stores:
                if store.buffer is b and _is_copy(step, store):
                    found.copies.append((step, store))
                    source: Buffer = store.expr.value[0]
                    return source
        elif isinstance(step, Loop) and b in step.results:
            return _through(step, step.results.index(b), found)
    return None


def _is_copy(kernel: Kernel, store: Store) -> bool:
    e = store.expr
    if store.how != "=" or e.op != "load" or e.value[1] != store.position:
        return False
    source = e.value[0]
    total = 1
    for n in kernel.extents:
        total *= n
    same = source.size == store.buffer.size and source.code == store.buffer.code
    return bool(same and total == source.size)


def _through(step: Loop, k: int, found: Edits) -> Buffer | None:
    """The argument that a loop or branch changes in place to give result k."""
    if step.kind == "cond":
        for j, argument in enumerate(step.arguments[1:]):
            both = [edits(p, j, k) for p in step.bodies]
            if all(e is not None for e in both) and step.arguments.count(argument) == 1:
                for e in both:
                    assert e is not None
                    found.add(e)
                return argument
        return None
    start = step.counts[0] if step.kind == "scan" else sum(step.counts)
    if k < len(step.following) and k in step.bodies[-1].inplace:
        argument = step.arguments[start + k]
        return argument if step.arguments.count(argument) == 1 else None
    return None


def _in_order(program: Program, chain: list[Buffer], found: Edits) -> bool:
    """Whether everything that reads a buffer of the chain comes before the next is changed."""
    place = {b: n for n, b in enumerate(chain)}
    gone = {id(s) for _, s in found.copies}
    reads: list[tuple[int, int, bool]] = []
    writes: list[list[int]] = [[] for _ in chain]
    for at, step in enumerate(program.steps):
        read, written = _touched(step, gone)
        scalar = isinstance(step, Kernel) and not step.extents
        reads += [(at, place[b], scalar) for b in read if b in place]
        for b in written:
            if b in place:
                writes[place[b]].append(at)
    if writes[0]:
        return False
    for n in range(1, len(chain) - 1):
        if writes[n] and any(w <= max(writes[n]) for w in writes[n + 1]):
            return False
    for at, n, scalar in reads:
        later = [w for some in writes[n + 1 :] for w in some]
        if any(w < at or (w == at and not (scalar or _through_loop(program, at))) for w in later):
            return False
    return True


def _through_loop(program: Program, at: int) -> bool:
    """A loop reads the carry it begins with before it writes."""
    return isinstance(program.steps[at], Loop)


def _touched(step: Step, gone: set[int]) -> tuple[list[Buffer], list[Buffer]]:
    if not isinstance(step, Kernel):
        return step.reads(), step.writes()
    stores = [s for s in step.stores if id(s) not in gone]
    rest = Kernel(step.extents, stores)
    written = rest.writes()
    reads = [e.value[0] for e in rest.body() if e.op == "load"]
    return reads, written


def _merge(program: Program, chain: list[Buffer]) -> None:
    """All buffers of a chain are the first one."""
    first, others = chain[0], set(chain[1:])

    def one(b: Buffer) -> Buffer:
        return first if b in others else b

    for step in program.steps:
        if isinstance(step, (Kernel, Nest)):
            for kernel in step.kernels if isinstance(step, Nest) else [step]:
                for e in kernel.body():
                    if e.op == "load":
                        e.value = (one(e.value[0]), e.value[1])
                for s in kernel.stores:
                    s.buffer = one(s.buffer)
        elif isinstance(step, Product):
            for a in (step.a, step.b, step.c):
                a.buffer = one(a.buffer)
        elif isinstance(step, Routine):
            for array in step.arrays():
                array.buffer = one(array.buffer)
        elif isinstance(step, Callback):
            step.arguments = [one(a) if isinstance(a, Buffer) else a for a in step.arguments]
            step.results = [one(b) for b in step.results]
        else:
            step.arguments = [one(b) for b in step.arguments]
            step.results = [one(b) for b in step.results]
    program.temporaries = [b for b in program.temporaries if b not in others]
