"""A number times a linear function of an array, as the function of the number times the array.

The cotangent of k in `k * L(u)` is the sum of `ct * L(u)`, or of `L^T(ct) * u`. The second asks for
what the cotangent of u is made of anyway, k L^T(ct), and of the way there only for u. A graph
rewritten like this has the same derivative, so that the way back through a loop may take its.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chainrule.derive.subgraphs import as_graph, is_float
from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Node
from chainrule.ops.replay import again, replay

_MOVES: Final = frozenset({"getitem", "reshape", "permute_dims", "flip", "roll", "squeeze"})
_SUMS: Final = frozenset({"add", "subtract"})


def inward(graph: Graph, moving: Sequence[Node]) -> Graph:
    """The same function, with numbers moved inward where that pays: in functions of what depends on
    some inputs, so that its cotangent is asked for.
    """
    depend = set(moving)
    for node in graph.nodes:
        if not depend.isdisjoint(node.inputs):
            depend.add(node)
    users: dict[Node, int] = {}
    for node in graph.nodes:
        for n in node.inputs:
            if n is not None:
                users[n] = users.get(n, 0) + 1
    for out in graph.outputs:
        if out._node is not None:
            users[out._node] = users.get(out._node, 0) + 1
    chosen = {n: c for n in graph.nodes if (c := _chain(n, users)) is not None and c[1] in depend}
    if not chosen:
        return graph
    done: dict[Node, Any] = {}

    def node_of(node: Node, values: list[Any]) -> Any:
        if node not in chosen:
            done[node] = again(node, values)
            return done[node]
        place, leaf, chain = chosen[node]
        k = values[place]
        assert node.op is not None
        known = {leaf: node.op.function(k, done[leaf])}
        for link in chain:
            given = [v if n is None else known.get(n, done.get(n)) for n, v in operands(link)]
            known[link] = again(link, given)
        done[node] = known[chain[-1]]
        return done[node]

    def function(*xs: Any) -> list[Any]:
        done.update(zip(graph.inputs, xs, strict=True))
        return replay(graph, xs, node_of)

    return as_graph(function, [n.spec for n in graph.inputs], graph.cls)


def _chain(node: Node, users: dict[Node, int]) -> tuple[int, Node, list[Node]] | None:
    """Of a product with a number that varies: which operand the number is, and the linear function
    of one array that the other is, as the array and the operations, in order.
    """
    if node.op is None or node.op.name != "multiply" or None in node.inputs:
        return None
    assert node.saved is not None
    specs = node.saved[1:]
    for place in (0, 1):
        number, array = specs[place], specs[1 - place]
        top = node.inputs[1 - place]
        assert top is not None
        if number.shape != () or not array.shape or not is_float(array):
            continue
        chain: dict[Node, None] = {}
        leaves = _leaves(top, users, chain)
        sums = any(n.op.name in _SUMS for n in chain)
        if len(leaves) == 1 and sums and number.dtype == array.dtype:
            (leaf,) = leaves
            if _size(leaf) <= 2 * array.size:
                return place, leaf, sorted(chain, key=lambda n: n.order)
    return None


def _size(node: Node) -> int:
    if node.op is None:
        return int(node.spec.size)  # type: ignore[attr-defined]
    assert node.saved is not None
    return int(node.saved[0].size)


def _leaves(node: Node, users: dict[Node, int], chain: dict[Node, None]) -> set[Node]:
    """The arrays that linear operations, which nobody else reads, compute a value from."""
    if node in chain:
        return set()
    inner = _linear(node)
    if not inner or (users.get(node, 0) > 1 and node.op.name not in _MOVES):
        return {node}
    chain[node] = None
    return set().union(*(_leaves(n, users, chain) for n in inner))


def _linear(node: Node) -> list[Node]:
    """The operands of a linear operation, of which none is a constant array; else nothing."""
    if node.op is None or node.saved is None:
        return []
    name, inner = node.op.name, [n for n in node.inputs if n is not None]
    result, specs = node.saved[0], [v for n, v in operands(node) if n is not None]
    if any(getattr(v, "dtype", None) != result.dtype for v in specs):
        return []
    if name in _MOVES or name == "negative":
        return inner if len(inner) == 1 else []
    same = all(v.shape == result.shape for v in specs)
    if name in _SUMS:
        return inner if len(inner) == 2 and same else []
    return inner if name == "multiply" and len(inner) == 1 and same else []
