"""About how much work an operation is."""

from __future__ import annotations

import math
from typing import Any, Final

from chainrule.graph.node import Node
from chainrule.ops.recording import SELECT

_SIMPLE: Final = frozenset({
    "add", "subtract", "multiply", "strong_multiply", "negative", "where", "abs", "maximum",
    "minimum", "square", "less", "greater", "less_equal", "greater_equal", "equal", "astype",
})  # fmt: skip

_QUOTIENTS: Final = frozenset({"divide", "reciprocal", "sqrt"})

_UNKNOWN: Final = 100
"""Of other rows, for each element that they read or give."""


def effort(node: Node) -> int:
    """About how many simple operations on numbers a node takes."""
    assert node.saved is not None
    assert node.op is not None
    name, kind = node.op.name, node.op.kind
    if node.op in SELECT or kind == "movement":
        return 0
    y, *operands = node.saved
    if kind == "elementwise":
        return int(y.size) * (1 if name in _SIMPLE else 4 if name in _QUOTIENTS else 10)
    if name in ("matmul", "strong_matmul"):
        return 2 * int(y.size) * int(operands[0].shape[-1])
    if name == "sum":
        return int(operands[0].size)
    return _UNKNOWN * sum(map(_size, (y, *operands)))


def _size(x: Any) -> int:
    return sum(map(_size, x)) if isinstance(x, tuple) else math.prod(getattr(x, "shape", ()))
