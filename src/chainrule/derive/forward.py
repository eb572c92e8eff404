"""The walk forwards: tangents from operands to results, one Jacobian per node.

Runs over a graph that is recorded already, operands first. Where a row has no forward rule of its
own, it follows: from the partials, from linearity, or by transposing the reverse rule once more
(the tangent of y is the derivative, with respect to the cotangent c, of <pull(c), tangents>).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.derive.floating import INVALID_RAISES, enter, leave, quiet
from chainrule.derive.reverse import as_variables, depends, recovered, reverse
from chainrule.errors import MissingDerivative, TracedValueError
from chainrule.graph.node import Leaf, Node, Spec, Variable
from chainrule.ops.complaints import check_rules
from chainrule.ops.hot import careful, times
from chainrule.ops.recording import raw
from chainrule.ops.strong import strong_products
from chainrule.ops.table import SELECT, ZERO, Operation, zeros_like


def forward(
    outputs: Sequence[Node],
    tangents: Mapping[Node, Any],
    cls: type[Variable],
    *,
    recorded: bool = False,
    outside: list[Node] | None = None,
) -> list[Any]:
    """Tangents of the outputs, given those of some nodes; None where an output depends on none.

    With `recorded` the rules run on Tensors of class `cls`, so the result can be differentiated.
    Tangents that are traced Tensors give a traced result. `outside` collects nodes that the outputs
    depend on besides: with respect to those the result is not constant. Zero times infinity is
    zero, as in `derive.reverse`, with the same two attempts.
    """
    nodes = between(outputs, tangents, outside)
    if not recorded and not careful and not any(isinstance(t, Variable) for t in tangents.values()):
        token = enter(INVALID_RAISES)
        try:
            found = _walk(nodes, outputs, tangents, cls, recorded)
            if not any(map(_has_nan, found)):
                return found
        except FloatingPointError:
            pass
        finally:
            leave(token)
    with strong_products(), quiet():
        return _walk(nodes, outputs, tangents, cls, recorded)


def _walk(
    nodes: Sequence[Node],
    outputs: Sequence[Node],
    tangents: Mapping[Node, Any],
    cls: type[Variable],
    recorded: bool,
) -> list[Any]:
    known: dict[Node, Any] = dict(tangents)
    for node in nodes:
        moving = [None if n is None else known.get(n) for n in node.inputs]
        if all(t is None for t in moving) or not depends(node, known):
            continue
        saved = recovered(node) if node.saved is None else node.saved
        moving = narrowed(node, moving, saved)
        if recorded:
            saved = as_variables(cls, node, saved)
        tangent = pushed(moving, saved, node, cls, recorded)
        if tangent is not None:
            known[node] = tangent
    return [known.get(node) for node in outputs]


def _has_nan(tangent: Any) -> bool:
    return tangent is not None and bool(np.isnan(raw(tangent)).any())


def pushed(
    moving: Sequence[Any], saved: Sequence[Any], node: Node, cls: type[Variable], recorded: bool
) -> Any:
    """The forward rule; where it needs numbers that are not there yet, put off."""
    try:
        return push(node.op, moving, saved, node, cls, recorded)
    except TracedValueError:
        from chainrule.derive.deferred import defer_push

        def rule(tangents: Sequence[Any], saved: Sequence[Any]) -> Any:
            return push(node.op, tangents, saved, node, cls, any(map(is_variable, saved)))

        return defer_push(node, moving, saved, rule)


def is_variable(x: Any) -> bool:
    """Whether a value is a Tensor."""
    return isinstance(x, Variable)


def narrowed(node: Node, moving: list[Any], saved: Sequence[Any]) -> list[Any]:
    """Tangents of the operands, less those in which the derivative is zero."""
    row = node.op
    if callable(row.reverse):
        return moving
    check_rules(
        row,
        [None if t is None else n for n, t in zip(node.inputs, moving, strict=True)],
        saved[1:],
    )
    return [None if r is ZERO else t for r, t in zip(row.reverse, moving, strict=True)]


def between(
    outputs: Sequence[Node], sources: Mapping[Node, Any], outside: list[Node] | None = None
) -> list[Node]:
    """Operation nodes the outputs depend on and that are younger than the sources, oldest first."""
    oldest = min((n.order for n in sources), default=0)
    seen: set[Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node in seen or node in sources:
            continue
        if node.op is None or node.order < oldest:
            if outside is not None and not (isinstance(node, Leaf) and node.frozen):
                outside.append(node)
            continue
        seen.add(node)
        stack.extend(n for n in node.inputs if n is not None)
    return sorted(seen, key=lambda n: n.order)


def push(
    row: Operation,
    tangents: Sequence[Any],
    saved: Sequence[Any],
    node: Node,
    cls: type[Variable],
    recorded: bool,
) -> Any:
    """Tangent of a node's result from those of its operands."""
    y, operands = saved[0], saved[1:]
    if row is SELECT:
        return tangents[0][node.params["index"]]
    if row.forward is not None:
        # elementwise nodes have no parameters, and leave the slot unset
        return row.forward(tangents, *saved, **({} if row.kind == "elementwise" else node.params))
    if row.kind == "elementwise":
        return _push_elementwise(row, tangents, y, operands)
    if row.linear and all(t is None or i in row.linear for i, t in enumerate(tangents)):
        return _push_linear(row, tangents, operands, node)
    return _push_transposed(row, tangents, saved, node, cls, recorded)


