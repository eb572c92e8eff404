"""A function as a graph: inputs, the operations between, outputs.

A `Graph` is what tracing makes of a function, and what the walks that need no numbers turn into
another graph. It refers to nodes as they were recorded and copies nothing. An operand of a node is
an input, the result of an earlier node, or *given*: a constant, or a value from outside of the
graph (a variable of an enclosing trace or recording), which keeps its own node, so that whatever
encloses the graph can differentiate by it. Next: `chainrule.ops.replay`, which runs one.

A graph may have *effects*: operations that are run for what they do (print, check), not for what
they give, and loops and branches with such operations in them. They stay part of the graph though
no output needs them, in the order of recording. Whatever makes a graph collects them (`Effects`).
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

from chainrule.graph.node import Abstract, Leaf, Node, Variable

_order = attrgetter("order")


class Graph:
    """Inputs, operations in the order of recording, and outputs (Tensors, traced or given)."""

    __slots__ = ("cls", "effects", "inputs", "nodes", "outputs", "simple")

    def __init__(
        self,
        inputs: Sequence[Leaf],
        outputs: Sequence[Variable],
        cls: type[Variable],
        effects: Sequence[Node] = (),
    ) -> None:
        self.effects = tuple(effects)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.cls = cls
        self.simple = False
        """Whether it is known that nothing in it becomes simpler (`rewrite.simplify`)."""
        self.nodes = tuple(self._collected())

    def _collected(self) -> list[Node]:
        """Operations that lie between the inputs and the outputs or effects, oldest first."""
        inside: set[Node] = set(self.inputs)
        oldest = min([n.order for n in self.inputs], default=0)
        stack: list[Node | None] = [out._node for out in self.outputs if is_abstract(out)]
        stack.extend(self.effects)
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
            if node in self.effects:
                inside.add(node)
                kept.append(node)
                continue
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


class Effects:
    """Context manager: the list of effects that are recorded in this thread meanwhile."""

    def __enter__(self) -> list[Node]:
        found: list[Node] = []
        _noted.setdefault(get_ident(), []).append(found)
        return found

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        lists = _noted[get_ident()]
        lists.pop()
        if not lists:
            del _noted[get_ident()]


_noted: dict[int, list[list[Node]]] = {}
"""Lists of effects that are being made, by thread, innermost last."""


def note_effect(node: Node) -> None:
    """Note a node that has just been recorded, if it is an effect."""
    if has_effect(node.op, node.params):
        lists = _noted.get(get_ident())
        if lists:
            lists[-1].append(node)


def has_effect(row: Any, params: Any) -> bool:
    """Whether an operation does something, itself or in a graph among its parameters."""
    if row is None or row.results != 0:
        return False
    if row.name == EFFECT:
        return True
    for p in params.values():
        for graph in p if type(p) is tuple else (p,):
            if isinstance(graph, Graph) and graph.effects:
                return True
    return False


EFFECT: Final = "effect"
"""Name of the row whose operations are effects (`ops.effects`)."""


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
