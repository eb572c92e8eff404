"""Arrays that are only copied into a larger one are computed there.

A concatenation is its pieces, one after the other. Where a piece lies in memory anyway, because
something else reads it too or because its elements come in another order, it lies in the larger
array from the start, and the copy is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from chainrule.codegen.expression import Expr
from chainrule.codegen.index import Affine, Coordinate, bounds, plus, strides_of
from chainrule.codegen.loops import Buffer, Kernel, Nest, Step, Store
from chainrule.codegen.nests import Loops
from chainrule.codegen.reshape import moved


def merged(steps: Sequence[Step]) -> list[Step]:
    """The steps without copies of whole temporaries into a part of another array."""
    found = list(steps)
    while (copy := _copy(found)) is not None:
        found = _placed(found, *copy)
    return _read(found)


def _read(steps: list[Step]) -> list[Step]:
    """The steps without stores to temporaries that nothing reads: a piece of a larger array that
    was computed there as well.
    """
    read = {b for step in steps for b in step.reads()}
    for step in steps:
        if isinstance(step, Kernel):
            step.stores = [
                s
                for s in step.stores
                if s.buffer.kind != "temporary" or s.buffer in read or s.how != "="
            ]
    return [s for s in steps if not isinstance(s, Kernel) or s.stores]


def _copy(steps: Sequence[Step]) -> tuple[Kernel, Store, int] | None:
    """A kernel, its store that copies a whole temporary, and where to."""
    for step in steps:
        if isinstance(step, Kernel):
            for store in step.stores:
                start = _start(step, store)
                if start is None:
                    continue
                piece, whole = store.expr.value[0], store.buffer
                place = range(start, start + piece.size)
                if _is_free(steps, piece, whole) and _is_alone(steps, store, place):
                    return step, store, start
    return None


def _start(kernel: Kernel, store: Store) -> int | None:
    """Where the first element goes, if a store copies all elements of a temporary in order."""
    e = store.expr
    if store.how != "=" or e.op != "load":
        return None
    source, p = e.value
    to = store.buffer
    if source.kind != "temporary" or source.code != to.code or source is to:
        return None
    if math.prod(kernel.extents) != source.size or not isinstance(p, Affine) or p.const:
        return None
    terms = tuple([(k, n) for k, n in enumerate(strides_of(kernel.extents))])
    if p.terms != terms or not isinstance(store.position, Affine) or store.position.terms != terms:
        return None
    return store.position.const


def _is_free(steps: Sequence[Step], piece: Buffer, whole: Buffer) -> bool:
    """Whether only loops work on a piece, and none of them fills it or the larger array."""
    for step in steps:
        touched = {*step.reads(), *step.writes()}
        if piece in touched:
            if not isinstance(step, (Kernel, Nest)):
                return False
            if isinstance(step, Nest) and {piece, whole} & set(step.rowwise):
                return False
        kernels = step.kernels if isinstance(step, Nest) else [step]
        for kernel in kernels:
            if isinstance(kernel, Kernel) and any(
                s.start is not None and s.buffer in (piece, whole) for s in kernel.stores
            ):
                return False
    return True


def _is_alone(steps: Sequence[Step], store: Store, place: range) -> bool:
    """Whether only one store writes to a place in its array."""
    for step in steps:
        if isinstance(step, (Kernel, Nest)):
            for kernel in step.kernels if isinstance(step, Nest) else [step]:
                for other in kernel.stores:
                    if other.buffer is not store.buffer or other is store:
                        continue
                    reach = bounds(other.position, Loops(kernel))
                    if reach is None or (reach[1] >= place.start and reach[0] < place.stop):
                        return False
        elif store.buffer in step.writes():
            return False
    return True


def _placed(steps: Sequence[Step], kernel: Kernel, store: Store, start: int) -> list[Step]:
    """The steps with a temporary in the array that it is copied to."""
    kernel.stores.remove(store)
    piece, whole = store.expr.value[0], store.buffer
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Kernel):
            if step.stores:
                found.append(_elsewhere(step, piece, whole, start))
            continue
        if isinstance(step, Nest):
            step.kernels = [_elsewhere(k, piece, whole, start) for k in step.kernels]
        found.append(step)
    return found


def _elsewhere(kernel: Kernel, piece: Buffer, whole: Buffer, start: int) -> Kernel:
    """A kernel that finds an array in another one."""
    if piece not in (*kernel.reads(), *kernel.writes()):
        return kernel

    def place(b: Buffer, p: Coordinate) -> Coordinate:
        return plus(p, start) if b is piece else p

    changed: dict[Expr, Any] = moved(kernel, place)
    for new in changed.values():
        if new.op == "load" and new.value[0] is piece:
            new.value = (whole, new.value[1])
    stores = [
        Store(
            whole if s.buffer is piece else s.buffer,
            place(s.buffer, s.position), changed[s.expr], s.how, s.start,
        )
        for s in kernel.stores
    ]  # fmt: skip
    return Kernel(kernel.extents, stores, kernel.level, kernel.name)
