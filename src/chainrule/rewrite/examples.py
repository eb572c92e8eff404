"""Chains of matrix products over many examples, tile after tile of the examples.

`sum(tanh(x @ w) ** 2)` for 100,000 rows of x, and its derivative, takes arrays of 100,000 rows
through the memory for every product, and reads them again for the next. But a row of a product
depends on one row of a factor: the chain can be run on a few rows, forwards and backwards, while
all that belongs to them lies in a near cache, and then on the next. Sums over the examples, such as
the gradient by w, become sums over the tiles'.

`rewrite.axes` says which axis of each array runs over the examples; `Region` finds what goes
together: products, what is computed of them, and what they are computed of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node, Parameter, Scope, Spec, Variable
from chainrule.ops.recording import SELECT, wrapped
from chainrule.ops.table import TABLE
from chainrule.rewrite.axes import PARTIAL, SAME, Along, along, in_tile, is_product
from chainrule.rewrite.kinds import shape_of

LEAST: Final = 256
"""Fewer examples are not worth tiles."""

NEAR: Final = 3 << 19
"""Bytes of a cache that is near, with all that a tile works on: this of arrays with a row for each
example ..."""

BESIDE: Final = 1 << 20
"""... and at most this of factors and of sums, which every tile goes through."""

WORTH: Final = 4 * NEAR
"""Bytes of arrays between products, below which they are left where they are."""

FEWEST: Final = 16
"""Examples of a tile, at least: products with fewer rows are slow."""

Key = tuple[Any, Along]


def by_examples(graph: Graph, make: Callable[[Any], Any]) -> Graph:
    """The same function with chains of products run tile by tile; `make(cls)` gives a
    `simplify.Builder`.
    """
    if graph.effects:
        return graph
    for count in _counts(graph):
        region = Region(graph, count)
        if region.size:
            return _Rewriting(region, make).graph()
    return graph


def _counts(graph: Graph) -> list[int]:
    """Extents of products that could be numbers of examples, the largest first."""
    found: dict[int, int] = {}
    for node in graph.nodes:
        if node.op is not SELECT[0] and is_product(node):
            for v in node.saved:  # type: ignore[union-attr]
                for n in set(shape_of(v)):
                    found[n] = found.get(n, 0) + _bytes(v)
    return sorted((n for n in found if n >= LEAST and found[n] >= WORTH), reverse=True)


def _bytes(value: Any) -> int:
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    return math.prod(shape_of(value)) * int(dtype.itemsize)


class Region:
    """What is run tile by tile; nothing of it may be needed whole but for its results."""

    def __init__(self, graph: Graph, count: int) -> None:
        self.graph, self.count = graph, count
        self.kinds: dict[Node, Along] = {}
        self.axes: dict[Node, list[Along]] = {}
        """Of each node's operands."""
        self.later: set[Node] = set()
        for node in graph.nodes:
            self._place(node)
        self.core, self.nodes = self._kept()
        outside = [n for n in graph.nodes if n not in self.nodes]
        read = {n for node in outside for n in node.inputs}
        read |= {o._node for o in graph.outputs}
        self.ends = [n for n in self.nodes if n in self.core and n in read]
        self.size = self._size()
        """Examples of a tile; 0 if tiles are not worth while."""

    def _place(self, node: Node) -> None:
        """A node that depends on a sum over the examples, or cannot be cut, comes later."""
        sources = [n for n in node.inputs if n is not None]
        if any(n in self.later or self.kinds.get(n) == PARTIAL for n in sources):
            self.later.add(node)
            return
        if node.op is not SELECT[0]:
            pairs = list(operands(node))
            given = [self._given(n, v) for n, v in pairs]
            shapes = [shape_of(v) for _, v in pairs]
            found = along(node, given, shapes, self.count) if set(given) - {SAME} else None
            if found is not None and self._cuts(pairs, found[1]):
                self.kinds[node], self.axes[node] = found
                return
        if any(n in self.kinds for n in sources):
            self.later.add(node)

    def _given(self, node: Node | None, value: Any) -> Along:
        """The axis of the examples in an operand: an input has one if one axis has its length."""
        if node is not None and node in self.kinds:
            return self.kinds[node]
        if node is not None and node not in self.graph.inputs:
            return SAME
        shape = shape_of(value)
        return shape.index(self.count) if shape.count(self.count) == 1 else SAME

    def _cuts(self, pairs: Sequence[tuple[Node | None, Any]], axes: Sequence[Along]) -> bool:
        """Whether what is cut otherwise than it is known to be comes from outside."""
        return all(
            n is None or self.kinds.get(n, axis) == axis
            for (n, _), axis in zip(pairs, axes, strict=True)
        )

    def _kept(self) -> tuple[set[Node], dict[Node, None]]:
        """Products and what follows from them; and these with what they are computed of."""
        core: set[Node] = set()
        for node in self.kinds:
            if is_product(node) or any(n in core for n in node.inputs):
                core.add(node)
        wanted = set(core)
        for node in reversed(self.kinds):
            if node in wanted:
                wanted.update(n for n in node.inputs if n in self.kinds)
        return core, {n: None for n in self.kinds if n in wanted}

    def _size(self) -> int:
        stored: dict[Node, int] = {}
        beside: dict[Any, int] = {}
        for node in filter(is_product, self.nodes):
            for (n, v), axis in zip(operands(node), self.axes[node], strict=True):
                base = self._computed(n)
                if axis == SAME:
                    beside[id(v) if n is None else n] = _bytes(v)
                elif base is not None:
                    stored[base] = _bytes(base.saved[0])  # type: ignore[index]
            where = beside if self.kinds[node] == PARTIAL else stored
            where[node] = _bytes(node.saved[0])  # type: ignore[index]
        saved = sum(size for n, size in stored.items() if n not in self.ends)
        if saved - 2 * self._moved() < WORTH or sum(beside.values()) > BESIDE:
            return 0
        most = NEAR * self.count // sum(stored.values())
        return tile_of(self.count, most) if most >= FEWEST else 0

    def _moved(self) -> int:
        """Bytes of arrays that do not lie example by example."""
        found: dict[Any, int] = {}
        for node in self.nodes:
            for (n, v), axis in zip(operands(node), self.axes[node], strict=True):
                if n not in self.nodes and axis not in (0, SAME):
                    found[id(v) if n is None else n] = _bytes(v)
        for node in self.ends:
            if self.kinds[node] not in (0, PARTIAL):
                found[node] = _bytes(node.saved[0])  # type: ignore[index]
        return sum(found.values())

    def _computed(self, node: Node | None) -> Node | None:
        """The node of the region that an operand shows."""
        while node is not None and node.op is not None and node.op.kind == "movement":
            node = node.inputs[0]
        return node if node in self.nodes else None


