"""Quotients of quotients by the same divisor, as derivatives of a / b have them: one division."""

from __future__ import annotations

from typing import Any

from chainrule.graph.node import Variable
from chainrule.ops.table import TABLE


def slope_of_quotient(node: Any, operands: list[Any], build: Any) -> Any:
    """-(a / b) / b is -(a / b) * (1 / b): the derivative of a / b by a is 1 / b as well, and a
    division takes as long as ten products. The product is strong: 1 / b may be infinite.
    """
    outer, b = operands
    inner = _made_by(outer, "negative")
    quotient = None if inner is None else _source(inner, 0, "divide")
    if quotient is None or node.saved[0].dtype.kind != "f":
        return None
    if not isinstance(b, Variable) or b._node is None or quotient.inputs[1] is not b._node:
        return None
    inverse = build.do(TABLE["divide"], [1, b])
    return build.do(TABLE["strong_multiply"], [outer, inverse])


def _made_by(x: Any, name: str) -> Any:
    """The node that made an operand, if it is of this row."""
    node = x._node if isinstance(x, Variable) else None
    return node if node is not None and node.op is not None and node.op.name == name else None


def _source(node: Any, k: int, name: str) -> Any:
    """The node of this row that made operand k of a node."""
    found = node.inputs[k]
    return found if found is not None and found.op is not None and found.op.name == name else None
