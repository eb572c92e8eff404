"""The walk backwards: cotangents from results to operands, one transposed Jacobian per node.

Nodes are numbered in the order of recording, so a heap of numbers gives them back users first.
Nothing recurses: a chain of a million operations takes a million turns of one loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush, heappushpop
from typing import Any, Final

import numpy as np

from chainrule.derive.floating import INVALID_RAISES, enter, leave, quiet
from chainrule.derive.repeated import walked
from chainrule.errors import GraphError, NaNError, TracedValueError, at, user_line
from chainrule.graph import writes
from chainrule.graph.node import Abstract, Leaf, Node, Spec, Variable, hooked
from chainrule.graph.writes import check_written
from chainrule.ops.complaints import check_rules
from chainrule.ops.hot import careful
from chainrule.ops.recording import SCALARS, everywhere, selected
from chainrule.ops.strong import strong_products
from chainrule.ops.table import SELECT, ZERO

ndarray: Final[Any] = np.ndarray


def reverse(
    roots: Sequence[tuple[Node, Any]],
    wanted: Sequence[Node] | None = None,
    wrap: type[Variable] | None = None,
    keep: bool = False,
    outside: list[Node] | None = None,
) -> dict[Node, Any]:
    """Cotangents of the leaves, or of the `wanted` nodes, given those of the roots.

    With `wrap` (a class of Tensor) the rules run on Tensors and are recorded in their turn, so the
    result can be differentiated again. Without `keep` the values that nodes kept are released.
    Roots' cotangents that are traced Tensors give a traced result. `outside` collects nodes beyond
    the wanted ones that the roots depend on: with respect to those the result is not constant.

    A zero cotangent that meets an infinite partial derivative stays zero: the walk first runs with
    plain products and with NumPy told to raise at 0 * inf, and is repeated with the strong product
    (`ops.family.strong_multiply`) in the rare case that it raises, or that a NaN comes out of it.
    Recorded walks always use the strong product.
    """
    traced = bool(roots) and isinstance(roots[0][1], Variable)
    if wrap is None and not careful and not traced:
        if not watchers:
            found = walked(roots, wanted, keep)
            if found is not None:
                return found
        token = enter(INVALID_RAISES)
        try:
            return _walk(roots, wanted, None, keep, False, None, outside)
        except (FloatingPointError, _Again):
            pass
        finally:
            leave(token)
    with strong_products(), quiet():
        active = None if wanted is None or wrap is None else _active(roots, wanted)
        return _walk(roots, wanted, wrap, keep, True, active, outside)


class _Again(Exception):
    """The walk must be repeated in the careful way: a NaN came out of it, or a hook was met
    (which must run once only, so it never runs in a walk that may be repeated).
    """


def _walk(  # noqa: C901 - one loop, in which every call would be paid at every node
    roots: Sequence[tuple[Node, Any]],
    wanted: Sequence[Node] | None,
    wrap: type[Variable] | None,
    keep: bool,
    final: bool,
    active: set[Node] | None,
    outside: list[Node] | None,
) -> dict[Node, Any]:
    cotangents: dict[Node, Any] = {}
    found: dict[Node, Any] = {}
    visited: list[Node] = []
    heap: list[tuple[int, Node]] = []
    following: Node | None = None  # spares the heap a push and a pop along a chain
    targets = None if wanted is None else set(wanted)
    oldest = 0 if targets is None else min([n.order for n in targets], default=0)
    newest_write: int = writes.newest[0]
    users: dict[Node, int] = {}  # the newest user of a node that is older than some write
    watch = watchers[0] if watchers else None

    for root in roots:
        node: Node = root[0]
        ct = root[1]
        if active is not None and node not in active:
            continue
        if node in cotangents:
            cotangents[node] = cotangents[node] + ct
        elif node.op is None:
            found[node] = found[node] + ct if node in found else ct
        else:
            cotangents[node] = ct
            if following is None:
                following = node
            else:
                heappush(heap, (-node.order, node))

    while True:
        if following is None:
            if not heap:
                break
            node = heappop(heap)[1]
        elif heap:
            node = heappushpop(heap, (-following.order, following))[1]
        else:
            node = following
        following = None
        ct = cotangents.pop(node)
        if hooked and node.order in hooked:
            if not final:
                raise _Again
            ct = _run_hooks(node, in_full(ct, node))
        if targets is not None and node in targets:
            found[node] = in_full(ct, node)
        saved = node.saved
        if saved is None:
            saved = recovered(node)
        elif node.order < newest_write:
            check_written(node, users.get(node, node.order))
        if wrap is not None:
            saved = as_variables(wrap, node, saved)
        visited.append(node)
        i = 0
        if active is not None:
            node = _narrowed(node, active, saved)
        gs = recorded_pull(node, ct, saved) if final else node.op.pull(ct, saved, node)
        for n in node.inputs:
            g = gs[i]
            i += 1
            if n is None:
                continue
            if watch is not None:
                watch(node.op, g)
            if n.op is None:
                found[n] = found[n] + g if n in found else g
                if outside is not None and not ((targets and n in targets) or is_frozen(n)):
                    outside.append(n)
            elif n in cotangents:
                cotangents[n] = cotangents[n] + g
            elif n.order >= oldest:
                cotangents[n] = g
                if n.order < newest_write:
                    users[n] = node.order
                if following is None:
                    following = n
                else:
                    heappush(heap, (-n.order, n))
            elif outside is not None:
                outside.append(n)
    for leaf, g in found.items():  # changes values only, so the iteration stays valid
        if leaf.op is None:
            if type(g) is not ndarray and not isinstance(g, Variable):
                g = in_full(g, leaf)
                found[leaf] = g
            if hooked and leaf.order in hooked:
                if not final:
                    raise _Again
                g = _run_hooks(leaf, g)
                found[leaf] = g
        if not final and _has_nan(g):
            raise _Again
    if not keep:
        for node in visited:
            if node.op is not SELECT:
                node.saved = None
    return found


def recorded_pull(node: Node, ct: Any, saved: tuple[Any, ...]) -> Sequence[Any]:
    """The rules on Tensors; where they need numbers that are not there yet, put off."""
    try:
        found: Sequence[Any] = node.op.pull(ct, saved, node)
    except TracedValueError:
        from chainrule.derive.deferred import defer_pull

        return defer_pull(node, ct, saved)
    return found


def _active(roots: Sequence[tuple[Node, Any]], wanted: Sequence[Node]) -> set[Node]:
    """The nodes that lie between the roots and the wanted ones, with a derivative all the way."""
    oldest = min([n.order for n in wanted], default=0)
    seen: set[Node] = set()
    stack = [root[0] for root in roots]
    while stack:
        node = stack.pop()
        if node not in seen and node.order >= oldest:
            seen.add(node)
            stack.extend([n for n in node.inputs if n is not None])
    active = set(wanted)
    for node in sorted(seen, key=_order):
        if node.op is not None and depends(node, active):
            active.add(node)
    return active


def is_frozen(node: Node) -> bool:
    """Whether a node is a leaf by which no derivative is wanted any more."""
    return isinstance(node, Leaf) and node.frozen


def _order(node: Node) -> int:
    return node.order


def depends(node: Node, active: Any) -> bool:
    """Whether the result of a node has a derivative by one of the active nodes."""
    row = node.op
    if not row.differentiable:
        return False
    saved = node.saved
    if saved is not None and type(saved[0]) is Abstract and saved[0].dtype.kind not in "fc":
        return False
    general = callable(row.reverse)
    return any(
        n is not None and n in active and (general or row.reverse[i] is not ZERO)
        for i, n in enumerate(node.inputs)
    )


def _narrowed(node: Node, active: set[Node], saved: tuple[Any, ...]) -> Node:
    """A node that asks its rules for the active operands only."""
    inputs = [n if n in active else None for n in node.inputs]
    row = node.op
    if not callable(row.reverse) and any(isinstance(r, str) for r in row.reverse):
        check_rules(row, inputs, saved[1:])
    if row is SELECT or None not in inputs:
        return node
    narrow = Node()
    narrow.op = row
    narrow.inputs = tuple(inputs)
    narrow.params = node.params
    narrow.order = node.order
    narrow.saved = saved
    return narrow


def in_full(ct: Any, node: Node) -> Any:
    """A cotangent as an array of the result's shape, where a scalar stood for a constant one."""
    if type(ct) not in SCALARS:
        return ct
    shape = shape_of(node)
    return everywhere(ct, shape) if shape else ct


