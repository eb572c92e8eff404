"""Walks that programs repeat: met again, recognized, and run as the machine code made of them.

A walk over a tape whose signature (`derive.tape`) was met often is one call of machine code on the
values that the nodes kept; `transforms.compiling` makes it. Compiled to C, like the walk it stands
in for (see `setup.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from chainrule.derive.tape import (
    COMPILED,
    COUNTING,
    FROZEN,
    HOPELESS,
    NOWHERE,
    Kind,
    Plan,
    Roots,
    Step,
    Tape,
    describe,
    ndarray,
    read,
)
from chainrule.graph import writes
from chainrule.graph.node import Leaf, Node, Spec, Variable, hooked
from chainrule.ops.table import SELECT

ENOUGH: Final = [15_000]
"""A walk is compiled once it has taken about so many microseconds, one for each node and one for
each thousand of kept numbers, and a tenth more for each node: about as long as compiling will take,
so that no program takes much more than twice the time it could.
"""

EVERY: Final = [8]
"""Of walks that no compiled one fits, one in so many is looked at."""

MOST: Final = 512
"""So many signatures are remembered; after that, counting begins anew."""

REVERSE: Final = Kind("reverse", 1)

ACCUMULATE: Final = Kind("accumulate", 1)
"""Backwards, and each cotangent is added to its leaf's gradient."""

compilers: Final[list[Callable[[Kind, Plan, Tape, Any], Any]]] = []
"""What compiles a walk; empty where none is to be compiled. `transforms.compiling` sets it."""


def repeated(
    kind: Kind,
    roots: Roots,
    wanted: Sequence[Node] | None,
    nodes: list[Node],
    arguments: list[Any],
) -> Plan | None:
    """The plan for a walk; None where it is to be walked.

    Roots are nodes with the cotangents the walk begins with, None if it goes forwards. Collects
    the nodes of the tape, as the plan's steps have them, and the arguments of the plan's `call`.
    """
    row: Any = roots[0][0].op
    if hooked or row is None or not compilers:
        return None
    known = kind.compiled.get(row)
    if known is not None:
        for i, plan in enumerate(known):
            if _matches(plan, roots, wanted, nodes, arguments):
                if i:
                    known.insert(0, known.pop(i))
                return plan
            nodes.clear()
            arguments.clear()
    kind.turns += 1
    if kind.turns % EVERY[0] == 0:
        _count(kind, roots, wanted)
    return None


def _count(kind: Kind, roots: Roots, wanted: Sequence[Node] | None) -> None:
    """Note that a tape was met; compile the walk over it where that was often enough."""
    tape = read([r[0] for r in roots], wanted)
    if tape is None or not (wanted is None or kind is REVERSE or _is_whole(tape, wanted)):
        return
    key = tape.key
    if kind is ACCUMULATE and not _describe_gradients(tape):
        return
    described: list[Any] = []
    for root in roots:
        if not describe(root[1], described):
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
    plan.visited += (count * kind.cost + _elements(tape) // 1000) * EVERY[0]
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


def _elements(tape: Tape) -> int:
    """How many numbers the nodes of a tape kept in arrays."""
    count = 0
    for node in tape.nodes:
        saved = node.saved
        if saved is not None:
            for value in saved:
                if type(value) is ndarray:
                    size: int = value.size
                    count += size
    return count


def _is_whole(tape: Tape, wanted: Sequence[Node]) -> bool:
    """Whether the tape ends in all wanted variables, so that no block is all zeros."""
    found = 0
    for step in tape.steps:
        if step.place >= 0:
            found += 1
    return found == len(wanted)


def _describe_gradients(tape: Tape) -> bool:
    """Say what the leaves' gradients are, so far; whether cotangents can be added to them."""
    for i, step in enumerate(tape.steps):
        if step.op is None and step.place != FROZEN:
            leaf: Any = tape.nodes[i]
            before = leaf.grad
            step.gradient = None if before is None else type(before._value)
            if not is_gradient(before, step):
                return False
            tape.key.append(step.gradient)
    return True


def is_gradient(gradient: Any, step: Step) -> bool:
    """Whether a leaf's gradient, so far, is as it was described, and like the leaf."""
    kind: Any = step.gradient
    if gradient is None or kind is None:
        return gradient is None and kind is None
    if not isinstance(gradient, Variable) or gradient._node is not None:
        return False
    value: Any = gradient._value
    if type(value) is not kind:
        return False
    if kind is ndarray:
        return value.dtype is step.dtype and bool(value.shape == step.shape)
    return kind is step.dtype.type and step.shape == ()


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
    newest = writes.newest[0]
    if len(plan.roots) != len(roots):
        return False
    for i, k in enumerate(plan.roots):
        pair = roots[i]
        if not _is_constant(pair[1], plan.seeds[i]):
            return False
        root = pair[0]
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
            if plan.made and step.place != FROZEN:
                leaf: Any = node
                if not is_gradient(leaf.grad, step):
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
    for k in plan.takes:
        arguments.append(roots[k][1])  # noqa: PERF401 - a list of its own takes longer
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
    spec: Any = node.spec
    return spec is step.spec or (spec.dtype is step.dtype and bool(spec.shape == step.shape))


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


def walked(roots: Roots, wanted: Sequence[Node] | None, keep: bool) -> dict[Node, Any] | None:
    """The walk backwards by machine code: cotangents of the leaves, or None."""
    if not roots:
        return None
    nodes: list[Node] = []
    arguments: list[Any] = []
    plan = repeated(REVERSE, roots, wanted, nodes, arguments)
    if plan is None:
        return None
    results: tuple[Any, ...] = plan.call(*arguments)
    found: dict[Node, Any] = {}
    i = 0
    for k, step in enumerate(plan.steps):
        if step.op is None and step.place != FROZEN:
            node = nodes[k]
            g: Any = results[i]
            i += 1
            found[node] = found[node] + g if node in found else g
    if not keep:
        release(plan, nodes)
    return found


def release(plan: Plan, nodes: list[Node]) -> None:
    """Let go of what the nodes of a tape kept."""
    for k, step in enumerate(plan.steps):
        if step.op is not None and step.op is not SELECT:
            nodes[k].saved = None
