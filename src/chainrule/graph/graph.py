"""A function as a graph: inputs, the operations between, outputs.

A `Graph` is what tracing makes of a function, and what the walks that need no numbers turn into
another graph. It refers to nodes as they were recorded and copies nothing. An operand of a node is
an input, the result of an earlier node, or *given*: a constant, or a value from outside of the
graph (a variable of an enclosing trace or recording), which keeps its own node, so that whatever
encloses the graph can differentiate by it. Next: `chainrule.ops.replay`, which runs one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from chainrule.graph.node import Abstract, Leaf, Node, Variable

_order = attrgetter("order")


class Graph:
    """Inputs, operations in the order of recording, and outputs (Tensors, traced or given)."""

    __slots__ = ("cls", "inputs", "nodes", "outputs")

    def __init__(
        self,
        inputs: Sequence[Leaf],
        outputs: Sequence[Variable],
        cls: type[Variable],
    ) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.cls = cls
        self.nodes = tuple(self._collected())

    def _collected(self) -> list[Node]:
        """Operations that lie between the inputs and the outputs, oldest first."""
        inside: set[Node] = set(self.inputs)
        oldest = min([n.order for n in self.inputs], default=0)
        stack = [out._node for out in self.outputs if is_abstract(out)]
        reached: set[Node] = set()
        while stack:
            node = stack.pop()
            if node is None or node in reached or node in inside or node.order < oldest:
                continue
            if node.op is None:  # an input of another trace: given
                continue
            reached.add(node)
            for n, v in operands(node):
                if type(v) is Abstract:
                    stack.append(n)
        kept = []
        for node in sorted(reached, key=_order):
            for n in node.inputs:
                if n in inside:
                    inside.add(node)
                    kept.append(node)
                    break
        return kept

    def given(self) -> Iterator[tuple[Node | None, Any]]:
        """Node and value of all operands and outputs that come from outside, once for each use."""
        inside = {*self.inputs, *self.nodes}
        for node in self.nodes:
            for n, v in operands(node):
                if n not in inside:
                    yield n, v
        for out in self.outputs:
            if out._node not in inside:
                yield out._node, out._value

    def __repr__(self) -> str:
        return f"<graph of {len(self.nodes)} operations, {len(self.inputs)} inputs>"


def operands(node: Node) -> Iterator[tuple[Node | None, Any]]:
    """Node and value of each operand of a traced node; the value of a result is Abstract."""
    assert node.saved is not None
    return zip(node.inputs, node.saved[1:], strict=True)


def has_variable(node: Node) -> bool:
    """Whether a node depends on a leaf by which a derivative could be wanted."""
    seen: set[Node] = set()
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, Leaf):
            if not node.frozen:
                return True
        elif node not in seen:
            seen.add(node)
            stack.extend(n for n in node.inputs if n is not None)
    return False


def is_abstract(x: Variable) -> bool:
    """Whether a variable has no numbers yet."""
    return type(x._value) is Abstract
