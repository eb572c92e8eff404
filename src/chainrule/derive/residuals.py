"""What the way back through a loop keeps of each turn: the fewest bytes that suffice.

A turn and its derivative are one graph, in which some operations depend on cotangents and can be
done only on the way back. What those read of the others must be there by then: it is stored, or
computed again from what is stored. Which values to store is a minimum cut between the carry and
what is read, where every value weighs its bytes if it is stored (Ford and Fulkerson, 1956). Where
the whole tape lies in a near cache a value weighs its work if it is computed again, so that an
exponential is kept rather than taken twice. Of several such cuts it is the one that leaves least to
compute again.

Some parts of the carry need not be stored, as they can be *undone*: a turn that adds a constant to
an integer, or writes a few elements of an array, whose old values are stored then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chainrule.derive.cut import ENDLESS, Flow
from chainrule.derive.subgraphs import as_graph
from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Abstract, Node, Variable
from chainrule.ops.effort import effort
from chainrule.ops.recording import SELECT, wrapped
from chainrule.ops.replay import again, given, replay
from chainrule.ops.table import TABLE
from chainrule.ops.traced_index import Hole, at_index

LARGEST: Final = 3000
"""In larger bodies the whole carry is stored: the cut would take longer than it saves."""

NEAR: Final = 1 << 22
"""Bytes of a tape that lies in a near cache. There eight bytes, stored and read again, take the
time of about eight simple operations in vectors, so an operation weighs a byte."""


class Turn:
    """A turn of a loop together with its derivative, and what the way back keeps of it."""

    def __init__(self, joint: Graph, counts: tuple[int, int, int], turns: int | None) -> None:
        """`joint` takes so many inputs that are given on the way back too, the carry, as many more
        that are given, and cotangents; its first outputs are the next carry. `turns` says how many
        there are, or is None where the least memory is asked for.
        """
        given, carry, more = counts
        self.joint, self.count = merged(joint), carry
        inputs: list[Node] = list(self.joint.inputs)
        self.carry = inputs[given : given + carry]
        self.turn = inputs[: given + carry + more]
        self.given = [*inputs[:given], *inputs[given + carry : given + carry + more]]
        self.cotangents = inputs[given + carry + more :]
        self.after = [self._node(o) for o in self.joint.outputs[:carry]]
        self.ends = self.joint.outputs[carry:]
        self.nodes: list[Node] = []
        """Inputs and values that are stored."""
        self.undone: list[int] = []
        """Parts of the carry that the way back computes from what the turn made of them."""
        self._ways = [
            None if after is None else _way_back(part, after, joint.cls)
            for part, after in zip(self.carry, self.after, strict=True)
        ]
        self._near = turns is not None
        self._choose()
        if turns is not None and turns * sum(map(_bytes, self.nodes)) > NEAR:
            self._near = False
            self._choose()

    def _node(self, out: Any) -> Node | None:
        node: Node | None = out._node
        return (
            node if node is not None and node in {*self.joint.inputs, *self.joint.nodes} else None
        )

    # --- what comes of it ------------------------------------------------------------------------

    def there(self, *values: Any) -> list[Any]:
        """Of the inputs of a turn: the next carry, and what is stored."""
        known = dict(zip(self.turn, values, strict=True))
        stored = [self._variable(n) for n in self.nodes]
        return self._computed([*self.joint.outputs[: self.count], *stored], known)

    def back(self, *values: Any) -> list[Any]:
        """Of what is given, what was stored, the undone parts as the turn left them, and the
        cotangents: what the joint graph gives of these, and the undone parts as the turn found
        them.
        """
        k = len(self.given) + len(self.nodes)
        known = dict(zip([*self.given, *self.nodes], values, strict=False))
        left, cts = values[k : k + len(self.undone)], values[k + len(self.undone) :]

        def value_of(node: Node | None, value: Any) -> Any:
            return value if node is None else self._computed([self._variable(node)], known)[0]

        found = []
        for index, new in zip(self.undone, left, strict=True):
            way = self._ways[index]
            assert way is not None
            found.append(way.undo(value_of, new))
            known[self.carry[index]] = found[-1]
        known.update(zip(self.cotangents, cts, strict=True))
        return [*self._computed(self.ends, known), *found]

    def _variable(self, node: Node) -> Any:
        return wrapped(self.joint.cls, _value(node), node)

    def _computed(self, outputs: Sequence[Any], known: dict[Node, Any]) -> list[Any]:
        """Outputs from what is known of some nodes."""
        cls, known = self.joint.cls, dict(known)
        inside = {*self.joint.inputs, *self.joint.nodes, *self.nodes}
        stack = [o._node for o in outputs]
        needed: set[Node] = set()
        while stack:
            node = stack.pop()
            if node in inside and node not in known and node not in needed:
                needed.add(node)
                stack.extend(node.inputs)
        for node in sorted(needed, key=lambda n: n.order):
            known[node] = again(node, [given(cls, n, v, known) for n, v in operands(node)])
        return [known.get(o._node, o) for o in outputs]

    # --- the choice ------------------------------------------------------------------------------

    def _choose(self) -> None:
        late = _after(self.joint, self.cotangents)
        read = self._read(late)
        self.undone = []
        if len(self.joint.nodes) > LARGEST:
            needed = set(_closure(read))
            self.nodes = [n for n in self.carry if n in needed]
            return
        free: set[Node] = set()
        stored: dict[Node, None] = {}
        while True:
            cut = self._cut(read, late, free)
            more = [k for k, n in enumerate(self.carry) if n in cut and self._ways[k] is not None]
            for k in more:
                way = self._ways[k]
                assert way is not None
                free.add(self.carry[k])
                self.undone.append(k)
                stored.update(dict.fromkeys(way.olds))
                for n in way.indices:
                    (read if self._counts(n) else stored)[n] = None
            if not more:
                break
        self.undone.sort(key=lambda k: bool(self._ways[k].olds))  # type: ignore[union-attr]
        self.nodes = list(dict.fromkeys([*stored, *cut]))

    def _counts(self, node: Node) -> bool:
        """Whether a value depends on no part of the carry but counters."""
        steady = {
            n for n, w in zip(self.carry, self._ways, strict=True) if w is not None and not w.olds
        }
        return steady.issuperset(set(self.carry).intersection(_closure([node])))

    def _read(self, late: set[Node]) -> dict[Node, None]:
        """What the way back reads of what comes before."""
        inside = {*self.joint.inputs, *self.joint.nodes}
        found: dict[Node, None] = {}
        for node in self.joint.nodes:
            for n in node.inputs if node in late else ():
                if n is not None and n in inside and n not in late:
                    found[n] = None
        for out in self.ends:
            n = out._node
            if n is not None and n in inside and n not in late:
                found[n] = None
        return found

    def _weight(self, node: Node) -> int:
        """Of almost equal values a part of the carry is stored, which is in memory anyway, and may
        lie in the tape from the start.
        """
        size = _bytes(node)
        return size - size // (2 if self._near else 16) if node in self.carry else size

    def _cut(self, read: dict[Node, None], late: set[Node], free: set[Node]) -> list[Node]:
        """The values of fewest bytes between the carry and what is read."""
        weights = {
            n: w.weight for n, w in zip(self.carry, self._ways, strict=True) if w is not None
        }
        early = [n for n in _closure(read) if n not in late]
        dependent: set[Node] = set(self.carry) - free
        flow = Flow()
        for node in dependent.intersection(early):
            flow.join("start", (node, 0), ENDLESS)
        for node in early:
            before = [n for n in node.inputs if n in dependent]
            if not before and node not in dependent:
                continue
            dependent.add(node)
            flow.join((node, 0), (node, 1), weights.get(node, self._weight(node)))
            if before and self._near:
                flow.join("start", (node, 0), effort(node))
            for n in before:
                flow.join((n, 1), (node, 0), ENDLESS)
            if node in read:
                flow.join((node, 1), "end", ENDLESS)
        near = flow.near_the_end()
        return [n for n in early if (n, 1) in near and (n, 0) not in near]


# --- what depends on what ------------------------------------------------------------------------


def _after(graph: Graph, first: Sequence[Node]) -> set[Node]:
    """Some inputs and all that depends on them."""
    found = set(first)
    for node in graph.nodes:
        if any(n in found for n in node.inputs if n is not None):
            found.add(node)
    return found


def _closure(read: Iterable[Node]) -> list[Node]:
    """Nodes that some are computed from, and those, in order."""
    found: dict[Node, None] = {}
    stack = list(read)
    while stack:
        node = stack.pop()
        if node not in found:
            found[node] = None
            stack.extend(n for n in node.inputs if n is not None)
    return sorted(found, key=lambda n: n.order)


def _value(node: Node) -> Any:
    """Shape and dtype of what a node gives, as the value of a traced Tensor."""
    if node.op is None:
        spec = node.spec  # type: ignore[attr-defined]
        return Abstract(spec.shape, spec.dtype)
    assert node.saved is not None
    return node.saved[0]


def _bytes(node: Node) -> int:
    """What it takes to store a value; too much where that cannot be done."""
    spec = _value(node)
    if isinstance(spec, tuple) or spec.dtype == object:
        return ENDLESS
    size: int = spec.size * spec.dtype.itemsize
    return size


def merged(graph: Graph) -> Graph:
    """The graph with equal operations made one, and without marks of variables."""
    known: dict[Any, Any] = {}

    def once(node: Node, values: list[Any]) -> Any:
        if node.op is SELECT[2]:
            return values[0]
        parts = [id(v._node) if isinstance(v, Variable) and v._node else id(v) for v in values]
        if node.op is SELECT[0]:
            return again(node, values)
        key = (node.op.name, tuple(parts), _key(node.params))
        if key not in known:
            known[key] = (again(node, values), values)
        return known[key][0]

    return as_graph(lambda *xs: replay(graph, xs, once), [n.spec for n in graph.inputs], graph.cls)


def _key(p: Any) -> Any:
    if isinstance(p, dict):
        return tuple((k, _key(v)) for k, v in p.items())
    if isinstance(p, (tuple, list)):
        return (type(p), *map(_key, p))
    if isinstance(p, slice):
        return ("slice", p.start, p.stop, p.step)
    try:
        hash(p)
    except TypeError:
        return ("object", id(p))
    return (type(p), p)


# --- undoing -------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Way:
    """How a part of the carry is undone."""

    weight: int
    olds: list[Node]
    """What must be stored."""
    indices: list[Node]
    """What is read besides."""
    undo: Any


def _way_back(part: Node, after: Node, cls: Any) -> _Way | None:
    """How to compute a part of the carry from the next one, or None."""
    return _counted(part, after) or _written(part, after, cls)


def _counted(part: Node, after: Node) -> _Way | None:
    """i + 1 is undone by - 1."""
    spec = part.spec  # type: ignore[attr-defined]
    name = "" if after.op is None else after.op.name
    if name not in ("add", "subtract") or spec.dtype.kind not in "iu" or after.saved is None:
        return None
    if after.inputs[0] is part and after.inputs[1] is None:
        step = after.saved[2]
    elif name == "add" and after.inputs[1] is part and after.inputs[0] is None:
        step = after.saved[1]
    else:
        return None
    back = TABLE["subtract" if name == "add" else "add"].function
    return _Way(0, [], [], lambda _, new: back(new, step).astype(spec.dtype))


def _written(part: Node, after: Node, cls: Any) -> _Way | None:
    """Elements that were written are written again with the values they had."""
    chain: list[Node] = []
    node: Node | None = after
    while node is not part:
        if node is None or not _writes(node) or node.saved is None:
            return None
        chain.append(node)
        node = node.inputs[0]
    olds = [_old(n, cls) for n in chain]
    indices = [n for w in chain if w.op.name == "at_index" for n in w.inputs[2:] if n is not None]
    size = sum(_bytes(n) for n in (*olds, *indices))
    if size >= _bytes(part):
        return None

    def undo(value_of: Any, new: Any) -> Any:
        for write, old in zip(chain, olds, strict=True):
            new = _with_index(write, "set_item", [new, value_of(old, None)], value_of)
        return new

    return _Way(size, olds, indices, undo)


def _writes(node: Node) -> bool:
    if node.op is None:
        return False
    row = node.params["row"] if node.op.name == "at_index" else node.op
    return row.name in ("set_item", "add_at")


def _old(write: Node, cls: Any) -> Node:
    """What was at the place that an assignment writes to, as a node."""
    assert write.saved is not None

    def operand(n: Node | None, value: Any) -> Any:
        return value if n is None else wrapped(cls, value, n)

    x = operand(write.inputs[0], write.saved[1])
    found = _with_index(write, "getitem", [x], operand)
    node: Node = found._node
    return node


def _with_index(write: Node, name: str, values: list[Any], value_of: Any) -> Any:
    """Another row at the index of an assignment; `value_of` gives operands that fill it."""
    row = TABLE[name]
    if write.op.name != "at_index":
        return row.function(*values, index=write.params["index"])
    assert write.saved is not None
    pairs = list(zip(write.inputs, write.saved[1:], strict=True))[2:]
    holes = [value_of(n, v) for n, v in pairs]
    count = len(values)

    def shifted(part: Any) -> Any:
        return Hole(part.number - 2 + count) if isinstance(part, Hole) else part

    index = write.params["params"]["index"]
    index = tuple(map(shifted, index)) if type(index) is tuple else shifted(index)
    return at_index([*values, *holes], row, {"index": index})
