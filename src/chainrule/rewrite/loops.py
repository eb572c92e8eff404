"""Loops made smaller: scans over the same things become one, what nobody reads is not carried or
stacked, what does not change is not carried, and what does not depend on the turn is computed once.

`began`, the scan with which a derivative remembers where each turn began (`derive.control_flow`),
is thus the scan that computes the value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph.graph import Effects, Graph, has_effect, operands
from chainrule.graph.node import Abstract, Node, Parameter, Scope, Spec, Variable
from chainrule.ops.complaints import NUMBERS
from chainrule.ops.control_flow import as_graph
from chainrule.ops.deferred import spec_of
from chainrule.ops.recording import SELECT, wrapped
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE

Apply = Callable[[Node, list[Any]], Any]

COMPARED: Final = 1 << 16
"""Elements of a constant array that is compared by what it holds."""


def improved(
    graph: Graph, make: Callable[[Any], Any], unasked: bool = True, done: Done | None = None
) -> Graph:
    """The same function with better loops; `make(cls)` gives a `simplify.Builder`, and `unasked`
    says whether loops are cut in segments without a budget. What is in `done` stays as it is.
    """
    done = done or Done()
    if id(graph) in done.graphs or not _has_loop(graph):
        return graph
    from chainrule.rewrite.within import joined  # here, as few programs have loops

    for _ in range(3):
        before = graph
        graph = _Walk(joined(graph, make, Numbers()), make, done).graph()
        if is_same(before, graph, done.numbers):
            break
    graph = in_segments(graph, make, unasked, done)
    done.graphs[id(graph)] = graph
    return graph


def in_segments(
    graph: Graph, make: Callable[[Any], Any], unasked: bool = True, done: Done | None = None
) -> Graph:
    """The same function, its loops in segments as far as that is called for."""
    if not _has_loop(graph):
        return graph
    from chainrule.rewrite.segments import segmented

    done = done or Done()
    while (shorter := segmented(graph, make, unasked)) is not graph:
        graph = _Walk(shorter, make, done).graph()
    return graph


class Done:
    """What has been improved: bodies that a walk leaves as they are are not gone through again, or
    loops within loops would take three times as long for each level.
    """

    def __init__(self) -> None:
        self.graphs: dict[int, Graph] = {}
        """By their id."""
        self.numbers = Numbers()
        """What tells whether a walk has changed something: of each body once, not at each level."""


def is_same(a: Graph, b: Graph, numbers: Numbers) -> bool:
    """Whether two graphs do the same operations in the same order."""
    for part in ("inputs", "nodes", "outputs"):
        if len(getattr(a, part)) != len(getattr(b, part)):
            return False
    return not a.effects and not b.effects and numbers.whole(a) == numbers.whole(b)


_LOOPS: Final = frozenset({"scan", "while_loop", "while_back", "cond", "call"})


def _has_loop(graph: Graph) -> bool:
    """Whether there are rows whose parameters are graphs."""
    return any(n.op is not None and n.op.name in _LOOPS for n in graph.nodes)


class _Walk:
    """One walk over a graph."""

    def __init__(self, graph: Graph, make: Callable[[Any], Any], done: Done) -> None:
        self.old, self.make, self.done = graph, make, done
        self.build = make(graph.cls)
        self.numbers = Numbers()
        self.used: dict[Node, set[int]] = {}
        outs = {o._node for o in graph.outputs}
        for node in graph.nodes:
            if node.op is SELECT[0]:
                (source,) = node.inputs
                assert source is not None
                self.used.setdefault(source, set()).add(node.params["index"])
        self.ends = outs
        self.leaders: dict[Node, tuple[Node, dict[int, int]]] = {}
        self.more: dict[Node, list[Node]] = {}
        self._find_equal()

    def graph(self) -> Graph:
        """The new graph."""
        old = self.old
        arguments = [wrapped(old.cls, Abstract(n.spec.shape, n.spec.dtype), n) for n in old.inputs]
        with Effects() as effects:
            outputs = replay(old, arguments, self._node)
        outputs = [o if isinstance(o, Variable) else wrapped(old.cls, o, None) for o in outputs]
        return Graph(old.inputs, outputs, old.cls, effects)

    # --- scans over the same things --------------------------------------------------------------

    def _find_equal(self) -> None:
        """Scans with the same operands and the same carry are led by the first of them."""
        first: dict[Any, Node] = {}
        for node in self.old.nodes:
            if node.op is None or node.op.name != "scan" or node.params["body"].effects:
                continue
            p = node.params
            n = p["counts"][1]
            key = (
                tuple(
                    (id(x), _content(v) if x is None else None) for x, v in operands(node)
                ),
                p["counts"], p["length"], p["reverse"],
                self.numbers.graph(p["body"], range(n)),
            )  # fmt: skip
            leader = first.setdefault(key, node)
            if leader is not node:
                self.more.setdefault(leader, []).append(node)

    def _node(self, node: Node, values: list[Any]) -> Any:
        name = node.op.name if node.op is not None else ""
        does = has_effect(node.op, node.params)
        if name == "scan" and not does and any(isinstance(v, Variable) for v in values):
            return self._scan(node, values)
        if name == "while_back" and node.params["memory"] is not None:
            from chainrule.rewrite.bounded import way_back

            return replay(
                as_graph(
                    lambda *xs: way_back(xs, node.params),
                    [spec_of(v) for v in values],
                    self.old.cls,
                ),
                values,
                self.build.node,
            )
        if name in _LOOPS and (does or any(isinstance(v, Variable) for v in values)):
            params = {k: self._param(v) for k, v in node.params.items()}
            return self.build.do(node.op, values, **params)
        return self.build.node(node, values)

    def _param(self, p: Any) -> Any:
        if isinstance(p, Graph):
            return improved(p, self.make, done=self.done)
        return tuple(improved(g, self.make, done=self.done) for g in p) if _is_graphs(p) else p

    def _scan(self, node: Node, values: list[Any]) -> Any:
        done = self.leaders.pop(node, None)
        if done is not None:
            return done
        p = node.params
        m, n = p["counts"]
        followers = self.more.get(node, [])
        bodies = [improved(f.params["body"], self.make, done=self.done) for f in (node, *followers)]
        body = bodies[0]
        outputs: list[Any] = []  # of the body: a Variable for each result
        wanted = set(self.used.get(node, ()))
        places: list[list[int]] = []
        joined = _Body(body.cls, self.make)
        inputs = joined.inputs([i.spec for i in body.inputs])
        for k, (one, b) in enumerate(zip((node, *followers), bodies, strict=True)):
            found = replay(b, inputs, joined.build.node)
            if k == 0:
                outputs += found
                places.append(list(range(len(found))))
                continue
            start = len(outputs)
            outputs += found[n:]
            places.append([*range(n), *range(start, len(outputs))])
            wanted |= {places[k][i] for i in self.used.get(one, ())}
        budgets = [f.params["memory"] for f in (node, *followers)]
        memory = min([b for b in budgets if b is not None], default=None)
        results = _Scan(
            joined, body, inputs, outputs, values, m, n, p["length"], p["reverse"], memory
        ).write(wanted, self.build, self.done.numbers)
        for k, one in enumerate(followers, 1):
            self.leaders[one] = [results[i] for i in places[k]]  # type: ignore[assignment]
        return [results[i] for i in places[0]]


def _is_graphs(p: Any) -> bool:
    return type(p) is tuple and bool(p) and isinstance(p[0], Graph)


class _Body:
    """A new body: parameters, and a builder of what is computed with them."""

    def __init__(self, cls: Any, make: Callable[[Any], Any]) -> None:
        self.cls, self.build = cls, make(cls)
        self.scope = Scope("a loop")
        self.scope.open = False

    def input(self, spec: Any) -> Any:
        """One more input."""
        node = Parameter(Spec(spec), self.scope)
        return wrapped(self.cls, Abstract(spec.shape, spec.dtype), node)

    def inputs(self, specs: Sequence[Any]) -> list[Any]:
        """Inputs of these shapes and dtypes."""
        return [self.input(s) for s in specs]


class _Scan:
    """A scan in parts: inputs and outputs of its body, and its operands."""

    def __init__(
        self, body: _Body, old: Graph, inputs: list[Any], outputs: list[Any], values: list[Any],
        m: int, n: int, length: int, reverse: bool, memory: int | None,
    ) -> None:  # fmt: skip
        self.body, self.inputs, self.outputs, self.values = body, inputs, outputs, values
        self.old = old
        self.m, self.n, self.length, self.reverse = m, n, length, reverse
        self.memory = memory

    def write(self, wanted: set[int], build: Any, numbers: Numbers) -> list[Any]:
        """The scan with what is wanted of it; its results, None where they are not. `numbers` says
        whether the body is still the old one.
        """
        m, n, inputs, outputs = self.m, self.n, self.inputs, self.outputs
        cls = self.body.cls
        outputs = [o if isinstance(o, Variable) else wrapped(cls, o, None) for o in outputs]
        kept = [k for k in range(n) if outputs[k]._node is not inputs[m + k]._node]
        fixed = [k for k in range(n) if k not in kept]  # they never change
        alive = {k for k in kept if k in wanted}
        stacked = [k for k in range(n, len(outputs)) if k in wanted]
        while True:
            roots = [outputs[k] for k in (*sorted(alive), *stacked)]
            needed = _leaves(Graph([i._node for i in inputs], roots, cls))
            more = {k for k in kept if inputs[m + k]._node in needed} - alive
            if not more:
                break
            alive |= more
        carried = sorted(alive)
        constants = [*range(m), *[m + k for k in fixed]]
        order = [
            *[i for i in constants if inputs[i]._node in needed],
            *[m + k for k in carried],
            *[i for i in range(m + n, len(inputs)) if inputs[i]._node in needed],
        ]
        count = sum(i in constants for i in order)
        news = [inputs[i] for i in order]
        operands_ = [self.values[i] for i in order]
        results: list[Any] = [None] * len(outputs)
        for k in fixed:
            results[k] = self.values[m + k]
        if carried or stacked:
            roots = [outputs[k] for k in (*carried, *stacked)]
            news, operands_, roots, count = _hoisted(
                self.body, news, operands_, roots, count, build
            )
            graph = Graph([i._node for i in news], roots, cls)
            graph = self.old if is_same(graph, self.old, numbers) else graph
            found = build.do(
                TABLE["scan"], operands_, body=graph, counts=(count, len(carried)),
                length=self.length, reverse=self.reverse, memory=self.memory,
            )  # fmt: skip
            for k, result in zip((*carried, *stacked), found, strict=True):
                results[k] = result
        return results


def _leaves(graph: Graph) -> set[Node]:
    """The inputs that a graph reads."""
    found = {n for node in graph.nodes for n in node.inputs if n is not None}
    found |= {o._node for o in graph.outputs if o._node is not None}
    return found & set(graph.inputs)


# --- what does not depend on the turn -------------------------------------------------------------


def _frontier(
    graph: Graph, roots: list[Any], still: set[Node], computed: set[Node]
) -> dict[Node, None]:
    """What is handed in: the last of what is computed before; of views, what they show."""
    frontier: dict[Node, None] = {}

    def ask(node: Node | None) -> None:
        if node is None or node not in computed:
            return
        assert node.saved is not None
        assert node.op is not None
        moves = node.op.kind == "movement" or node.op is SELECT[0] or node.op is SELECT[1]
        if moves or type(node.saved[0]) is tuple:
            for n in node.inputs:
                ask(n)
        else:
            frontier[node] = None

    for node in graph.nodes:
        if node not in still:
            for n in node.inputs:
                ask(n)
    for o in roots:
        ask(o._node)
    return frontier


def _hoisted(
    body: _Body, inputs: list[Any], values: list[Any], roots: list[Any], count: int, build: Any
) -> tuple[list[Any], list[Any], list[Any], int]:
    """The same with what is computed from constants alone computed before, and handed in."""
    cls = body.cls
    graph = Graph([i._node for i in inputs], roots, cls)
    still: set[Node] = {i._node for i in inputs[:count]}
    for node in graph.nodes:
        if node.op is None or node.op.name in _LOOPS or node.op.name == "deferred":
            continue
        if all(n is None or n in still for n in node.inputs):
            still.add(node)
    computed = still - set(graph.inputs)
    if not computed:
        return inputs, values, roots, count
    frontier = _frontier(graph, roots, still, computed)
    if not frontier:
        return inputs, values, roots, count
    outside = [wrapped(cls, _spec(n), n) for n in frontier]
    found = replay(
        Graph([i._node for i in inputs[:count]], outside, cls), values[:count], build.node
    )
    fresh = [body.input(v._value) for v in outside]
    known = dict(zip(frontier, fresh, strict=True))
    rebuilt: dict[Node, Any] = {}

    def node_of(node: Node, given: list[Any]) -> Any:
        if node in known:
            return known[node]
        if node.op is SELECT[0]:
            return given[0][node.params["index"]]
        return body.build.node(node, given)

    new_inputs = [*inputs[:count], *fresh, *inputs[count:]]
    roots = replay(graph, inputs, node_of, rebuilt)
    roots = [r if isinstance(r, Variable) else wrapped(cls, r, None) for r in roots]
    new_values = [*values[:count], *found, *values[count:]]
    needed = _leaves(Graph([i._node for i in new_inputs], roots, cls))
    keep = [k for k, i in enumerate(new_inputs) if k >= count + len(fresh) or i._node in needed]
    total = sum(k < count + len(fresh) for k in keep)
    return [new_inputs[k] for k in keep], [new_values[k] for k in keep], roots, total


def _spec(node: Node) -> Any:
    """Shape and dtype of a node's result."""
    assert node.saved is not None
    return node.saved[0]


