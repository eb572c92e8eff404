"""Walks that programs repeat, compiled: what `derive.repeated` calls once it met one often enough.

The nodes of the tape are copied as ones whose kept values are traced; the walk over the copies is a
graph, and is compiled as any other. Programs that never repeat a tape never come here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.derive import repeated
from chainrule.derive.forward import forward
from chainrule.derive.repeated import ACCUMULATE, REVERSE
from chainrule.derive.reverse import in_full, reverse, shape_of
from chainrule.derive.tape import FROZEN, Kind, Plan, Roots, Tape
from chainrule.errors import ArgumentError, ChainruleError, at, user_line
from chainrule.graph.graph import Graph
from chainrule.graph.node import Abstract, Leaf, Node, Spec, Variable, next_order
from chainrule.ops.movement import broadcast_to
from chainrule.ops.recording import SCALARS, standard_class, wrapped
from chainrule.record.trace import trace
from chainrule.transforms.compiling_operations import set_compile_operations, used_inputs
from chainrule.transforms.hessian import TWICE
from chainrule.transforms.jacobian import BY_COLUMN, BY_ROW, by_column, by_row, columns

ndarray = np.ndarray
Copies = dict[Node, Node]

LARGE = 4096
"""Elements of an array beyond which a gradient is added after the walk: what is written in place
cannot be done again, so products are strong at once (`codegen.donate`), and matrix products slow.
"""

_lock = threading.RLock()


def set_compile_walks(enabled: bool) -> None:
    """Let what eager programs repeat be compiled, as it is from the beginning.

    A program that differentiates the same operations on arrays of the same shapes some thousand
    times (a training loop, a solver) gets its gradients, Jacobians and Hessians from machine code
    after a while, and some later its operations on small arrays: first that is made, on the way,
    in about the time that the repetitions took so far. Sums may then be taken in another order, so
    that results differ in the last bits from those before; give False where all repetitions must
    agree to the last bit. Without llvmlite nothing is compiled.

    Raises ArgumentError for anything but True and False.

    >>> cr.set_compile_walks(False)
    >>> cr.get_compile_walks()
    False
    >>> cr.set_compile_walks(True)
    """
    if not isinstance(enabled, bool):
        raise ArgumentError(
            f"set_compile_walks: takes True or False, not {enabled!r}" + at(user_line())
        )
    repeated.compilers[:] = [compile_plan] if enabled else []
    set_compile_operations(enabled)


def get_compile_walks() -> bool:
    """Whether eager derivatives that a program repeats are compiled; see `set_compile_walks`.

    >>> cr.get_compile_walks()
    True
    """
    return bool(repeated.compilers)


def compile_plan(kind: Kind, plan: Plan, tape: Tape, roots: Roots) -> Any:
    """The walk as machine code, on the values that `takes` of the plan names; None if it has none.

    A rule that looks at numbers, or an operation that only NumPy computes, leaves a walk as it is.
    """
    from chainrule.codegen.engine import available
    from chainrule.codegen.options import Options
    from chainrule.run.choose import runnable

    if not available():
        repeated.compilers.clear()
        return None
    slots = list(_slots(tape))
    if any(
        isinstance(v, (tuple, list)) or (type(v) is ndarray and not v.ndim) for _, _, v in slots
    ):
        return None
    gradients = []
    if kind is ACCUMULATE:
        if any(np.size(v) > LARGE for _, _, v in slots):
            return None
        gradients = [n.grad._value for n in _leaves(tape) if n.grad is not None]
    with _lock:
        try:
            graph = _traced(kind, tape, roots, slots, gradients)
            if any(node.op.name == "deferred" for node in graph.nodes):
                return None
            used = used_inputs(graph)
            inputs = [graph.inputs[i] for i in used]
            first = len(slots) + len(roots)
            arrays = [k for k, i in enumerate(used) if i >= first and graph.inputs[i].spec.shape]
            options = Options(donated=tuple(arrays))
            run = runnable(Graph(inputs, graph.outputs, graph.cls), options)
        except ChainruleError:
            return None
    if run.image.callbacks:
        return None
    steps = dict(zip(tape.nodes, plan.steps, strict=True))
    for i in used:
        if i < len(slots):
            steps[slots[i][0]].takes.append(slots[i][1])
        elif i < first:
            plan.takes.append(i - len(slots))
    if kind is not ACCUMULATE:
        return run.call
    if used[len(used) - len(gradients) :] != list(range(first, first + len(gradients))):
        return None
    return _adding(run, plan, len(used) - len(gradients))


def _adding(run: Any, plan: Plan, first: int) -> Any:
    """The machine code itself of a walk that adds to gradients; None where it is not to be used.

    Gradients that are arrays must be written in place, each in its own, and by code that either
    runs to its end or changes nothing: it has one part, without loops that can be interrupted. Nor
    may other threads run meanwhile, who may be adding to the same gradients.
    """
    if run.image.long:
        return None
    inplace = dict(run.image.inplace)
    if inplace and run.image.loops:
        return None
    for step in plan.steps:
        if step.op is None and step.place != FROZEN:
            k = len(plan.made)
            if step.gradient is ndarray:
                if inplace.get(k) != first:
                    return None
                plan.made.append(None)
            else:
                shape, dtype = run.results[k]
                plan.made.append((shape, dtype) if shape else dtype.type)
            first += step.gradient is not None
    plan.program = run
    return run.entry()


def _slots(tape: Tape) -> Iterator[tuple[Node, int, Any]]:
    """Node, place and value of all that the nodes of a tape kept, numbers of Python's aside."""
    for node in tape.nodes:
        if node.op is not None:
            for k, v in enumerate(node.saved or ()):
                if isinstance(v, (ndarray, np.generic, tuple, list)):
                    yield node, k, v