def shape_of(node: Node) -> tuple[int, ...]:
    """The shape of a node's result."""
    shape: tuple[int, ...]
    if isinstance(node, Leaf):
        shape = node.spec.shape
    else:
        saved = recovered(node) if node.saved is None else node.saved
        if saved[0] is not None:
            shape = saved[0].shape
        else:
            shape = np.broadcast_shapes(*[np.shape(x) for x in saved[1:]])
    return shape


def _has_nan(g: Any) -> bool:
    """Whether a cotangent holds a NaN: a NaN squared and summed is one, and nothing else is."""
    if type(g) is ndarray:
        if g.size <= 8:  # on few elements Python is quicker
            for v in g.ravel().tolist():
                if v != v:
                    return True
            return False
        square = g.dot(g) if g.ndim == 1 else np.vdot(g, g)
        return bool(square != square)
    return bool(g != g)


watchers: Final[list[Callable[[Any, Any], None]]] = []
"""What looks at every cotangent as it arises: `watch_for_nan`, where `detect_anomaly` is on."""


def as_variables(wrap: type[Variable], node: Node, saved: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a node kept, as Tensors that know their nodes: the result, then the operands."""
    if node.op is SELECT:
        return (_variable(wrap, saved[0], node), None)
    if node.op.results == 1:
        result = _variable(wrap, saved[0], node)
    else:
        result = tuple(
            _variable(wrap, v, selected(node, i, len(saved[0]), v)) for i, v in enumerate(saved[0])
        )
    return (result, *[_variable(wrap, v, n) for v, n in zip(saved[1:], node.inputs, strict=True)])


def _variable(wrap: type[Variable], value: Any, node: Node | None) -> Any:
    if value is None or type(value) is Spec or node is None:
        return value
    out = wrap()
    out._value = value
    out._node = node
    return out


def _run_hooks(node: Node, ct: Any) -> Any:
    return node.guard.run(ct)


def recovered(node: Node) -> tuple[Any, ...]:
    """What a node keeps no more: computed again where that is provided for, else an error."""
    recipe: Any = getattr(node, "recipe", None)
    if recipe is None:
        raise freed(node.op)
    segment, index = recipe
    return segment.recover(index, node.order)


def freed(op: Any) -> GraphError:
    """The error of a walk through a node whose values are gone."""
    return GraphError(
        f"backward through `{op.name}` a second time: the values it kept were released by the "
        "first pass. Pass retain_graph=True to the first backward(), or compute the function again."
        + at(user_line())
    )


def watch_for_nan(op: Any, g: Any) -> None:
    """Raise at the first NaN, naming the operation that made it."""
    value = g._value if isinstance(g, Variable) else g
    if value is not None and not isinstance(value, tuple | list) and np.isnan(value).any():
        raise NaNError(
            f"the derivative of `{op.name}` gave a NaN (shape {list(np.shape(value))}); look at "
            "the values that operation was given: a division by zero, an infinity, or a point "
            "where the function is not defined" + at(user_line())
        )