# --- equal graphs --------------------------------------------------------------------------------


class Numbers:
    """Gives equal computations equal numbers."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}
        self._kept: list[Any] = []
        self._graphs: dict[int, tuple[Graph, tuple[Any, ...]]] = {}
        """Graphs and their keys, by their id."""

    def graph(
        self, graph: Graph, outputs: Sequence[int], inputs: Sequence[Any] | None = None
    ) -> tuple[Any, ...]:
        """What some outputs of a graph are, as a key; `inputs` says what the inputs are."""
        found: dict[Node, int] = {}
        for k, leaf in enumerate(graph.inputs):
            found[leaf] = self._number(("input", k if inputs is None else inputs[k]))
        for node in graph.nodes:
            parts = [self._of(n, v, found) for n, v in operands(node)]
            params = tuple((k, self._param(p)) for k, p in sorted(node.params.items()))
            name = "" if node.op is None else node.op.name
            found[node] = self._number((name, tuple(parts), params))
        return tuple(
            [self._of(graph.outputs[k]._node, graph.outputs[k]._value, found) for k in outputs]
        )

    def whole(self, graph: Graph) -> tuple[Any, ...]:
        """What a graph is, as a key."""
        if id(graph) not in self._graphs:  # it is kept, or another could take its id
            self._graphs[id(graph)] = graph, self.graph(graph, range(len(graph.outputs)))
        return self._graphs[id(graph)][1]

    def operand(self, node: Node | None, value: Any) -> int:
        """What an operand is, as a key."""
        return self._of(node, value, {})

    def _of(self, node: Node | None, value: Any, found: dict[Node, int]) -> int:
        if node is not None and node in found:
            return found[node]
        return self._number(("given", id(node) if node is not None else _content(value)))

    def _number(self, key: Any) -> int:
        return self._known.setdefault(key, len(self._known))

    def _param(self, p: Any) -> Any:
        if isinstance(p, Graph):
            return self.whole(p)
        if isinstance(p, dict):
            return tuple((k, self._param(v)) for k, v in sorted(p.items()))
        if isinstance(p, slice):
            return ("slice", p.start, p.stop, p.step)
        if isinstance(p, (tuple, list)):
            return (type(p).__name__, *map(self._param, p))
        if isinstance(p, np.ndarray):
            return _content(p)
        try:
            hash(p)
        except TypeError:
            self._kept.append(p)
            return ("object", id(p))
        return (type(p), p)


def _content(value: Any) -> Any:
    """A constant as a key: all but very large ones by what they hold."""
    if type(value) in NUMBERS:
        return (type(value), repr(value))
    if isinstance(value, (np.ndarray, np.generic)) and value.size <= COMPARED:
        return (value.shape, value.dtype.str, value.tobytes())
    return ("object", id(value))