def _traced(
    kind: Kind,
    tape: Tape,
    roots: Roots,
    slots: Sequence[tuple[Node, int, Any]],
    gradients: Sequence[Any],
) -> Graph:
    """The graph of a walk, as a function of the kept values, the cotangents, and the gradients that
    are to be added to.
    """
    cls = standard_class()
    nodes, cts = [n for n, _ in roots], [ct for _, ct in roots]
    walk = _WALKS[kind]

    def function(*parameters: Any) -> list[Any]:
        kept = {(node, k): p for (node, k, _), p in zip(slots, parameters, strict=False)}
        given = [
            wrapped(cls, ct, None) if type(ct) in SCALARS and ct == 1 else p
            for ct, p in zip(cts, parameters[len(slots) :], strict=False)
        ]
        found = walk(tape, _copied(tape, kept), nodes, given)
        before = iter(parameters[len(slots) + len(cts) :])
        if gradients:
            leaves = zip(_leaves(tape), found, strict=True)
            found = [g if n.grad is None else next(before) + g for n, g in leaves]
        return found

    values = (*(v for _, _, v in slots), *cts, *gradients)
    return trace(function, [Spec(v) for v in values], cls, "a repeated walk")


def _copied(tape: Tape, kept: dict[tuple[Node, int], Any]) -> Copies:
    """The tape's nodes as ones that kept traced values."""
    copies: Copies = {}
    for node in tape.nodes:
        if isinstance(node, Leaf):
            leaf = Leaf(node.spec)
            leaf.frozen = node.frozen
            copies[node] = leaf
    for node in sorted(tape.nodes, key=lambda n: n.order):
        if node.op is None:
            continue
        copy = Node()
        copy.op, copy.params, copy.order = node.op, node.params, next_order()
        copy.saved = tuple(kept.get((node, k), v) for k, v in enumerate(node.saved or ()))
        copy.inputs = tuple(None if n is None else copies[n] for n in node.inputs)
        copies[node] = copy
    return copies


# --- the walks, over copies of the tape ----------------------------------------------------------