def tile_of(count: int, most: int) -> int:
    """Examples of a tile: equal tiles of whole vectors if that comes out."""
    most = min(most, count)
    for step in (8, 4, 1):
        for size in range(most // step * step, most // 2, -step):
            if count % size == 0:
                return size
    return max(most // 8 * 8, 1)


# --- the region as a scan over tiles --------------------------------------------------------------


class _Rewriting:
    """Runs a graph again, with a region as a loop over tiles."""

    def __init__(self, region: Region, make: Callable[[Any], Any]) -> None:
        self.region, self.old = region, region.graph
        self.cls = self.old.cls
        self.make, self.build = make, make(self.cls)
        self.outside: dict[Key, tuple[Node | None, Any]] = {}
        """What the region takes from before, with the axis along which it is cut."""
        for node in region.nodes:
            for (n, v), axis in zip(operands(node), region.axes[node], strict=True):
                if n not in region.nodes and (n is not None or axis != SAME):
                    self.outside[n if n is not None else id(v), axis] = (n, v)

    def graph(self) -> Graph:
        """The new graph."""
        old = self.old
        arguments = [wrapped(self.cls, Abstract(n.spec.shape, n.spec.dtype), n) for n in old.inputs]
        known: dict[Node, Any] = dict(zip(old.inputs, arguments, strict=True))
        for node in old.nodes:  # what precedes all products may be wanted whole besides
            if node not in self.region.core and node not in self.region.later:
                known[node] = self._again(node, known)
        known.update(self._region(known))
        for node in old.nodes:
            if node in self.region.later:
                known[node] = self._again(node, known)
        outputs = [known.get(o._node, o) if o._node is not None else o for o in old.outputs]
        return Graph(old.inputs, [self._wrapped(o) for o in outputs], self.cls)

    def _again(self, node: Node, known: dict[Node, Any]) -> Any:
        return self.build.node(node, [self._operand(n, v, known) for n, v in operands(node)])

    def _operand(self, node: Node | None, value: Any, known: dict[Node, Any]) -> Any:
        if node is None:
            return value
        found = known.get(node)
        return wrapped(self.cls, value, node) if found is None else found

    def _wrapped(self, x: Any) -> Any:
        return x if isinstance(x, Variable) else wrapped(self.cls, x, None)

    def _region(self, known: dict[Node, Any]) -> dict[Node, Any]:
        """The results of the region."""
        region = self.region
        values = {k: self._operand(n, v, known) for k, (n, v) in self.outside.items()}
        same = {k: v for k, v in values.items() if k[1] == SAME}
        cut = {k: _first(v, k[1]) for k, v in values.items() if k[1] != SAME}
        whole = region.count // region.size * region.size
        found = self._looped(same, cut, whole)
        if whole < region.count:
            rest = {k: _back(v[whole:], k[1]) for k, v in cut.items()}
            more = self._tile(self.build, {**same, **rest}, region.count - whole)
            found = {n: self._joined(n, found[n], more[n]) for n in region.ends}
        return {n: self._finished(n, x) for n, x in found.items()}

    def _finished(self, node: Node, x: Any) -> Any:
        axis = self.region.kinds[node]
        return x if axis == PARTIAL else _back(x, axis)

    def _joined(self, node: Node, a: Any, b: Any) -> Any:
        if self.region.kinds[node] == PARTIAL:
            return self.build.do(TABLE["add"], [a, b])
        return np.concatenate([a, _first(b, self.region.kinds[node])])

    def _looped(self, same: dict[Key, Any], cut: dict[Key, Any], whole: int) -> dict[Node, Any]:
        """The results on all whole tiles, the axis of the examples first, by a scan."""
        size, region = self.region.size, self.region
        sums = [n for n in region.ends if region.kinds[n] == PARTIAL]
        parts = [n for n in region.ends if region.kinds[n] != PARTIAL]
        specs = [n.saved[0] for n in sums]  # type: ignore[index]
        values = [*same.values(), *[np.zeros(s.shape, s.dtype) for s in specs]]
        values += [v[:whole].reshape((whole // size, size, *shape_of(v)[1:])) for v in cut.values()]
        scope = Scope("tiles")
        inputs = [
            Parameter(Spec(v if hasattr(v, "shape") else np.asarray(v)), scope) for v in values
        ]
        for node in inputs[len(same) + len(sums) :]:
            node.spec.shape = node.spec.shape[1:]
        tensors = [wrapped(self.cls, Abstract(i.spec.shape, i.spec.dtype), i) for i in inputs]
        build = self.make(self.cls)
        given: dict[Key, Any] = dict(zip(same, tensors, strict=False))
        slices = zip(cut, tensors[len(same) + len(sums) :], strict=True)
        given.update((k, _back(t, k[1])) for k, t in slices)
        results = self._tile(build, given, size)
        outputs = [
            build.do(TABLE["add"], [t, results[n]])
            for n, t in zip(sums, tensors[len(same) :], strict=False)
        ]
        outputs += [_first(results[n], region.kinds[n]) for n in parts]
        scope.open = False
        body = Graph(inputs, [self._wrapped(o) for o in outputs], self.cls)
        found = self.build.do(
            TABLE["scan"], values, body=body, counts=(len(same), len(sums)),
            length=whole // size, reverse=False,
        )  # fmt: skip
        by_node = dict(zip((*sums, *parts), found, strict=True))
        for n in parts:
            y = by_node[n]
            by_node[n] = y.reshape((whole, *y.shape[2:]))
        return by_node

    def _tile(self, build: Any, given: dict[Key, Any], size: int) -> dict[Node, Any]:
        """The results on one tile; `given` has what comes from outside."""
        known: dict[Node, Any] = {}
        for node in self.region.nodes:
            values = []
            for (n, v), axis in zip(operands(node), self.region.axes[node], strict=True):
                key = n if n is not None else id(v), axis
                values.append(known[n] if n in known else given.get(key, v))
            params = in_tile(node, self.region.kinds[node], size)
            known[node] = build.do(node.op, values, **params)
        return {n: known[n] for n in self.region.ends}


def _first(x: Any, axis: Along) -> Any:
    """The array with an axis moved to the front."""
    return x if axis == 0 else np.moveaxis(x, int(axis), 0)


def _back(x: Any, axis: Along) -> Any:
    """The array with its first axis moved to where it belongs."""
    return x if axis == 0 else np.moveaxis(x, 0, int(axis))
