"""The same kernel with other loops: merged, exchanged, cut in pieces, reading elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.codegen.expression import Expr, gathered, mask_of
from chainrule.codegen.index import Affine, Coordinate, affine
from chainrule.codegen.loops import Buffer, Kernel, Store


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
        if s.how != "=" and not s.buffer.is_note:
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
    return rewritten(kernel, extents, lambda v, c: (0, {} if v == dropped else {places[v]: c}))


Move = Callable[[int, int], tuple[int, dict[int, int]]]
"""What the term of a loop (its number, its factor) becomes: a constant, and terms."""


def rewritten(kernel: Kernel, extents: tuple[int, ...], move: Move) -> Kernel:
    """The kernel in other loops."""
    changed: dict[Expr, Expr] = {}
    masks = [sum(1 << u for u in move(v, 1)[1]) for v in range(len(kernel.extents))]

    def place(p: Coordinate) -> Coordinate:
        if isinstance(p, int):
            return p
        const, terms = p.const, dict[Any, int]()
        for v, c in p.terms:
            more, found = move(v, c) if isinstance(v, int) else (0, {changed.get(v, v): c})
            const += more
            for u, k in found.items():
                terms[u] = terms.get(u, 0) + k
        return affine(const, terms)

    for e in kernel.body():
        new = changed[e] = Expr()
        new.op, new.code, new.order, new.value = e.op, e.code, e.order, e.value
        new.args = tuple([changed[a] for a in e.args])
        new.mask = 0
        for v, mask in enumerate(masks):
            new.mask |= mask if e.mask >> v & 1 else 0
        if e.op == "load":
            new.value = (e.value[0], place(e.value[1]))
        elif e.op == "index":
            new.value = place(e.value)
            if isinstance(new.value, int):
                new.op, new.value = "const", np.int64(new.value)
    stores = [
        Store(s.buffer, place(s.position), changed[s.expr], s.how, s.start) for s in kernel.stores
    ]
    return Kernel(extents, stores, kernel.level, kernel.name)
