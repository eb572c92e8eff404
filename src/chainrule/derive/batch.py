"""The walk that carries a batch: a graph of one example, run on many at once.

What depends on a batched argument has the batch as its first axis; what does not is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Node
from chainrule.ops.batching import run_batched
from chainrule.ops.recording import SELECT
from chainrule.ops.replay import again, given


def batch(
    graph: Graph, arguments: Sequence[Any], moved: Sequence[bool], size: int
) -> tuple[list[Any], list[bool]]:
    """Outputs for arguments, those marked in `moved` having the batch as their first axis, and
    which of the outputs have it.
    """
    known: dict[Node, Any] = dict(zip(graph.inputs, arguments, strict=True))
    carrying: set[Node] = {n for n, m in zip(graph.inputs, moved, strict=True) if m}
    cls = graph.cls
    for node in graph.nodes:
        values, carried = [], []
        for n, v in operands(node):
            values.append(given(cls, n, v, known))
            carried.append(n is not None and n in carrying)
        if any(carried):
            carrying.add(node)
        if any(carried) and node.op not in SELECT:  # which know no axes
            assert node.saved is not None
            known[node] = run_batched(node.op, size, values, carried, node.params, node.saved[0])
        else:
            known[node] = again(node, values)
    results, whether = [], []
    for out in graph.outputs:
        n = out._node
        results.append(known[n] if n is not None and n in known else out)
        whether.append(n is not None and n in carrying)
    return results, whether


def carried(graph: Graph, moved: Sequence[bool]) -> list[bool]:
    """Which outputs of a graph have the batch if the inputs marked in `moved` do."""
    carrying: set[Node] = {n for n, m in zip(graph.inputs, moved, strict=True) if m}
    for node in graph.nodes:
        if any(n in carrying for n in node.inputs):
            carrying.add(node)
    return [out._node in carrying for out in graph.outputs]
