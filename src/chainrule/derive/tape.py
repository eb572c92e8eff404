"""The structure of what was recorded, so that a walk met again and again is compiled.

Programs record the same operations on arrays of the same shapes at every turn of their loops. The
*signature* of a tape says all that a walk over it depends on but the numbers: rows, parameters,
which operand is which node, shapes and dtypes of variables and constants. A walk over a tape whose
signature was met often is one call of machine code on the values that the nodes kept
(`transforms.compiling` makes it). Compiled to C, like the walk it stands in for (see `setup.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.graph import writes
from chainrule.graph.node import Leaf, Node, Spec, Variable, hooked
from chainrule.ops.recording import SCALARS
from chainrule.ops.table import SELECT

ndarray: Final[Any] = np.ndarray
generic: Final[Any] = np.generic

LONGEST: Final = 400
"""Tapes of more nodes than this are walked: compiling them takes too long."""

ENOUGH: Final = [15_000]
"""A walk is compiled once visits to its nodes have taken about so many microseconds, and a tenth
more for each node: about as long as compiling will take, so that no program takes much more than
twice the time it could.
"""

EVERY: Final = [8]
"""Of walks that no compiled one fits, one in so many is looked at."""

MOST: Final = 512
"""So many signatures are remembered; after that, counting begins anew."""

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
        """Of operands without node: what `_described` says of them."""
        self.shape: Any = None
        self.dtype: Any = None
        self.place = NOWHERE
        self.takes: list[int] = []
        """Which of the values that the node kept go to the machine code."""


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


class Kind:
    """A kind of walk, how many microseconds a node takes in it, and the tapes it went over."""

    def __init__(self, name: str, cost: int) -> None:
        self.name = name
        self.cost = cost
        self.plans: dict[Any, Plan] = {}
        """By signature."""
        self.compiled: dict[Any, list[Plan]] = {}
        """Those that are compiled, by the row they begin with; the last used ones first."""


Roots = Sequence[tuple[Node, Any]]

REVERSE: Final = Kind("reverse", 1)

compilers: Final[list[Callable[[Kind, Plan, Tape, Any], Any]]] = []
"""What compiles a walk; empty where none is to be compiled. `transforms.compiling` sets it."""

turns: Final[list[int]] = [0]


def repeated(kind: Kind, roots: Roots, wanted: Sequence[Node] | None, nodes: list[Node]) -> Any:
    """The plan for a walk and its results by machine code; None where it is to be walked.

    Roots are nodes with the cotangents the walk begins with, None if it goes forwards. Collects
    the nodes of the tape, as the plan's steps have them.
    """
    row: Any = roots[0][0].op
    if hooked or row is None or not compilers:
        return None
    known = kind.compiled.get(row)
    if known is not None:
        for i, plan in enumerate(known):
            arguments: list[Any] = []
            if _matches(plan, roots, wanted, nodes, arguments):
                if i:
                    known.insert(0, known.pop(i))
                return plan, plan.call(*arguments)
            nodes.clear()
    turns[0] += 1
    if turns[0] % EVERY[0] == 0:
        _count(kind, roots, wanted)
    return None


def _count(kind: Kind, roots: Roots, wanted: Sequence[Node] | None) -> None:
    """Note that a tape was met; compile the walk over it where that was often enough."""
    tape = read([r[0] for r in roots], wanted)
    if tape is None or not (kind is REVERSE or _is_whole(tape, wanted)):
        return
    key = tape.key
    described: list[Any] = []
    for root in roots:
        if not _describe(root[1], described):
            return
    key.extend(described)
    signature = tuple(key)
    plan = kind.plans.get(signature)
    if plan is None:
        if len(kind.plans) >= MOST:
            kind.plans.clear()
            kind.compiled.clear()
        plan = Plan()
        kind.plans[signature] = plan
    if plan.state != COUNTING:
        return
    count = len(tape.nodes)
    plan.visited += count * EVERY[0] * kind.cost
    if 10 * plan.visited < ENOUGH[0] * (10 + count):
        return
    plan.state = HOPELESS
    plan.steps = tape.steps
    plan.roots = tape.roots
    plan.seeds = described
    plan.call = compilers[0](kind, plan, tape, roots)
    if plan.call is not None:
        plan.state = COMPILED
        kind.compiled.setdefault(roots[0][0].op, []).insert(0, plan)


def _is_whole(tape: Tape, wanted: Sequence[Node] | None) -> bool:
    """Whether the tape ends in all wanted variables, so that no block is all zeros."""
    found = 0
    for step in tape.steps:
        if step.place >= 0:
            found += 1
    return wanted is None or found == len(wanted)


def _matches(  # noqa: C901 - one pass with few calls, as it is paid at every walk
    plan: Plan,
    roots: Roots,
    wanted: Sequence[Node] | None,
    nodes: list[Node],
    arguments: list[Any],
) -> bool:
    """Whether a tape is one that a plan stands for; collects its nodes and the kept values.

    Shapes and dtypes of results follow from those of variables and constants, and are not looked
    at. A node in two places where the plan has two nodes is no harm: a walk is linear, and adds up.
    """
    newest: int = writes.newest
    if len(plan.roots) != len(roots):
        return False
    for i, k in enumerate(plan.roots):
        pair = roots[i]
        if not _is_constant(pair[1], plan.seeds[i]):
            return False
        root: Node = pair[0]
        if k == len(nodes):
            nodes.append(root)
        elif nodes[k] is not root:
            return False
    for j, step in enumerate(plan.steps):
        node = nodes[j]
        op: Any = node.op
        if op is not step.op:
            return False
        if op is None:
            if not _is_leaf(node, step, wanted):
                return False
            continue
        saved = node.saved
        if saved is None or node.order < newest:
            return False
        params: Any = node.params
        if params is not step.params and not _same(params, step.params):
            return False
        inputs = node.inputs
        if len(inputs) != len(step.wiring):
            return False
        constant = 0
        for i, k in enumerate(step.wiring):
            n = inputs[i]
            if k == NOWHERE:
                if n is not None or not _is_constant(saved[i + 1], step.constants[constant]):
                    return False
                constant += 1
            elif n is None:
                return False
            elif k == len(nodes):
                nodes.append(n)
            elif nodes[k] is not n:
                return False
        for k in step.takes:
            value = saved[k]
            if isinstance(value, Variable):
                return False
            arguments.append(value)
    arguments.extend([roots[k][1] for k in plan.takes])
    return True


def _is_leaf(node: Node, step: Step, wanted: Sequence[Node] | None) -> bool:
    if not isinstance(node, Leaf):
        return False
    place = step.place
    if place >= 0:
        if wanted is None or place >= len(wanted) or wanted[place] is not node:
            return False
    elif node.frozen != (place == FROZEN) or (place == NOWHERE and wanted is not None):
        return False
    spec = node.spec
    return spec.dtype is step.dtype and bool(spec.shape == step.shape)


def _is_constant(value: Any, expected: Any) -> bool:
    """Whether an operand is as it was described."""
    kind: Any = type(value)
    if kind is not expected[0]:
        return False
    if kind is ndarray or kind is Spec:
        return value.dtype is expected[2] and bool(value.shape == expected[1])
    return len(expected) == 1 or bool(value == expected[1])


def _same(a: Any, b: Any) -> bool:
    """Whether two parameters are the same, types included."""
    kind: Any = type(a)
    if kind is not type(b):
        return False
    if kind is slice:
        return _same(a.start, b.start) and _same(a.stop, b.stop) and _same(a.step, b.step)
    if kind is tuple or kind is list:
        if len(a) != len(b):
            return False
        for i, v in enumerate(a):
            if not _same(v, b[i]):
                return False
        return True
    if kind is dict:
        if len(a) != len(b):
            return False
        for name, v in a.items():
            if name not in b or not _same(v, b[name]):
                return False
        return True
    if kind is ndarray:
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if kind is float and a == 0.0:  # 0.0 and -0.0 are equal
        return repr(a) == repr(b)
    return bool(a == b)


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
            step.shape, step.dtype = node.spec.shape, node.spec.dtype
            key.extend((step.place, step.shape, step.dtype))
            continue
        saved = node.saved
        if node.op is None or saved is None or node.order < writes.newest or node in places:
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
                if not _describe(saved[i + 1], step.constants):
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


def _describe(value: Any, described: list[Any]) -> bool:
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


def walked(roots: Roots, wanted: Sequence[Node] | None, keep: bool) -> dict[Node, Any] | None:
    """The walk backwards by machine code: cotangents of the leaves, or None."""
    if not roots:
        return None
    nodes: list[Node] = []
    answer = repeated(REVERSE, roots, wanted, nodes)
    if answer is None:
        return None
    plan: Plan = answer[0]
    results: tuple[Any, ...] = answer[1]
    found: dict[Node, Any] = {}
    i = 0
    for k, step in enumerate(plan.steps):
        node = nodes[k]
        if step.op is not None:
            if not keep and step.op is not SELECT:
                node.saved = None
        elif step.place != FROZEN:
            g: Any = results[i]
            i += 1
            found[node] = found[node] + g if node in found else g
    return found
