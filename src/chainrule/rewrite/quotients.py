"""A quotient divided once more by the same: the derivative of a / b by b is -(a / b) / b.

A division takes the time of several products, and 1 / b is there already, as the derivative by a,
or as the quotient itself where a is 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.graph.graph import operands as operands_of
from chainrule.graph.node import Node, Variable
from chainrule.ops.recording import wrapped
from chainrule.ops.table import TABLE


def divided_twice(node: Node, operands: list[Any], build: Any) -> Any:
    """(a / b) / b as (a / b) (1 / b)."""
    x, b = operands
    if not isinstance(x, Variable) or not isinstance(b, Variable) or not _alike(node, x, b):
        return None
    quotient = x._node
    if quotient is not None and quotient.op is not None and quotient.op.name == "negative":
        quotient = quotient.inputs[0]
    if quotient is None or quotient.op is None or quotient.op.name != "divide":
        return None
    (numerator, over), (below, _) = operands_of(quotient)
    if below is not b._node:
        return None
    one = b._value.dtype.type(1)
    if numerator is None and np.all(np.asarray(over) == 1):
        assert quotient.saved is not None
        reciprocal = wrapped(build.cls, quotient.saved[0], quotient)
    else:
        reciprocal = build.do(TABLE["divide"], [one, b])
    return build.do(TABLE["strong_multiply"], [x, reciprocal])


def _alike(node: Node, x: Variable, b: Variable) -> bool:
    """Whether all are real numbers of one dtype and shape."""
    assert node.saved is not None
    specs = [v if not isinstance(v, Variable) else v._value for v in (node.saved[0], x, b)]
    return len({(s.shape, s.dtype) for s in specs}) == 1 and specs[0].dtype.kind == "f"
