"""Running a graph: the operations again, in order, on the arguments given.

On Tensors that require a derivative this records, on traced Tensors it traces: a graph is a
function like any other. Used by the operations that hold graphs (`ops.control_flow`), and wherever
a graph is to be evaluated without machine code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.errors import DtypeError, at, user_line
from chainrule.graph.graph import Graph, has_variable, operands
from chainrule.graph.node import Abstract, Node, Variable
from chainrule.ops.recording import SELECT, general, stopped, wrapped

Apply = Callable[[Node, list[Any]], Any]


def replay(
    graph: Graph,
    arguments: Sequence[Any],
    apply: Apply | None = None,
    known: dict[Node, Any] | None = None,
) -> list[Any]:
    """The outputs for these arguments (Tensors of the graph's class, or what `apply` works on).

    `apply(node, operands)` gives the result of a node, or of all results a tuple; by default it
    runs the node's row. `known` holds values to take for nodes outside of the graph.
    """
    known = {} if known is None else dict(known)
    known.update(zip(graph.inputs, arguments, strict=True))
    cls, apply = graph.cls, apply or again
    for node in graph.nodes:
        known[node] = apply(node, [given(cls, n, v, known) for n, v in operands(node)])
    return [
        known[out._node] if out._node is not None and out._node in known else out
        for out in graph.outputs
    ]


def given(cls: type[Variable], node: Node | None, value: Any, known: dict[Node, Any]) -> Any:
    """An operand: what is known of its node, or else what was given when the graph was traced."""
    if node is None:
        return value
    found = known.get(node)
    if found is not None:
        return found
    return wrapped(cls, value, node) if type(value) is Abstract or has_variable(node) else value


def again(node: Node, values: list[Any]) -> Any:
    """The result of a node's row on Tensors."""
    row = node.op
    if row is SELECT[0]:
        return values[0][node.params["index"]]
    if row is SELECT[1]:
        return stopped(values[0]) if isinstance(values[0], Variable) else values[0]
    return as_traced(node, general(row, values, node.params))


def as_traced(node: Node, result: Any) -> Any:
    """The result of a node, which must have the dtype that tracing said it would."""
    traced: Any = None if node.saved is None else node.saved[0]
    if type(traced) is Abstract and getattr(result, "dtype", traced.dtype) != traced.dtype:
        raise DtypeError(
            f"{node.op.name}: the result is {result.dtype}, and was taken to be {traced.dtype} "
            f"when the function was traced: here the dtype depends on the values (a real matrix "
            "with complex eigenvalues, for example). Make the operand complex (`.astype(complex)`) "
            "to allow for that" + at(user_line())
        )
    return result
