"""Rules that look at values, within a traced walk: put off until there are values.

`pulled` and `pushed` differentiate a Python function at given operands by recording it there; the
rules of the row `deferred` are themselves deferred functions of that kind, so every order follows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.derive.forward import forward
from chainrule.derive.reverse import reverse
from chainrule.graph.node import Cotangents, Node, Variable
from chainrule.graph.switch import Record
from chainrule.ops.deferred import deferred, spec_of
from chainrule.ops.recording import is_traced, marked, raw, standard_class, zeros_like
from chainrule.ops.table import TABLE

Function = Callable[..., Sequence[Any]]


def pulled(
    function: Function,
    operands: Sequence[Any],
    cts: Sequence[Any],
    active: Any,
    linear: bool = False,
) -> Any:
    """Cotangents of a function's active operands, given those of its results (None for zero).

    Of a `linear` function they do not depend on the operands.
    """
    cls = _class([*operands, *cts])
    fresh = [marked(cls, x) if i in active else x for i, x in enumerate(operands)]
    for x in fresh if linear else ():
        x._node.frozen = True
    with Record():
        results = function(*fresh)
    roots = [
        (r._node, ct)
        for r, ct in zip(results, cts, strict=True)
        if ct is not None and isinstance(r, Variable) and r._node is not None
    ]
    recorded = any(isinstance(x, Variable) for x in (*operands, *cts))
    if not recorded:
        roots = [(n, raw(ct)) for n, ct in roots]
    wanted = [fresh[i]._node for i in active]
    found = reverse(roots, wanted, cls if recorded else None, True)
    return [
        found[n] if n in found else zeros_like(raw(operands[i]))
        for i, n in zip(active, wanted, strict=True)
    ]


def pushed(function: Function, operands: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Tangents of the results of `function`, None for zero, given those of its operands."""
    cls = _class([*operands, *tangents])
    fresh = [x if t is None else marked(cls, x) for x, t in zip(operands, tangents, strict=True)]
    with Record():
        results = function(*fresh)
    recorded = any(isinstance(x, Variable) for x in (*operands, *tangents))
    known = {x._node: t for x, t in zip(fresh, tangents, strict=True) if t is not None}
    nodes = [r._node if isinstance(r, Variable) else None for r in results]
    live = [n for n in nodes if n is not None]
    found = dict(zip(live, forward(live, known, cls, recorded=recorded), strict=True))
    return [None if n is None else found.get(n) for n in nodes]


def _class(values: Sequence[Any]) -> type[Variable]:
    for v in values:
        if isinstance(v, Variable):
            return type(v)
    return standard_class()


def defer(function: Function, operands: Sequence[Any], specs: Sequence[Any]) -> list[Any]:
    """`function(*operands)`: now if there are numbers, else as a node of the graph."""
    if any(map(is_traced, operands)):
        return list(deferred(operands, function, tuple(specs)))
    return list(function(*operands))


def defer_pull(node: Node, ct: Any, saved: Sequence[Any]) -> Sequence[Any]:
    """The reverse rules of a node, which asked a traced value for numbers, put off."""
    parts, rebuild = _parts(ct, saved)
    active = [i for i, n in enumerate(node.inputs) if n is not None]

    def rules(*values: Any) -> Sequence[Any]:
        ct, saved = rebuild(values)
        found = node.op.pull(ct, saved, node)
        return [found[i] for i in active]

    found = iter(defer(rules, parts, [spec_of(saved[1 + i]) for i in active]))
    return [None if n is None else next(found) for n in node.inputs]


def defer_push(
    node: Node, tangents: Sequence[Any], saved: Sequence[Any], push: Callable[..., Any]
) -> Any:
    """The forward rule of a node, `push(tangents, saved)`, put off."""
    present = [i for i, t in enumerate(tangents) if t is not None]
    parts, rebuild = _parts(Cotangents(tangents), saved)
    several = isinstance(saved[0], tuple)

    def rule(*values: Any) -> Sequence[Any]:
        ts, saved = rebuild(values)
        out = push([ts[i] if i in present else None for i in range(len(ts))], saved)
        return list(out) if several else [out]

    results = saved[0] if several else (saved[0],)
    found = defer(rule, parts, [spec_of(r) for r in results])
    return tuple(found) if several else found[0]


def _parts(ct: Any, saved: Sequence[Any]) -> tuple[list[Any], Callable[..., Any]]:
    """The values in a cotangent and in what a node kept, and how to put them back."""
    parts: list[Any] = []

    def take(v: Any) -> Any:
        if isinstance(v, (tuple, list)):
            kind, inside = type(v), [take(x) for x in v]
            return lambda values: (
                kind(*[p(values) for p in inside])
                if hasattr(kind, "_fields")
                else kind([p(values) for p in inside])
            )
        if isinstance(v, Variable):
            k = len(parts)
            parts.append(v)
            return lambda values: values[k]
        return lambda values: v

    make_ct, make_saved = take(ct), take(tuple(saved))
    return parts, lambda values: (make_ct(values), make_saved(values))


# --- the rules of the row ------------------------------------------------------------------------


def _pull(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    operands = saved[1:]
    k, function = len(operands), node.params["function"]
    active = [i for i, n in enumerate(node.inputs) if n is not None]
    live = [i for i, c in enumerate(ct) if c is not None]
    cts = [ct[i] for i in live]

    def rule(*values: Any) -> Sequence[Any]:
        given = [None] * len(ct)
        for i, c in zip(live, values[k:], strict=True):
            given[i] = c
        return pulled(function, values[:k], given, active)

    found = iter(defer(rule, [*operands, *cts], [spec_of(operands[i]) for i in active]))
    return [None if n is None else next(found) for n in node.inputs]


def _push(tangents: Sequence[Any], y: Any, *operands: Any, function: Function, specs: Any) -> Any:
    k = len(operands)
    moving = [i for i, t in enumerate(tangents) if t is not None]

    def rule(*values: Any) -> Sequence[Any]:
        given = [None] * k
        for i, t in zip(moving, values[k:], strict=True):
            given[i] = t
        return pushed(function, values[:k], given)

    return tuple(defer(rule, [*operands, *[tangents[i] for i in moving]], specs))


TABLE["deferred"].pull = _pull
TABLE["deferred"].forward = _push
