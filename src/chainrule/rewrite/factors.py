"""Sums of the same array times different numbers: one sum, and products with it.

`sum(c * x)` is `c * sum(x)`, which may be there already: the derivative of x / sum(x) asks for
both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Node
from chainrule.ops.axes import axes_of


@dataclass(eq=False, repr=False)
class Scaled:
    """A sum as an earlier one times numbers: (row, node, value) each."""

    earlier: Node
    factors: list[tuple[str, Node | None, Any]] = field(default_factory=list)
    negative: bool = False


def scaled_sums(graph: Graph) -> dict[Node, Scaled]:
    """The sums that are an earlier one times numbers that do not vary."""
    found: dict[Node, Scaled] = {}
    sums: dict[tuple[Node, tuple[int, ...]], Node] = {}
    for node in graph.nodes:
        if node.op is None or node.op.name != "sum" or not _floating(node):
            continue
        assert node.saved is not None
        (x,) = node.inputs
        if x is None:
            continue
        axes = axes_of(node.params.get("axis"), len(node.saved[1].shape))
        inner = Scaled(node)
        base = _peeled(x, inner)
        earlier = sums.get((base, axes))
        if base is not x and earlier is not None:
            inner.earlier = earlier
            found[node] = inner
        sums.setdefault((x, axes), node)
    return found


def _floating(node: Node) -> bool:
    assert node.saved is not None
    return node.params.get("dtype") is None and node.saved[0].dtype.kind == "f"


def _peeled(x: Node, inner: Scaled) -> Node:
    """What is left of a product without its factors of size one, which are noted, and signs."""
    before: Node | None = x
    while before is not None:
        x, before = before, _before(before, inner)
    return x


def _before(x: Node, inner: Scaled) -> Node | None:
    """The array of a product with a number, or of a negative; None of anything else."""
    if x.op is None or x.op.name not in ("negative", "multiply", "strong_multiply"):
        return None
    pairs = list(operands(x))
    if len(pairs) == 1:
        inner.negative ^= pairs[0][0] is not None
        return pairs[0][0]
    assert x.saved is not None
    for (n, v), (other, w) in (pairs, pairs[::-1]):
        number = _number(n, v)
        if number is not None and other is not None and w.shape == x.saved[0].shape:
            inner.factors.append((x.op.name, *number))
            return other
    return None


def _number(node: Node | None, value: Any) -> tuple[Node | None, Any] | None:
    """The one number that an operand is everywhere, as node and value."""
    while node is not None and node.op is not None and node.op.name == "broadcast_to":
        ((node, value),) = operands(node)
    return (node, value) if getattr(value, "size", 1) == 1 else None
