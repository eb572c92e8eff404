"""Whether a rewrite changed a graph: where it did not, the graph stays, and rewriting ends."""

from __future__ import annotations

from typing import Any

from chainrule.graph.graph import Graph, operands


def unless_same(old: Graph, new: Graph) -> Graph:
    """The old graph if the new one does the same by the same steps."""
    return old if _is_same(old, new) else new


def _is_same(old: Graph, new: Graph) -> bool:
    if len(old.nodes) != len(new.nodes) or len(old.effects) != len(new.effects):
        return False
    place: dict[Any, Any] = dict(zip(new.inputs, old.inputs, strict=True))
    for a, b in zip(old.nodes, new.nodes, strict=True):
        if a.op is not b.op or a.params.keys() != b.params.keys():
            return False
        if not all(_equal(p, b.params[name]) for name, p in a.params.items()):
            return False
        for (m, u), (n, v) in zip(operands(a), operands(b), strict=False):
            if m is not place.get(n, n) or (m is None and u is not v and not _equal(u, v)):
                return False
        if len(a.inputs) != len(b.inputs):
            return False
        place[b] = a
    for x, y in zip(old.outputs, new.outputs, strict=True):
        if x._node is not place.get(y._node, y._node) or (x._node is None and x is not y):
            return False
    return all(m is place.get(n) for m, n in zip(old.effects, new.effects, strict=True))


def _equal(p: Any, q: Any) -> bool:
    """Whether two parameters are certainly the same."""
    if p is q:
        return True
    if type(p) is not type(q):
        return False
    if type(p) is tuple:
        return len(p) == len(q) and all(map(_equal, p, q))
    return type(p) in (int, str, bool) and bool(p == q)