def _push_elementwise(row: Operation, tangents: Sequence[Any], y: Any, operands: Any) -> Any:
    total: Any = None
    for i, (tangent, partial) in enumerate(zip(tangents, row.partials, strict=True)):
        if tangent is None or partial is ZERO:
            continue
        if partial == 1 and not callable(partial):
            term = tangent
        elif partial == -1 and not callable(partial):
            term = -tangent
        elif isinstance(partial, str):
            raise MissingDerivative(f"{row.name}: no derivative in operand {i}: {partial}")
        else:
            term = times(tangent, partial(y, *operands))
        total = term if total is None else total + term
    shape = _result_shape(y, operands)
    if total is None:
        like = next(t for t in tangents if t is not None)
        total = like * 0
    return np.broadcast_to(total, shape) if total.shape != shape else total


def _result_shape(y: Any, operands: Sequence[Any]) -> tuple[int, ...]:
    if y is not None:
        return tuple(y.shape)
    return np.broadcast_shapes(*(getattr(x, "shape", ()) for x in operands))


def _push_linear(row: Operation, tangents: Sequence[Any], operands: Any, node: Node) -> Any:
    total: Any = None
    for i, tangent in enumerate(tangents):
        if tangent is None:
            continue
        varied = [tangent if k == i else x for k, x in enumerate(operands)]
        if row.arity is None:
            # an operand that stays fixed contributes only where the row is linear in all of them
            # together (concat); in a multilinear row (einsum) it keeps its value
            if row.kind != "rule":
                varied = [tangent if k == i else zeros_like(x) for k, x in enumerate(operands)]
            term = row.function(varied, **node.params)
        else:
            term = row.function(*varied, **node.params)
        total = term if total is None else total + term
    return total


def _push_transposed(
    row: Operation,
    tangents: Sequence[Any],
    saved: Sequence[Any],
    node: Node,
    cls: type[Variable],
    recorded: bool,
) -> Any:
    y = saved[0]
    several = row.results != 1
    seeds = [_seed(cls, r) for r in (y if several else (y,))]
    ct = seeds if several else seeds[0]
    pulled = row.pull(ct, tuple(saved), node)
    roots = [
        (g._node, t)
        for g, t in zip(pulled, tangents, strict=True)
        if t is not None and isinstance(g, Variable) and g._node is not None
    ]
    traced = any(isinstance(v, Variable) for v in saved)  # of a walk that is being compiled
    wrap = cls if recorded or traced else None
    found = reverse(roots, [s._node for s in seeds], wrap=wrap, keep=True)
    out = [found.get(s._node) for s in seeds]
    out = [zeros_like(r) if t is None else t for t, r in zip(out, seeds, strict=True)]
    return tuple(out) if several else out[0]


def _seed(cls: type[Variable], like: Any) -> Any:
    seed = cls()
    seed._value = zeros_like(like)
    seed._node = Leaf(Spec(seed._value))
    seed._node.frozen = True  # the result is linear in it, so nothing depends on its value
    return seed