def _leaves(tape: Tape) -> list[Leaf]:
    """Those by which a derivative is wanted, in the order of the tape."""
    steps = zip(tape.nodes, tape.steps, strict=True)
    return [n for n, step in steps if isinstance(n, Leaf) and step.place != FROZEN]


def _backwards(tape: Tape, copies: Copies, roots: Sequence[Node], cts: Sequence[Any]) -> list[Any]:
    """Cotangents of the leaves."""
    pairs = []
    for n, ct in zip(roots, cts, strict=True):
        shape = shape_of(copies[n])  # a scalar may stand for a constant array
        pairs.append((copies[n], ct if ct.shape == shape else broadcast_to(ct, shape)))
    found = reverse(pairs, None, None, True)
    return [in_full(found[copies[n]], copies[n]) for n in _leaves(tape)]


def _by_row(tape: Tape, copies: Copies, roots: Sequence[Node], like: Any) -> list[Any]:
    """Blocks of the Jacobian of each root by each variable, backwards."""
    return _flat(
        by_row(_results(copies, roots, like), _variables(tape, copies), standard_class(), True)
    )


def _by_column(tape: Tape, copies: Copies, roots: Sequence[Node], like: Any) -> list[Any]:
    """The same, forwards."""
    ys, xs = _results(copies, roots, like), _variables(tape, copies)
    return _flat(by_column(ys, xs, standard_class(), True))


def _twice(tape: Tape, copies: Copies, roots: Sequence[Node], cts: Sequence[Any]) -> list[Any]:
    """Blocks of the Hessian, forwards over backwards: tangents of what the nodes kept go through
    the walk backwards, which was recorded as a function of it.
    """
    cls = standard_class()
    by_leaf = dict(zip(_leaves(tape), _backwards(tape, copies, roots, cts), strict=True))
    xs = _variables(tape, copies)
    places = sorted(by_leaf, key=lambda n: _place(tape, n))
    gradients = [by_leaf[n] for n in places]
    live = [g._node for g in gradients if isinstance(g, Variable) and g._node is not None]
    ops = [copies[n] for n in tape.nodes if n.op is not None]

    def pushed(tangent: Any, i: int) -> list[Any]:
        start: dict[Any, Any] = {xs[i]._node: tangent}
        moving = start.copy()
        moving.update(zip(ops, forward(ops, start, cls), strict=True))
        known: dict[Any, Any] = {}
        for node in ops:
            for v, source in zip(node.saved or (), (node, *node.inputs), strict=True):
                if isinstance(v, Variable) and moving.get(source) is not None:
                    known[v._node] = moving[source]
        found: dict[Any, Any] = dict(
            zip(live, forward(live, known, cls, recorded=True), strict=True)
        )
        return [found.get(g._node) if isinstance(g, Variable) else None for g in gradients]

    outs = [g._value if isinstance(g, Variable) else g for g in gradients]
    return _flat(columns(pushed, outs, [x._value for x in xs], cls))


_WALKS = {
    REVERSE: _backwards,
    ACCUMULATE: _backwards,
    BY_ROW: _by_row,
    BY_COLUMN: _by_column,
    TWICE: _twice,
}


def _place(tape: Tape, leaf: Node) -> int:
    """Where a leaf stands among the variables."""
    return tape.steps[tape.nodes.index(leaf)].place


def _variables(tape: Tape, copies: Copies) -> list[Any]:
    """The variables, in the order they were asked for."""
    leaves = sorted(_leaves(tape), key=lambda n: _place(tape, n))
    return [
        wrapped(standard_class(), Abstract(n.spec.shape, n.spec.dtype), copies[n]) for n in leaves
    ]


def _results(copies: Copies, roots: Sequence[Node], specs: Sequence[Any]) -> list[Any]:
    """The results that the tape was read from."""
    cls = standard_class()
    pairs = zip(roots, specs, strict=True)
    return [wrapped(cls, Abstract(s.shape, s.dtype), copies[n]) for n, s in pairs]


def _flat(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [block for row in rows for block in row]


set_compile_walks(True)
