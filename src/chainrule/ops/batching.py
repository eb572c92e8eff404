"""How operations run on a batch: every operand marked as moved has the batch as its first axis.

A row's `batch(row, size, operands, moved, params)` gives its result with the batch as first axis
(of several results, each). Rules are written with operations of the table, so they record and trace
like any function. Elementwise rows need none, and a row that has none is run on one example after
the other. Next: `chainrule.derive.batch`, the walk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from chainrule.ops.indexing import getitem
from chainrule.ops.joining import stack
from chainrule.ops.movement import reshape
from chainrule.ops.recording import general

log = logging.getLogger("chainrule.vmap")


def dimensions(x: Any) -> int:
    """Number of dimensions of an operand."""
    return len(getattr(x, "shape", ()))


def run_batched(
    row: Any, size: int, operands: Sequence[Any], moved: Sequence[bool], params: dict[str, Any]
) -> Any:
    """The result of a row on a batch, the batch as first axis."""
    if row.kind == "elementwise":
        return general(row, aligned(operands, moved), params)
    if row.batch is not None:
        return row.batch(row, size, operands, moved, params)
    if row.name not in _said:
        _said.add(row.name)
        log.warning("%s has no rule for a batch: it runs on one example after the other", row.name)
    return one_by_one(row, size, operands, moved, params)


_said: set[str] = set()
"""Rows whose lack of a rule was logged."""


def aligned(operands: Sequence[Any], moved: Sequence[bool]) -> list[Any]:
    """Operands such that broadcasting lines up their batches: axes of size one after the first."""
    rank = max(dimensions(x) - m for x, m in zip(operands, moved, strict=True))
    out = []
    for x, m in zip(operands, moved, strict=True):
        missing = rank - (dimensions(x) - 1)
        if m and missing:
            x = reshape(x, (x.shape[0], *(1,) * missing, *x.shape[1:]))
        out.append(x)
    return out


def one_by_one(
    row: Any, size: int, operands: Sequence[Any], moved: Sequence[bool], params: dict[str, Any]
) -> Any:
    """The row on each example by itself, and the results stacked."""
    results = [
        general(
            row,
            [getitem(x, k) if m else x for x, m in zip(operands, moved, strict=True)],
            params,
        )
        for k in range(size)
    ]
    first = results[0]
    if not isinstance(first, tuple):
        return stack(results)
    parts = [stack(part) for part in zip(*results, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
