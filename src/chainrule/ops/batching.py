"""How operations run on a batch: every operand marked as moved has the batch as its first axis.

Elementwise rows line up their operands and are done. Other rows have a rule, `batch` (those are in
`ops.batched`, `ops.batched_products`, `ops.batched_index`), and a row without one, or whose rule
has nothing for the operands given, runs on one example after the other. Next:
`chainrule.derive.batch`, the walk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.ops.batched import aligned
from chainrule.ops.indexing import getitem
from chainrule.ops.joining import stack
from chainrule.ops.recording import general


def run_batched(
    row: Any,
    size: int,
    operands: Sequence[Any],
    moved: Sequence[bool],
    params: dict[str, Any],
    specs: Any,
) -> Any:
    """The result of a row on a batch, the batch as first axis; `specs` are shape and dtype of what
    one example gives, a tuple of them for several results.
    """
    if not size:
        return _nothing(specs)
    if row.kind == "elementwise":
        operands = aligned(operands, moved)
        for x in operands:
            if isinstance(x, Variable):
                return general(row, operands, params)
        return row.evaluate(*operands)  # the shapes fit, or tracing had raised
    if row.batch is not None:
        result = row.batch(row, size, operands, moved, params)
        if result is not NotImplemented:
            return result
    if row.name not in _said:
        _said.add(row.name)
        import logging  # which takes longer to load than all of this

        logging.getLogger("chainrule.vmap").warning(
            "%s has no rule for a batch: it runs on one example after the other", row.name
        )
    return one_by_one(row, size, operands, moved, params)


_said: set[str] = set()
"""Rows whose lack of a rule was logged."""


def _nothing(specs: Any) -> Any:
    """The result for a batch without examples."""
    if isinstance(specs, tuple):
        return tuple(map(_nothing, specs))
    return np.zeros((0, *specs.shape), specs.dtype)


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
    if isinstance(results[0], tuple):
        return tuple(stack(part) for part in zip(*results, strict=True))
    return stack(results)
