"""Running a graph with NumPy, node by node: what compiled code is compared with, and what runs
where there is no LLVM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.graph.graph import Graph
from chainrule.graph.node import Node, Variable
from chainrule.ops.complaints import CAUGHT, explain
from chainrule.ops.recording import SELECT, settle
from chainrule.ops.replay import replay


class Reference:
    """A graph as a callable on arrays."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        """The outputs for arrays and NumPy scalars of the inputs' shapes and dtypes."""
        cls = self.graph.cls

        def apply(node: Node, values: list[Any]) -> Any:
            if node.op is SELECT[0]:
                return values[0][node.params["index"]]
            if node.op is SELECT[1]:
                return values[0]
            try:
                with np.errstate(all="ignore"):
                    value = node.op.evaluate(*values, **node.params)
            except CAUGHT as error:
                raise explain(node.op, values, node.params, error) from None
            if isinstance(value, (tuple, list)):
                return [settle(cls, v, values, node.op, node.params) for v in value]
            return settle(cls, value, values, node.op, node.params)

        outs = replay(self.graph, arguments, apply)
        return [_own(x._value if isinstance(x, Variable) else x, arguments) for x in outs]

    def report(self) -> str:
        """Everything is done by NumPy."""
        return f"{len(self.graph.nodes)} operations, all by NumPy (llvmlite is not installed)"


def _own(x: Any, arguments: Sequence[Any]) -> Any:
    """A result that shares no memory with an argument."""
    x = np.asarray(x)
    return np.array(x) if x.ndim else x[()]
