"""Which axis of a result runs over the examples, given which axis of each operand does
(`rewrite.examples`).

An axis that runs over the examples is named by its number; PARTIAL is a sum over the examples, of
which those of the tiles are added; SAME is what does not depend on the examples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.node import Node
from chainrule.ops.axes import axes_of

SAME, PARTIAL = "same", "partial"

Along = int | str
"""The axis of the examples, or SAME or PARTIAL."""

Shape = tuple[int, ...]

Found = tuple[Along, list[Along]]
"""Of a result, and of its operands: what was SAME so far may have to be cut as well."""

_POINTWISE: Final = frozenset({"astype", "copy", "alias", "positive", "expected"})
_MOVING: Final = frozenset(
    {"permute_dims", "matrix_transpose", "moveaxis", "swapaxes", "expand_dims", "squeeze"}
)


def along(node: Node, given: Sequence[Along], shapes: Sequence[Shape], count: int) -> Found | None:
    """The axis of the examples in a result; None where it cannot be computed tile by tile."""
    assert node.op is not None
    assert node.saved is not None
    if isinstance(node.saved[0], tuple) or PARTIAL in given:
        return None
    name, result = node.op.name, tuple(node.saved[0].shape)
    if node.op.kind == "elementwise" or name in _POINTWISE:
        return _broadcast(given, shapes, result, count)
    if is_product(node):
        return _product(given, shapes, result, count)
    rule = _RULES.get(name)
    if rule is None or len(given) != 1 or given[0] == SAME:
        return None
    found = rule(node, given[0], shapes[0], result)
    return None if found is None else (found, list(given))


def is_product(node: Node) -> bool:
    """Whether a node is a product of matrices."""
    assert node.op is not None
    strong = node.op.name == "strong_contraction" and node.params["row"].name == "matmul"
    return node.op.name == "matmul" or strong


def in_tile(node: Node, axis: Along, size: int) -> dict[str, Any]:
    """The parameters of a node on a tile of so many examples."""
    assert node.op is not None
    assert node.saved is not None
    if node.op.name not in ("reshape", "broadcast_to") or not isinstance(axis, int):
        return node.params
    shape = list(node.saved[0].shape)
    shape[axis] = size
    return {**node.params, "shape": tuple(shape)}


def _broadcast(
    given: Sequence[Along], shapes: Sequence[Shape], result: Shape, count: int
) -> Found | None:
    """Axes are counted from the last."""
    behind = {k - len(s) for k, s in zip(given, shapes, strict=True) if isinstance(k, int)}
    if len(behind) != 1:
        return None
    (back,) = behind
    if result[back] != count:
        return None
    own: list[Along] = [
        len(s) + back if len(s) >= -back and s[back] == count else SAME for s in shapes
    ]
    return len(result) + back, own


def _product(
    given: Sequence[Along], shapes: Sequence[Shape], result: Shape, count: int
) -> Found | None:
    """The examples are rows, columns, what is summed over, or a batch."""
    (a, b), (s, t) = given, shapes
    inner, rows = len(s) - 1, len(s) - 2
    inner_b, columns = (len(t) - 2, len(t) - 1) if len(t) > 1 else (0, -1)
    if a == inner or b == inner_b:
        fits = a in (inner, SAME) and b in (inner_b, SAME) and s[inner] == t[inner_b] == count
        return (PARTIAL, [inner, inner_b]) if fits else None
    if a == rows and b == SAME:
        return len(result) - (2 if len(t) > 1 else 1), [a, SAME]
    if b == columns and a == SAME:
        return len(result) - 1, [SAME, b]
    if rows in (a, -1) or columns in (b, -1):  # no batch, as vectors have none
        return None
    return _broadcast(given, shapes, result, count)


def _moved(node: Node, axis: Any, shape: Shape, _: Shape) -> Along | None:
    """The axis of a view that does not stand still."""
    numbers = np.arange(shape[axis])
    still = np.broadcast_to(numbers, (*shape[:axis], *shape[axis + 1 :], shape[axis]))
    view = node.op.evaluate(np.moveaxis(still, -1, axis), **node.params)
    moving = [k for k, step in enumerate(view.strides) if step == numbers.itemsize]
    return moving[0] if moving and view.shape[moving[0]] == shape[axis] else None


def _indexed(node: Node, axis: Any, shape: Shape, result: Shape) -> Along | None:
    """The axis where the index takes all of it, in order."""
    index = node.params["index"]
    parts = index if type(index) is tuple else (index,)
    if not all(type(p) in (int, slice, type(None), type(Ellipsis)) for p in parts):
        return None
    return _moved(node, axis, shape, result)


def _reshaped(node: Node, axis: Any, shape: Shape, result: Shape) -> Along | None:
    """An axis that stays one by itself."""
    if node.params.get("order", "C") != "C":
        return None
    for k, n in enumerate(result):
        if n == shape[axis] and math.prod(result[:k]) == math.prod(shape[:axis]):
            return k
    return None


def _spread(_: Node, axis: Any, shape: Shape, result: Shape) -> Along:
    return len(result) - len(shape) + int(axis)


def _reduced(node: Node, axis: Any, shape: Shape, _: Shape) -> Along | None:
    gone = axes_of(node.params.get("axis"), len(shape))
    if axis in gone:
        return PARTIAL if node.op.name == "sum" else None
    return axis if node.params.get("keepdims") else axis - sum(k < axis for k in gone)


_RULES: Final[dict[str, Callable[[Node, Along, Shape, Shape], Along | None]]] = {
    **dict.fromkeys(_MOVING, _moved),
    **dict.fromkeys(("sum", "max", "min", "prod"), _reduced),
    "reshape": _reshaped,
    "getitem": _indexed,
    "broadcast_to": _spread,
}
