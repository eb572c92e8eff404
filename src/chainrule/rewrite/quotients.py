"""Quotients of quotients by the same divisor, as derivatives of a / b have them: one division.

-(a / b) / b becomes -(a / b) * (1 / b): the derivative of a / b by a is 1 / b as well, and a
division takes as long as ten products. Where 1 / b is zero or infinite the product may be NaN and
the quotient not, so it is a hope, as in `rewrite.hopeful`: a strong product, of which a NaN is a
doubt. (Of a divisor below 6e-309, whose reciprocal is infinite, slopes above 1e293 are infinite.)
"""

from __future__ import annotations

from typing import Any

from chainrule.graph.graph import Effects, Graph
from chainrule.graph.node import Node, Variable, fresh
from chainrule.ops.recording import wrapped
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE


def with_inverses(graph: Graph, builder: Any) -> Graph:
    """The graph with such quotients as products, or itself where there are none."""
    if not any(map(_is_slope, graph.nodes)):
        return graph
    build = builder(graph.cls)

    def node(node: Node, operands: Any) -> Any:
        b = operands[1] if _is_slope(node) else None
        if not isinstance(b, Variable):
            return build.node(node, operands)
        return build.do(TABLE["strong_multiply"], [operands[0], build.do(node.op, [1, b])])

    arguments = [wrapped(graph.cls, fresh(n.spec), n) for n in graph.inputs]
    with Effects() as effects:
        outputs = replay(graph, arguments, node)
    outputs = [o if isinstance(o, Variable) else wrapped(graph.cls, o, None) for o in outputs]
    return Graph(graph.inputs, outputs, graph.cls, effects)


def _is_slope(node: Node) -> bool:
    """Whether a node is -(a / b) / b, of real numbers."""
    inner = _source(node, "divide", 0, "negative")
    quotient = None if inner is None else _source(inner, "negative", 0, "divide")
    if quotient is None or node.inputs[1] is None or quotient.inputs[1] is not node.inputs[1]:
        return False
    assert node.saved is not None
    kind: str = node.saved[0].dtype.kind
    return kind == "f"


def _source(node: Node, name: str, k: int, source: str) -> Any:
    """What made operand k of a node of one row, if it is of another row."""
    if node.op is None or node.op.name != name:
        return None
    found = node.inputs[k]
    return found if found is not None and found.op is not None and found.op.name == source else None
