"""Loops over arrays of which every element goes its own way, tile after tile of the elements.

`for j in range(m): y = y + x[j] * p; p = p * t` on long arrays takes them through the memory in
each turn, and its derivative stores them for each turn. But one element never looks at another: the
whole loop can be run on a few hundred elements, then on the next, and what is stored between the
loop and the way back through it is as small as that. Sums over all elements become sums over the
tiles'.

A `Region` is a scan and what can go with it, other scans too; `rewrite.kinds` says what can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node, Parameter, Scope, Spec, Variable
from chainrule.ops.recording import SELECT, wrapped
from chainrule.ops.table import TABLE
from chainrule.rewrite.kinds import (
    PARTIAL,
    SAME,
    STACKED,
    TILED,
    Body,
    Kind,
    kind_of,
    leads,
    shape_of,
)

LEAST: Final = 512
"""Fewer elements are not worth tiles."""

NEAR: Final = 1 << 16
"""Bytes of what one tile works on, in all turns."""

FEWEST: Final = 64
MOST: Final = 512
"""Elements of a tile at least, as each of them has turns to count, and at most."""

WORTH: Final = 1 << 16
"""Bytes that a loop touches: less lies in a near cache anyway."""


def tiled(graph: Graph, make: Callable[[Any], Any]) -> Graph:
    """The same function with loops over long arrays run tile by tile; `make(cls)` gives a
    `simplify.Builder`.
    """
    for count in _counts(graph):
        region = Region(graph, count)
        if region.nodes:
            return _Rewriting(region, make).graph()
    return graph


def _counts(graph: Graph) -> list[int]:
    """Lengths of first axes in the carries of scans, where tiles of them could be worth it."""
    found: dict[int, None] = {}
    for node in graph.nodes:
        if _is_scan(node):
            results = node.saved[0]  # type: ignore[index]
            carries = node.params["counts"][1]
            for spec in results[:carries]:
                n = spec.shape[0] if spec.shape else 0
                size = sum(s.size * s.dtype.itemsize for s in results if n in s.shape[:2])
                if n >= LEAST and node.params["length"] > 2 and size > WORTH:
                    found[n] = None
    return list(found)


def _is_scan(node: Node) -> bool:
    return node.op is not None and node.op.name == "scan"


# --- what goes together ---------------------------------------------------------------------------


class Region:
    """Nodes that are run tile by tile: scans, and elementwise operations on their results."""

    def __init__(self, graph: Graph, count: int) -> None:
        self.graph, self.count = graph, count
        self.bodies: dict[Node, Body] = {}
        self.kinds: dict[Node, Kind] = {}
        self.nodes: list[Node] = []
        self.later: set[Node] = set()
        forbidden: set[Node] = set()
        while True:
            self._find(forbidden)
            leaving = self._stacks_that_leave()
            if not leaving:
                break
            forbidden |= leaving
        if not any(map(_is_scan, self.nodes)):
            self.nodes = []

    def _find(self, forbidden: set[Node]) -> None:
        """Go through the graph: each node comes before the region, into it, or after it."""
        self.kinds, self.later, self.nodes, self.bodies = {}, set(), [], {}
        results: dict[Node, list[Kind]] = {}
        for node in self.graph.nodes:
            sources = [n for n in node.inputs if n is not None]
            if node.op is SELECT[0]:
                (source,) = sources
                if source in results:
                    self.kinds[node] = results[source][node.params["index"]]
                    self.nodes.append(node)
                elif source in self.later:
                    self.later.add(node)
                continue
            if any(n in self.later or self.kinds.get(n) == PARTIAL for n in sources):
                self.later.add(node)
                continue
            inside = any(n in self.kinds for n in sources)
            if _is_scan(node) and node not in forbidden:
                body = self._body(node)
                if body.works:
                    self.bodies[node], results[node] = body, body.results
                    self.nodes.append(node)
                    continue
            if not inside:
                continue
            kind = None
            if not _is_scan(node):
                given = [self.kind(n, v) for n, v in operands(node)]
                kind = kind_of(node, given, [shape_of(v) for _, v in operands(node)], self.count)
            if kind in (TILED, PARTIAL):
                self.kinds[node] = kind
                self.nodes.append(node)
            else:
                self.later.add(node)

    def _body(self, node: Node) -> Body:
        pairs = list(operands(node))
        return Body(node, [self.kind(n, v) for n, v in pairs], [v for _, v in pairs], self.count)

    def kind(self, node: Node | None, value: Any) -> Kind:
        """The kind of an operand; what comes from before the region is cut into tiles if it can."""
        if node is not None and node in self.kinds:
            return self.kinds[node]
        return TILED if leads(value, self.count) else SAME

    def _stacks_that_leave(self) -> set[Node]:
        """Scans with stacked results that something outside of the region reads, or the same in
        every tile: they are not for tiles.
        """
        inside = set(self.nodes)
        read = {n for node in self.graph.nodes if node not in inside for n in node.inputs}
        read |= {o._node for o in self.graph.outputs}
        found: set[Node] = set()
        for node in self.nodes:
            kind = self.kinds.get(node)
            used_badly = kind == STACKED and (node in read or not self._is_sliced(node))
            if node.op is SELECT[0] and (used_badly or (kind == SAME and node in read)):
                found.add(node.inputs[0])  # type: ignore[arg-type]
        return found

    def _is_sliced(self, node: Node) -> bool:
        """Whether only scans of the region read a stack, and slice by slice."""
        for user in self.nodes:
            for k, n in enumerate(user.inputs):
                if n is node and (not _is_scan(user) or k < sum(user.params["counts"])):
                    return False
        return True


# --- the region as a scan over tiles --------------------------------------------------------------


class _Rewriting:
    """Runs a graph again, with a region as a loop over tiles."""

    def __init__(self, region: Region, make: Callable[[Any], Any]) -> None:
        self.region, self.old = region, region.graph
        self.cls = self.old.cls
        self.make, self.build = make, make(self.cls)
        inside = set(region.nodes)
        read = {n for node in self.old.nodes if node not in inside for n in node.inputs}
        read |= {o._node for o in self.old.outputs}
        self.ends = [n for n in region.nodes if n in read and not _is_scan(n)]
        self.same: dict[Any, Any] = {}
        self.cut: dict[Any, Any] = {}
        for node in region.nodes:
            self._take(node)

    def _take(self, node: Node) -> None:
        """Note what a node of the region takes from before: cut into tiles, or the same for all."""
        inside = set(self.region.nodes)
        for n, v in operands(node):
            if n is not None and n in inside:
                continue
            where = self.cut if self.region.kind(n, v) == TILED else self.same
            where[n if n is not None else id(v)] = (n, v)
        body = self.region.bodies.get(node)
        if body is not None:
            for n, v in body.graph.given():
                if leads(v, body.count):
                    self.cut[n if n is not None else id(v)] = (n, v)

    def graph(self) -> Graph:
        """The new graph."""
        arguments = [
            wrapped(self.cls, Abstract(n.spec.shape, n.spec.dtype), n) for n in self.old.inputs
        ]
        known: dict[Node, Any] = dict(zip(self.old.inputs, arguments, strict=True))
        later: list[Node] = []
        inside = set(self.region.nodes)
        for node in self.old.nodes:
            if node in self.region.later and node not in inside:
                later.append(node)
            elif node not in inside:
                known[node] = self._again(node, known)
        known.update(self._region(known))
        for node in later:
            known[node] = self._again(node, known)
        outputs = [known.get(o._node, o) if o._node is not None else o for o in self.old.outputs]
        outputs = [o if isinstance(o, Variable) else wrapped(self.cls, o, None) for o in outputs]
        return Graph(self.old.inputs, outputs, self.cls)

    def _again(self, node: Node, known: dict[Node, Any]) -> Any:
        return self.build.node(node, [_known(n, v, known, self.cls) for n, v in operands(node)])

    def _region(self, known: dict[Node, Any]) -> dict[Node, Any]:
        """The results of the region, by node."""
        cut = {k: _known(n, v, known, self.cls) for k, (n, v) in self.cut.items()}
        same = {k: _known(n, v, known, self.cls) for k, (n, v) in self.same.items()}
        count = self.region.count
        size = tile_of(count, self._bytes_each())
        whole = count // size
        found = self._looped(cut, same, whole, size)
        if whole * size < count:
            rest = {k: v[whole * size :] for k, v in cut.items()}
            more = self._tile(self.build, {**same, **rest}, count - whole * size)
            found = [self._joined(n, a, b) for n, a, b in zip(self.ends, found, more, strict=True)]
        return dict(zip(self.ends, found, strict=True))

    def _bytes_each(self) -> int:
        """Bytes that one element takes in all arrays of the region's scans."""
        total = 0
        for node, body in self.region.bodies.items():
            for spec, kind in zip(node.saved[0], body.results, strict=True):  # type: ignore[index]
                if kind in (TILED, STACKED):
                    total += spec.size * spec.dtype.itemsize
        return total // self.region.count

    def _joined(self, node: Node, a: Any, b: Any) -> Any:
        if self.region.kinds[node] == PARTIAL:
            return self.build.do(TABLE["add"], [a, b])
        return np.concatenate([a, b])

    def _looped(self, cut: Any, same: Any, whole: int, size: int) -> list[Any]:
        """The region on all whole tiles, by a scan over them."""
        sums = [n for n in self.ends if self.region.kinds[n] == PARTIAL]
        parts = [n for n in self.ends if self.region.kinds[n] != PARTIAL]
        specs = [n.saved[0] for n in sums]  # type: ignore[index]
        values = [*same.values(), *[np.zeros(s.shape, s.dtype) for s in specs]]
        values += [v[: whole * size].reshape((whole, size, *shape_of(v)[1:])) for v in cut.values()]
        scope = Scope("tiles")
        inputs = [
            Parameter(Spec(v if hasattr(v, "shape") else np.asarray(v)), scope) for v in values
        ]
        for node in inputs[len(same) + len(sums) :]:
            node.spec.shape = node.spec.shape[1:]
        tensors = [wrapped(self.cls, Abstract(i.spec.shape, i.spec.dtype), i) for i in inputs]
        build = self.make(self.cls)
        names = [*same, *[None] * len(sums), *cut]
        known = {k: t for k, t in zip(names, tensors, strict=True) if k is not None}
        results = dict(zip(self.ends, self._tile(build, known, size), strict=True))
        outputs = [
            build.do(TABLE["add"], [t, results[n]])
            for n, t in zip(sums, tensors[len(same) :], strict=False)
        ]
        outputs += [results[n] for n in parts]
        scope.open = False
        outputs = [o if isinstance(o, Variable) else wrapped(self.cls, o, None) for o in outputs]
        body = Graph(inputs, outputs, self.cls)
        found = self.build.do(
            TABLE["scan"], values, body=body, counts=(len(same), len(sums)), length=whole,
            reverse=False,
        )  # fmt: skip
        by_node = dict(zip((*sums, *parts), found, strict=True))
        for n in parts:
            y = by_node[n]
            by_node[n] = y.reshape((whole * size, *y.shape[2:]))
        return [by_node[n] for n in self.ends]

    # --- one tile ------------------------------------------------------------------------------

    def _tile(self, build: Any, given: dict[Any, Any], size: int) -> list[Any]:
        """The region's results on one tile; `given` has what comes from outside."""
        known: dict[Any, Any] = dict(given)
        for node in self.region.nodes:
            values = [known[n if n is not None else id(v)] for n, v in operands(node)
                      if node.op is not SELECT[0]]  # fmt: skip
            if node.op is SELECT[0]:
                known[node] = known[node.inputs[0]][node.params["index"]]
            elif node in self.region.bodies:
                known[node] = self._scan(build, node, values, known, size)
            else:
                known[node] = build.do(node.op, values, **node.params)
        return [known[n] for n in self.ends]

    def _scan(
        self, build: Any, node: Node, values: list[Any], known: dict[Any, Any], size: int
    ) -> Any:
        """A scan on a tile. Constants of its body that are cut become operands."""
        body = self.region.bodies[node]
        more: dict[Any, Any] = {}
        for n, v in body.graph.given():
            if leads(v, body.count):
                key = n if n is not None else id(v)
                more[key] = known[key]
        m, n = node.params["counts"]
        values = [*more.values(), *values]
        scope = Scope("a loop")
        inputs = []
        for k, v in enumerate(values):
            spec = Spec(v if hasattr(v, "shape") else np.asarray(v))
            if k >= len(more) + m + n:
                spec.shape = spec.shape[1:]
            inputs.append(Parameter(spec, scope))
        tensors = [wrapped(self.cls, Abstract(i.spec.shape, i.spec.dtype), i) for i in inputs]
        inner = self.make(self.cls)
        found: dict[Any, Any] = dict(zip(more, tensors, strict=False))
        found.update(zip(body.graph.inputs, tensors[len(more) :], strict=True))

        def operand(n: Node | None, v: Any) -> Any:
            key = n if n is not None else id(v)
            return found[key] if key in found else _known(n, v, found, self.cls)

        for one in body.graph.nodes:
            given = [operand(n, v) for n, v in operands(one)]
            if one.op is SELECT[0] or body.kinds[one] == SAME:
                found[one] = inner.node(one, given)
            else:
                found[one] = inner.do(one.op, given, **one.params)
        outputs = [operand(o._node, o._value) for o in body.graph.outputs]
        scope.open = False
        outputs = [o if isinstance(o, Variable) else wrapped(self.cls, o, None) for o in outputs]
        return build.do(
            TABLE["scan"], values, body=Graph(inputs, outputs, self.cls),
            counts=(len(more) + m, n), length=node.params["length"],
            reverse=node.params["reverse"],
        )  # fmt: skip


def _known(node: Node | None, value: Any, known: dict[Any, Any], cls: Any) -> Any:
    """An operand of a graph that is run again."""
    if node is None:
        return value
    found = known.get(node)
    return wrapped(cls, value, node) if found is None else found


def tile_of(count: int, bytes_each: int) -> int:
    """Elements of a tile: as many as a near cache holds, in equal tiles if that comes out."""
    most = min(max(NEAR // max(bytes_each, 1), FEWEST), MOST) // 8 * 8
    for size in range(most, most // 2, -8):
        if count % size == 0:
            return size
    return most
