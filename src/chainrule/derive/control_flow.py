"""Derivatives of loops and branches, as loops and branches.

The derivative of a body is a graph made by tracing the walk over it, so every order follows:

- `cond`: the derivative of the branch that is chosen.
- `scan` forwards: a scan whose carry holds tangents as well. Backwards: a scan in the other
  direction, over the carries that each turn began with.
- `while_loop` forwards: likewise. Backwards: `derive.while_back`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.derive.deferred import pulled, pushed
from chainrule.graph.graph import Effects, Graph
from chainrule.graph.node import Abstract, Node, Parameter, Scope, Spec, Variable
from chainrule.ops.control_flow import cond_row, scan_row, specs_of, while_row
from chainrule.ops.deferred import spec_of
from chainrule.ops.effects import pure
from chainrule.ops.recording import is_traced, raw, wrapped, zeros_like
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE

Function = Callable[..., Sequence[Any]]


def as_graph(function: Function, specs: Sequence[Spec], cls: type[Variable]) -> Graph:
    """The graph of a function whose operations are those of other graphs: it takes nothing from
    outside, and asks for no numbers.
    """
    scope = Scope("a loop's derivative")
    inputs = [Parameter(spec, scope) for spec in specs]
    arguments = [
        wrapped(cls, Abstract(s.shape, s.dtype), n) for s, n in zip(specs, inputs, strict=True)
    ]
    with Effects() as effects:
        results = function(*arguments)
    scope.open = False
    outputs = [r if isinstance(r, Variable) else wrapped(cls, r, None) for r in results]
    return Graph(inputs, outputs, cls, effects)


def _function(graph: Graph) -> Function:
    return lambda *xs: replay(graph, xs)


def _is_float(spec: Any) -> bool:
    return spec.dtype.kind in "fc"


def _specs(values: Sequence[Any]) -> list[Spec]:
    return [spec_of(v) for v in values]


def _full(derivatives: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
    return [zeros_like(s) if d is None else d for d, s in zip(derivatives, specs, strict=True)]


def _given(ct: Sequence[Any], results: Sequence[Any]) -> list[Any]:
    """Cotangents of results: zeros for those that nothing used, None for integers."""
    return [
        None if not _is_float(r) else zeros_like(r) if c is None else _whole(c, r)
        for c, r in zip(ct, results, strict=True)
    ]


def _whole(c: Any, r: Any) -> Any:
    """A cotangent in full: a scalar may stand for a constant array."""
    return c if c.shape == r.shape else np.broadcast_to(c, r.shape)


def _spread(found: Sequence[Any], active: Sequence[int], node: Node) -> list[Any]:
    out: list[Any] = [None] * len(node.inputs)
    for i, g in zip(active, found, strict=True):
        out[i] = g
    return out


# --- cond ----------------------------------------------------------------------------------------


def _pull_cond(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    branches = tuple(map(pure, node.params["branches"]))
    pred, operands = saved[1], saved[2:]
    active = [i for i, x in enumerate(operands) if node.inputs[i + 1] is not None and _is_float(x)]
    cts = _given(ct, saved[0])
    live = [k for k, c in enumerate(cts) if c is not None]
    n = len(operands)

    def rule(graph: Graph) -> Function:
        def of(*values: Any) -> Sequence[Any]:
            given = _spread_to(len(cts), live, values[n:])
            return pulled(_function(graph), values[:n], given, active)

        return of

    values = [*operands, *[cts[k] for k in live]]
    found = _chosen(pred, [rule(g) for g in branches], values, branches[0].cls)
    return _spread(found, [i + 1 for i in active], node)


def _spread_to(count: int, places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    out: list[Any] = [None] * count
    for k, v in zip(places, values, strict=True):
        out[k] = v
    return out


def _chosen(
    pred: Any, functions: Sequence[Function], values: Sequence[Any], cls: type[Variable]
) -> Sequence[Any]:
    """One of two functions of the same values, as a predicate says, traced or not."""
    if not is_traced(pred):
        return functions[0 if raw(pred) else 1](*values)
    specs = _specs(values)
    graphs = tuple(as_graph(f, specs, cls) for f in functions)
    return cond_row([pred, *values], branches=graphs)  # type: ignore[arg-type]


def _push_cond(tangents: Any, _y: Any, pred: Any, *operands: Any, branches: Any) -> Any:
    moving = [i for i, t in enumerate(tangents[1:]) if t is not None]
    branches = tuple(map(pure, branches))
    n, specs = len(operands), specs_of(branches[0])

    def rule(graph: Graph) -> Function:
        def of(*values: Any) -> Sequence[Any]:
            given = _spread_to(n, moving, values[n:])
            return _full(pushed(_function(graph), values[:n], given), specs)

        return of

    values = [*operands, *[tangents[1 + i] for i in moving]]
    return tuple(_chosen(pred, [rule(g) for g in branches], values, branches[0].cls))


# --- scan ----------------------------------------------------------------------------------------


def _push_scan(
    tangents: Any,
    y: Any,
    *operands: Any,
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool,
) -> Any:
    m, n = counts[0], counts[0] + counts[1]
    body = pure(body)
    moving = [k for k in range(m, n) if _is_float(operands[k])]  # any carry may come to depend
    constants = [k for k in range(m) if tangents[k] is not None]
    slices = [k for k in range(n, len(operands)) if tangents[k] is not None]
    outs = specs_of(body)
    total = len(body.inputs)

    def both(*values: Any) -> list[Any]:
        v = list(values)
        dc, v = v[: len(constants)], v[len(constants) :]
        c, v = v[:m], v[m:]
        carry, v = v[: n - m], v[n - m :]
        dcarry, v = v[: len(moving)], v[len(moving) :]
        x, dx = v[: total - n], v[total - n :]
        given = _spread_to(total, [*constants, *moving, *slices], [*dc, *dcarry, *dx])
        inputs = [*c, *carry, *x]
        results = replay(body, inputs)
        moved = _full(pushed(_function(body), inputs, given), outs)
        return [
            *results[: n - m],
            *[moved[k - m] for k in moving],
            *results[n - m :],
            *[moved[k] for k in range(n - m, len(outs)) if _is_float(outs[k])],
        ]

    first = [zeros_like(operands[k]) if tangents[k] is None else tangents[k] for k in moving]
    values = [
        *[tangents[k] for k in constants], *operands[:m],
        *operands[m:n], *first,
        *operands[n:], *[tangents[k] for k in slices],
    ]  # fmt: skip
    inner = len(constants) + n + len(moving)
    specs = [*_specs(values[:inner]), *[_of_slice(v) for v in values[inner:]]]
    found = scan_row(
        values,
        body=as_graph(both, specs, body.cls),
        counts=(len(constants) + m, n - m + len(moving)),
        length=length,
        reverse=reverse,
    )
    moved = iter(found[n - m : n - m + len(moving)])
    out = [next(moved) if _is_float(r) else zeros_like(r) for r in y[: n - m]]
    stacked = iter(found[n - m + len(moving) + len(outs) - (n - m) :])
    return (*out, *[next(stacked) if _is_float(r) else zeros_like(r) for r in y[n - m :]])


def _of_slice(x: Any) -> Spec:
    spec = spec_of(x)
    spec.shape = spec.shape[1:]
    return spec


def _pull_scan(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    body = pure(node.params["body"])
    counts, length, backwards = (node.params[k] for k in ("counts", "length", "reverse"))
    m, n = counts[0], counts[0] + counts[1]
    results, operands = saved[0], saved[1:]
    outs, cls = specs_of(body), body.cls
    constants = [k for k in range(m) if node.inputs[k] is not None and _is_float(operands[k])]
    carried = [k for k in range(m, n) if _is_float(operands[k])]
    slices = [k for k in range(n, len(operands)) if node.inputs[k] is not None]
    slices = [k for k in slices if _is_float(operands[k])]
    stacked = [k for k in range(n - m, len(outs)) if _is_float(outs[k])]
    cts = _given(ct, results)

    def remember(*values: Any) -> list[Any]:
        found = replay(body, values)
        return [*found[: n - m], *values[m:n]]

    specs = [*_specs(operands[:n]), *[_of_slice(x) for x in operands[n:]]]
    began = scan_row(
        operands,
        body=as_graph(remember, specs, cls),
        counts=counts,
        length=length,
        reverse=backwards,
    )[n - m :]
    total = len(body.inputs)

    def back(*values: Any) -> list[Any]:
        v = list(values)
        c, v = v[:m], v[m:]
        sums, v = v[: len(constants)], v[len(constants) :]
        dcarry, v = v[: len(carried)], v[len(carried) :]
        carry, v = v[: n - m], v[n - m :]
        x, dy = v[: total - n], v[total - n :]
        places = [*[k - m for k in carried], *stacked]
        given = _spread_to(len(outs), places, [*dcarry, *dy])
        found = pulled(_function(body), [*c, *carry, *x], given, [*constants, *carried, *slices])
        a, b = len(constants), len(constants) + len(carried)
        return [
            *[s + g for s, g in zip(sums, found[:a], strict=True)],
            *found[a:b],
            *found[b:],
        ]

    sums = [zeros_like(operands[k]) for k in constants]
    values = [
        *operands[:m], *sums, *[cts[k - m] for k in carried],
        *began, *operands[n:], *[cts[k] for k in stacked],
    ]  # fmt: skip
    inner = m + len(sums) + len(carried)
    specs = [*_specs(values[:inner]), *[_of_slice(v) for v in values[inner:]]]
    found = scan_row(
        values,
        body=as_graph(back, specs, cls),
        counts=(m, len(sums) + len(carried)),
        length=length,
        reverse=not backwards,
    )
    return _spread(found, [*constants, *carried, *slices], node)


# --- while_loop ----------------------------------------------------------------------------------


def _push_while(
    tangents: Any,
    y: Any,
    *operands: Any,
    cond: Graph,
    body: Graph,
    counts: tuple[int, int],
    limit: int | None,
) -> Any:
    cond, body = pure(cond), pure(body)
    m, n = counts[0], counts[0] + counts[1]
    constants = [k for k in range(m, n) if tangents[k] is not None]
    moving = [k for k in range(n, len(operands)) if _is_float(operands[k])]
    count = len(operands) - n

    def both(*values: Any) -> list[Any]:
        v = list(values)
        dc, v = v[: len(constants)], v[len(constants) :]
        c, v = v[: n - m], v[n - m :]
        carry, dcarry = v[:count], v[count:]
        places = [*[k - m for k in constants], *[k - m for k in moving]]
        given = _spread_to(n - m + count, places, [*dc, *dcarry])
        inputs = [*c, *carry]
        moved = _full(pushed(_function(body), inputs, given), specs_of(body))
        return [*replay(body, inputs), *[moved[k - n] for k in moving]]

    first = [zeros_like(operands[k]) if tangents[k] is None else tangents[k] for k in moving]
    values = [*[tangents[k] for k in constants], *operands[m:], *first]

    def test(*inputs: Any) -> list[Any]:
        return replay(cond, inputs[: m + count])

    found = while_row(
        [*operands[:m], *values],
        cond=as_graph(test, _specs([*operands[:m], *operands[n:], *first]), body.cls),
        body=as_graph(both, _specs(values), body.cls),
        counts=(m, len(constants) + n - m),
        limit=limit,
    )
    moved = iter(found[count:])
    return tuple(next(moved) if _is_float(r) else zeros_like(r) for r in y)


for _name, _pull, _push in (
    ("cond", _pull_cond, _push_cond),
    ("scan", _pull_scan, _push_scan),
):
    TABLE[_name].pull = _pull
    TABLE[_name].forward = _push
TABLE["while_loop"].forward = _push_while
