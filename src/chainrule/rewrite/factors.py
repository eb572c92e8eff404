"""Sums of the same array times different numbers: one sum, and products with it.

`sum(c * x)` is `c * sum(x)`, which may be there already: the derivative of x / sum(x) asks for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainrule.graph.graph import Graph
from chainrule.graph.node import Node
from chainrule.ops.axes import axes_of


@dataclass
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
    return node.params.get("dtype") is None and node.saved[0].dtype.kind == "f"  # type: ignore[index]


def _peeled(x: Node, inner: Scaled) -> Node:
    """What is left of a product without its factors of size one, which are noted, and signs."""
    while x.op is not None and x.saved is not None:
        shape = x.saved[0].shape
        if x.op.name == "negative" and x.inputs[0] is not None:
            x, inner.negative = x.inputs[0], not inner.negative
            continue
        if x.op.name not in ("multiply", "strong_multiply"):
            break
        pairs = list(zip(x.inputs, x.saved[1:], strict=True))
        for (n, v), (other, w) in (pairs, pairs[::-1]):
            number = _number(n, v)
            if number is not None and other is not None and getattr(w, "shape", ()) == shape:
                inner.factors.append((x.op.name, *number))
                x = other
                break
        else:
            break
    return x


def _number(node: Node | None, value: Any) -> tuple[Node | None, Any] | None:
    """The one number that an operand is everywhere, as node and value."""
    while node is not None and node.op is not None and node.op.name == "broadcast_to":
        assert node.saved is not None
        node, value = node.inputs[0], node.saved[1]
    return (node, value) if getattr(value, "size", 1) == 1 else None
