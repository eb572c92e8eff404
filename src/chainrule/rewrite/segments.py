"""Loops that keep little: of a loop's turns only each s-th is remembered, and between two of those
the turns are taken again on the way back.

A derivative makes two scans: one there, which stacks what the turns keep, and one back, which reads
the stack. Here both become scans over segments of s turns. The one there remembers where a segment
begins; the one back takes the turns of a segment again, which stacks what they keep, and goes back
over them. Where the stack of a segment is still too large, the same is done with it: every level
takes the turns once more, and n turns need about the n-th root as many places for that many levels
(Griewank and Walther, 2008, chapter 12; with segments of equal length, so that they are loops).

It is done where a memory budget says so, and where it is faster: turns that are cheap for the bytes
they keep are taken twice in less time than a tape takes that does not fit in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.graph.budget import too_little
from chainrule.graph.graph import Effects, Graph
from chainrule.graph.node import Abstract, Node, Parameter, Scope, Spec, Variable
from chainrule.ops.effort import effort
from chainrule.ops.recording import SELECT, wrapped
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE

LARGE: Final = 1 << 22
"""Bytes of a tape that does not lie in a near cache."""

WIDE: Final = 1 << 10
"""Bytes that a turn keeps where its time is that of moving numbers, not of waiting for them."""

NEAR: Final = 1 << 20
"""Bytes of the tape of a segment that does."""

CHEAP: Final = 12
"""Operations for each number kept, of turns that are cheap enough to be taken twice."""


@dataclass(eq=False, repr=False)
class Pair:
    """A scan there and the scan back over what it stacks."""

    there: Node
    back: Node
    stacks: list[int]
    """Results of the scan there that only the one back reads ..."""
    places: list[int]
    """... and which of its operands they are."""
    sharing: int = 1
    """How many loops share a budget."""

    @property
    def memory(self) -> int | None:
        """The bytes it may keep."""
        memory: int | None = self.there.params["memory"]
        return None if memory is None else memory // self.sharing


def segmented(graph: Graph, make: Any, unasked: bool) -> Graph:
    """The graph with scans in segments, where a budget or, `unasked`, a cache is too small."""
    found = _pairs(graph)
    bounded = [p for p in found if p.there.params["memory"] is not None]
    for pair in bounded:
        pair.sharing = len(bounded)
    asked = found if unasked else bounded
    pairs = {p.there: p for p in asked if _plan(p) is not None}
    if not pairs:
        return graph
    backs = {p.back: p for p in pairs.values()}
    build = make(graph.cls)
    began: dict[Node, _Segments] = {}

    def node_of(node: Node, values: list[Any]) -> Any:
        if node in pairs:
            began[node] = _Segments(pairs[node], values, build)
            return began[node].there()
        if node in backs:
            return began[backs[node].there].back(values)
        return build.node(node, values)

    arguments = [wrapped(graph.cls, Abstract(n.spec.shape, n.spec.dtype), n) for n in graph.inputs]
    with Effects() as effects:
        outputs = replay(graph, arguments, node_of)
    return Graph(graph.inputs, [_variable(o, graph.cls) for o in outputs], graph.cls, effects)


def _variable(x: Any, cls: Any) -> Any:
    return x if isinstance(x, Variable) else wrapped(cls, x, None)


# --- which ---------------------------------------------------------------------------------------


def _pairs(graph: Graph) -> list[Pair]:
    """All pairs, by the scan there."""
    users: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        for n in node.inputs:
            if n is not None:
                users.setdefault(n, []).append(node)
    ends = {o._node for o in graph.outputs}
    found: dict[Node, Pair] = {}
    for node in graph.nodes:
        if node.op is not SELECT[0] or node in ends:
            continue
        there, readers = node.inputs[0], users.get(node, [])
        if not _is_scan(there) or len(readers) != 1 or not _is_scan(readers[0]):
            continue
        assert there is not None
        back, k = readers[0], node.params["index"]
        a, b = there.params, back.params
        place = list(back.inputs).index(node)
        if (
            k < a["counts"][1]
            or place < sum(b["counts"])
            or list(back.inputs).count(node) > 1
            or a["length"] != b["length"]
            or a["reverse"] == b["reverse"]
        ):
            continue
        pair = found.setdefault(there, Pair(there, back, [], []))
        if pair.back is back:
            pair.stacks.append(k)
            pair.places.append(place)
    return list(found.values())


def _is_scan(node: Node | None) -> bool:
    return node is not None and node.op is not None and node.op.name == "scan"


def _nbytes(spec: Any) -> int:
    size: int = math.prod(spec.shape) * spec.dtype.itemsize
    return size


def _sizes(pair: Pair) -> tuple[int, int, int]:
    """Turns; bytes of a carry, and of what a turn keeps."""
    p = pair.there.params
    m, n = p["counts"]
    outs = p["body"].outputs
    carry = sum(_nbytes(i.spec) for i in p["body"].inputs[m : m + n])
    return p["length"], carry, sum(_nbytes(outs[k]._value) for k in pair.stacks)


def _plan(pair: Pair) -> int | None:
    """Turns in a segment, or None where the scans are better left as they are."""
    length, carry, kept = _sizes(pair)
    budget = pair.memory
    if budget is not None:
        return turns_of_segment(length, carry, kept, budget)
    if length * kept <= LARGE or kept < WIDE or 4 * carry > kept * length:
        return None
    if _work(pair.there.params["body"]) * 8 > CHEAP * kept:
        return None
    segment = _dividing(length, min(max(NEAR // kept, 2), max(math.isqrt(length), 2)))
    return segment if segment < length else None


def _work(body: Graph) -> float:
    """About how many simple operations a turn takes; without end where that is not known."""
    known = all(n.op in SELECT or n.op.kind in ("movement", "elementwise") for n in body.nodes)
    return sum(map(effort, body.nodes)) if known else math.inf


def turns_of_segment(length: int, carry: int, kept: int, budget: int) -> int | None:
    """Turns in each segment, so that what is stored stays within a budget; None for no segments.

    Raises ArgumentError where that cannot be. With L levels every level may take an L-th of the
    budget: the fewest levels that suffice are chosen, and the remaining ones are chosen inside.
    """
    if length * kept <= budget:
        return None
    carry = max(carry, 1)
    least = least_bytes(length, carry, kept)
    if budget < least:
        what = f"a loop of {length} turns, each of which keeps {kept} bytes, its carry {carry}"
        raise too_little(what, budget, least)
    levels = 2
    while _reach(levels, carry, kept, budget) < length:
        levels += 1
        if levels > 64:
            return _halves(length)
    share = budget // levels
    places = min(max(share // carry, 2), length)
    segment = -(-length // places)
    rest = budget - -(-length // segment) * carry
    return segment if rest >= least_bytes(segment, carry, kept) else _halves(length)


def _reach(levels: int, carry: int, kept: int, budget: int) -> int:
    """Turns that so many levels can do."""
    share = budget // levels
    return int((share // carry) ** (levels - 1) * (share // max(kept, 1)))


def _halves(length: int) -> int:
    return -(-length // 2)


def least_bytes(length: int, carry: int, kept: int) -> int:
    """The least that a loop can be differentiated with: halves of halves."""
    return min(length * kept, 2 * carry * max(math.ceil(math.log2(max(length, 1))), 0) + kept)


def _dividing(length: int, wanted: int) -> int:
    """A number near the wanted one that divides the length, where there is one."""
    for n in range(wanted, max(wanted // 2, 1), -1):
        if length % n == 0:
            return n
    return wanted


# --- how -----------------------------------------------------------------------------------------


class _Segments:
    """A pair of scans, rewritten."""

    def __init__(self, pair: Pair, values: list[Any], build: Any) -> None:
        self.pair, self.build, self.cls = pair, build, build.cls
        p = pair.there.params
        self.body: Graph = p["body"]
        self.m, self.n = p["counts"]
        self.length, self.reverse = p["length"], p["reverse"]
        segment = _plan(pair)
        assert segment is not None
        self.segment = segment
        self.count, self.rest = divmod(self.length, segment)
        carry = _sizes(pair)[1]
        memory = pair.memory
        self.memory = None if memory is None else max(memory - self.count * carry, 0)
        start = self.rest if self.reverse else 0
        self.main = slice(start, start + self.length - self.rest)
        """The slices of the turns in segments, ..."""
        self.last = slice(0, self.rest) if self.reverse else slice(self.main.stop, self.length)
        """... and those of the rest, which is done after them."""
        self.constants = values[: self.m]
        self.first = values[self.m : self.m + self.n]
        self.xs = values[self.m + self.n :]
        self.others = [k for k in range(self.n, len(self.body.outputs)) if k not in pair.stacks]
        """Results of the scan there that somebody else may read."""

    def there(self) -> list[Any]:
        """The results of the scan there; what is stacked for the way back is missing."""
        n, scan = self.n, self._scan
        found = scan(
            self._graph(self._there, [*self.constants, *self.first], self._chunks(self.xs)),
            [*self.constants, *self.first, *self._chunks(self.xs)],
            (self.m, n), self.count, self.reverse,
        )  # fmt: skip
        self.began = found[n + len(self.others) :]
        carry, wholes = found[:n], [self._whole(y) for y in found[n : n + len(self.others)]]
        results: list[Any] = [None] * len(self.body.outputs)
        self.of_rest: list[Any] = []
        if self.rest:
            ends = self._turns(self.constants, carry, self._part(self.xs, self.last), self.rest)
            carry = ends[:n]
            self.of_rest = [ends[k] for k in self.pair.stacks]
            wholes = [self._joined(y, ends[k]) for y, k in zip(wholes, self.others, strict=True)]
        results[:n] = carry
        for k, y in zip(self.others, wholes, strict=True):
            results[k] = y
        return results

    def _there(self, *values: Any) -> list[Any]:
        """A segment, there: the next carry, what others read, and where it began."""
        m, n = self.m, self.n
        c, carry, xs = values[:m], values[m : m + n], values[m + n :]
        found = self._turns(c, carry, xs, self.segment)
        return [*found[:n], *[found[k] for k in self.others], *carry]

    def back(self, values: list[Any]) -> list[Any]:
        """The results of the scan back."""
        p = self.pair.back.params
        self.of_back: Graph = p["body"]
        m, n = p["counts"]
        constants, carry, xs = values[:m], values[m : m + n], values[m + n :]
        self.own = [k for k in range(len(xs)) if k + m + n not in self.pair.places]
        """Arrays that the scan back goes along besides the stacks."""
        ys = [xs[k] for k in self.own]
        ends: list[Any] = []
        if self.rest:
            given = self._merged(self.of_rest, self._part(ys, self.last))
            ends = self._backwards(constants, carry, given, self.rest)
            carry = ends[:n]
        chunks = [*self._chunks(self.xs), *self._chunks(ys)]
        still = [*self.constants, *constants]
        found = self._scan(
            self._graph(self._back, [*still, *carry], [*self.began, *chunks]),
            [*still, *carry, *self.began, *chunks],
            (len(still), n), self.count, not self.reverse,
        )  # fmt: skip
        stacked = [self._whole(y) for y in found[n:]]
        if self.rest:
            stacked = [self._joined(y, e) for y, e in zip(stacked, ends[n:], strict=True)]
        return [*found[:n], *stacked]

    def _back(self, *values: Any) -> list[Any]:
        """A segment, back: its turns once more, and then back over them."""
        m, n = self.pair.back.params["counts"]
        v = list(values)
        c, v = v[: self.m], v[self.m :]
        constants, v = v[:m], v[m:]
        carry, v = v[:n], v[n:]
        began, v = v[: self.n], v[self.n :]
        xs, ys = v[: len(self.xs)], v[len(self.xs) :]
        stacks = self._turns(c, began, xs, self.segment)
        given = self._merged([stacks[k] for k in self.pair.stacks], ys)
        return self._backwards(constants, carry, given, self.segment)

    # --- parts -----------------------------------------------------------------------------------

    def _scan(
        self, body: Graph, values: Sequence[Any], counts: Any, length: int, reverse: bool,
        memory: int | None = None,
    ) -> list[Any]:  # fmt: skip
        return list(
            self.build.do(
                TABLE["scan"], values, body=body, counts=counts, length=length, reverse=reverse,
                memory=memory,
            )
        )  # fmt: skip

    def _turns(self, c: Any, carry: Any, xs: Any, length: int) -> list[Any]:
        return self._scan(
            self.body, [*c, *carry, *xs], (self.m, self.n), length, self.reverse, self.memory
        )

    def _backwards(self, c: Any, carry: Any, xs: Any, length: int) -> list[Any]:
        counts = self.pair.back.params["counts"]
        return self._scan(self.of_back, [*c, *carry, *xs], counts, length, not self.reverse)

    def _merged(self, stacks: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """What the scan back goes along, in order."""
        start = sum(self.pair.back.params["counts"])
        found: list[Any] = [None] * (len(stacks) + len(others))
        for place, s in zip(self.pair.places, stacks, strict=True):
            found[place - start] = s
        for place, y in zip(self.own, others, strict=True):
            found[place] = y
        return found

    def _graph(self, function: Any, still: Sequence[Any], xs: Sequence[Any]) -> Graph:
        """A function of values like these, and of slices of some, as a graph."""
        scope = Scope("a segment")
        scope.open = False
        specs = [Spec(_spec(x)) for x in still]
        for x in xs:
            spec = Spec(_spec(x))
            spec.shape = spec.shape[1:]
            specs.append(spec)
        nodes = [Parameter(s, scope) for s in specs]
        outer, self.build = self.build, type(self.build)(self.cls)
        try:
            inputs = [
                wrapped(self.cls, Abstract(s.shape, s.dtype), n)
                for s, n in zip(specs, nodes, strict=True)
            ]
            outputs = [_variable(o, self.cls) for o in function(*inputs)]
        finally:
            self.build = outer
        return Graph(nodes, outputs, self.cls)

    def _part(self, xs: Sequence[Any], part: slice) -> list[Any]:
        if part == slice(0, self.length):
            return list(xs)
        return [self._do("getitem", x, index=part) for x in xs]

    def _chunks(self, xs: Sequence[Any]) -> list[Any]:
        """Arrays along the segments."""
        return [
            self._do("reshape", x, shape=(self.count, self.segment, *_spec(x).shape[1:]))
            for x in self._part(xs, self.main)
        ]

    def _whole(self, y: Any) -> Any:
        """An array along the turns of all segments."""
        shape = _spec(y).shape
        return self._do("reshape", y, shape=(shape[0] * shape[1], *shape[2:]))

    def _joined(self, main: Any, rest: Any) -> Any:
        parts = [rest, main] if self.reverse else [main, rest]
        return self.build.do(TABLE["concat"], parts, axis=0)

    def _do(self, name: str, x: Any, **params: Any) -> Any:
        if isinstance(x, Variable):
            return self.build.do(TABLE[name], [x], **params)
        return TABLE[name].evaluate(np.asarray(x), **params)


def _spec(x: Any) -> Any:
    return x._value if isinstance(x, Variable) else np.asarray(x)
