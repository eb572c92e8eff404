"""The structure of what was recorded, so that a walk met again and again is compiled.

Programs record the same operations on arrays of the same shapes at every turn of their loops. The
*signature* of a tape says all that a walk over it depends on but the numbers: rows, parameters,
which operand is which node, shapes and dtypes of variables and constants. `derive.repeated` counts
the signatures. Compiled to C, like the walks (see `setup.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph import writes
from chainrule.graph.node import Leaf, Node, Spec, Variable
from chainrule.ops.recording import SCALARS

ndarray: Final[Any] = np.ndarray
generic: Final[Any] = np.generic

LONGEST: Final = 400
"""Tapes of more nodes than this are walked: compiling them takes too long."""

COUNTING: Final = 0
COMPILED: Final = 1
HOPELESS: Final = 2

NOWHERE: Final = -1
"""In place of a node's number: no node. Of a leaf: any variable is wanted."""

FROZEN: Final = -2
"""In place of where a leaf stands among the wanted ones: it is a constant by now."""


class Step:
    """One node of a tape, as the tapes it stands for must have it."""

    def __init__(self, op: Any) -> None:
        self.op = op
        self.params: Any = None
        self.wiring: list[int] = []
        self.constants: list[Any] = []
        """Of operands without node: what `describe` says of them."""
        self.shape: Any = None
        self.dtype: Any = None
        self.spec: Any = None
        self.place = NOWHERE
        self.takes: list[int] = []
        """Which of the values that the node kept go to the machine code."""
        self.gradient: Any = None
        """Of a leaf that cotangents are added to: the type of its gradient's value, or None."""


class Tape:
    """What was recorded, from some results back to the leaves, breadth first."""

    def __init__(self) -> None:
        self.key: list[Any] = []
        self.nodes: list[Node] = []
        self.steps: list[Step] = []
        self.roots: list[int] = []


class Plan:
    """How often a signature was met, and what runs in place of the walk once it is compiled."""

    def __init__(self) -> None:
        self.visited = 0
        self.state = COUNTING
        self.steps: list[Step] = []
        self.roots: list[int] = []
        self.seeds: list[Any] = []
        """What `_described` says of the cotangents."""
        self.takes: list[int] = []
        """Which of the cotangents go to the machine code, after the kept values."""
        self.call: Any = None
        self.program: Any = None
        """What must live as long as `call`."""
        self.made: list[Any] = []
        """Of a walk that adds to gradients, what each result is made of: a type of scalars, shape
        and dtype of an array, or None where it is written in place.
        """


class Kind:
    """A kind of walk, how many microseconds a node takes in it, and the tapes it went over."""

    def __init__(self, name: str, cost: int) -> None:
        self.name = name
        self.cost = cost
        self.turns = 0
        self.plans: dict[Any, Plan] = {}
        """By signature."""
        self.compiled: dict[Any, list[Plan]] = {}
        """Those that are compiled, by the row they begin with; the last used ones first."""


Roots = Sequence[tuple[Node, Any]]


def read(roots: Sequence[Node], wanted: Sequence[Node] | None) -> Tape | None:
    """The tape from some nodes back; None where it is not one to compile.

    That is: a long one, one with values that are gone, changed in place, traced or unusual, and one
    that ends in other variables than the wanted ones.
    """
    tape = Tape()
    nodes, key = tape.nodes, tape.key
    places: dict[Node, int] = {}
    if wanted is not None:
        for w in wanted:
            places[w] = len(places)
    numbers: dict[Node, int] = {}
    for root in roots:
        tape.roots.append(_number(root, numbers, nodes))
    key.append(tuple(tape.roots))
    while len(tape.steps) < len(nodes):
        node = nodes[len(tape.steps)]
        step = Step(node.op)
        tape.steps.append(step)
        if len(nodes) > LONGEST:
            return None
        if isinstance(node, Leaf):
            step.place = places.get(node, FROZEN if node.frozen else NOWHERE)
            if step.place == NOWHERE and wanted is not None:
                return None
            step.spec = node.spec
            step.shape, step.dtype = node.spec.shape, node.spec.dtype
            key.extend((step.place, step.shape, step.dtype))
            continue
        saved = node.saved
        if node.op is None or saved is None or node.order < writes.newest[0] or node in places:
            return None
        for v in saved:
            if isinstance(v, Variable):
                return None
        key.append(node.op)
        step.params = node.params
        if not _freeze(node.params, key):
            return None
        for i, n in enumerate(node.inputs):
            if n is not None:
                step.wiring.append(_number(n, numbers, nodes))
            else:
                step.wiring.append(NOWHERE)
                if not describe(saved[i + 1], step.constants):
                    return None
        key.append(tuple(step.wiring))
        key.extend(step.constants)
    return tape


def _number(node: Node, numbers: dict[Node, int], nodes: list[Node]) -> int:
    number = numbers.get(node, NOWHERE)
    if number == NOWHERE:
        number = len(nodes)
        numbers[node] = number
        nodes.append(node)
    return number


def describe(value: Any, described: list[Any]) -> bool:
    """Say of a constant all that a walk depends on but the numbers in it; of a Python number and
    of a cotangent of 1, which are compiled in, itself. Machine code takes no arrays of no axes.
    """
    kind: Any = type(value)
    if (kind is ndarray and value.ndim) or kind is Spec:
        described.append((kind, value.shape, value.dtype))
    elif kind in _NUMBERS or (kind in SCALARS and value == 1):
        described.append((kind, value))
        if kind is float and value == 0.0:  # 0.0 and -0.0 are equal
            described.append(repr(value))
    elif isinstance(value, generic) or value is None:
        described.append((kind,))
    else:
        return False
    return True


_NUMBERS: Final[set[Any]] = {int, float, bool}

_PLAIN: Final[set[Any]] = {int, float, bool, str, type(None), type(Ellipsis)}


def _freeze(value: Any, key: list[Any]) -> bool:
    """Say a parameter in a key; whether that can be done."""
    kind: Any = type(value)
    key.append(kind)
    if kind in _PLAIN:
        key.append(value)
        return True
    if kind is slice:
        return _freeze(value.start, key) and _freeze(value.stop, key) and _freeze(value.step, key)
    if kind is tuple or kind is list or kind is dict:
        key.append(len(value))
        for v in value:
            if not _freeze(v, key) or (kind is dict and not _freeze(value[v], key)):
                return False
        return True
    if kind is ndarray:
        if value.size > 64 or value.dtype.kind not in "biufc":
            return False
        key.extend((value.shape, value.dtype, value.tobytes()))
        return True
    if isinstance(value, (np.dtype, generic, type)):
        key.append(value)
        return True
    return False
