"""While loops within others: loops that take the same turns, with a part of another one's carry.

The derivative of a loop forwards is such a larger loop: it computes the values once more, beside
their tangents. Then the larger loop gives the results of the smaller one as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node, Variable
from chainrule.ops.recording import wrapped
from chainrule.ops.replay import given


def joined(graph: Graph, make: Any, numbers: Any) -> Graph:
    """The same function without while loops that are within others; `make(cls)` gives a
    `simplify.Builder`, and `numbers` (`rewrite.loops.Numbers`) tells what is equal.
    """
    loops = [n for n in graph.nodes if n.op is not None and n.op.name == "while_loop"]
    if len(loops) < 2 or graph.effects:
        return graph
    hosts: dict[Node, tuple[Node, list[int]]] = {}
    loops.sort(key=_carried, reverse=True)
    for small in loops:
        for large in loops:
            if large is small or large in hosts or _reaches(large, small, hosts):
                continue
            places = _places(small, large, numbers)
            if places is not None:
                hosts[small] = large, places
                break
    return _without(graph, hosts, make) if hosts else graph


def _carried(loop: Node) -> int:
    """How many parts the carry has."""
    return len(loop.inputs) - sum(loop.params["counts"])


def _needs(node: Node, hosts: dict[Node, tuple[Node, list[int]]]) -> Iterator[Node]:
    """What comes before a node."""
    yield from [hosts[node][0]] if node in hosts else [n for n in node.inputs if n is not None]


def _reaches(node: Node, other: Node, hosts: dict[Node, tuple[Node, list[int]]]) -> bool:
    """Whether a node needs another one."""
    seen, stack = {node}, [node]
    while stack:
        for n in _needs(stack.pop(), hosts):
            if n is other:
                return True
            if n not in seen:
                seen.add(n)
                stack.append(n)
    return False


def _places(small: Node, large: Node, numbers: Any) -> list[int] | None:
    """Where in the carry of a loop that of another one is, or None where it is not there."""
    p, q = small.params, large.params
    if p["limit"] != q["limit"]:
        return None
    (m, k), (m2, k2), n = p["counts"], q["counts"], _carried(small)
    ours, theirs = ([numbers.operand(*x) for x in operands(loop)] for loop in (small, large))
    places: list[int] = []
    first = theirs[m2 + k2 :]
    for x in ours[m + k :]:
        start = places[-1] + 1 if places else 0
        if x not in first[start:]:
            return None
        places.append(first.index(x, start))
    names = [("carry", i) for i in range(n)]
    others = [("other", i) for i in range(len(first))]
    for i, place in enumerate(places):
        others[place] = "carry", i
    for graph, start, start2, count, count2, outputs in (
        ("cond", 0, 0, m, m2, ([0], [0])),
        ("body", m, m2, k, k2, (range(n), places)),
    ):
        one = numbers.graph(p[graph], outputs[0], [*ours[start : start + count], *names])
        two = numbers.graph(q[graph], outputs[1], [*theirs[start2 : start2 + count2], *others])
        if one != two:
            return None
    return places


def _without(graph: Graph, hosts: dict[Node, tuple[Node, list[int]]], make: Any) -> Graph:
    """The graph in an order in which loops come after those that they are within, which are run."""
    cls, build = graph.cls, make(graph.cls)
    known: dict[Node, Any] = {
        n: wrapped(cls, Abstract(n.spec.shape, n.spec.dtype), n) for n in graph.inputs
    }
    inside, stack = set(graph.nodes), list(reversed(graph.nodes))
    while stack:
        node = stack[-1]
        missing = [n for n in _needs(node, hosts) if n in inside and n not in known]
        if missing:
            stack += missing
            continue
        stack.pop()
        if node in known:
            continue
        if node in hosts:
            large, places = hosts[node]
            known[node] = [known[large][i] for i in places]
        else:
            known[node] = build.node(node, [given(cls, n, v, known) for n, v in operands(node)])
    outputs = [given(cls, o._node, o._value, known) for o in graph.outputs]
    outputs = [o if isinstance(o, Variable) else wrapped(cls, o, None) for o in outputs]
    return Graph(graph.inputs, outputs, cls)
