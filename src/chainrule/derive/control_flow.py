"""Derivatives of loops and branches, as loops and branches.

The derivative of a body is a graph made by tracing the walk over it, so every order follows:

- `cond`: the derivative of the branch that is chosen.
- `scan` forwards: a scan whose carry holds tangents as well. Backwards: `derive.scan_back`.
- `call`: a call of the derivative, which takes the operands and computes the body again.
- `while_loop` forwards: likewise. Backwards: `derive.while_back`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.derive.deferred import pulled, pushed
from chainrule.derive.subgraphs import (
    Function,
    as_graph,
    cotangents_of,
    function_of,
    in_full,
    is_float,
    slice_spec,
    specs_of_values,
    spread,
    spread_to,
)
from chainrule.graph.graph import Graph
from chainrule.graph.node import Node, Variable
from chainrule.ops.control_flow import call_row, cond_row, scan_row, specs_of, while_row
from chainrule.ops.effects import pure
from chainrule.ops.recording import is_traced, raw, zeros_like
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE

# --- cond ----------------------------------------------------------------------------------------


def _pull_cond(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    branches = tuple(map(pure, node.params["branches"]))
    pred, operands = saved[1], saved[2:]
    active = [i for i, x in enumerate(operands) if node.inputs[i + 1] is not None and is_float(x)]
    cts = cotangents_of(ct, saved[0])
    live = [k for k, c in enumerate(cts) if c is not None]
    n = len(operands)

    def rule(graph: Graph) -> Function:
        def of(*values: Any) -> Sequence[Any]:
            given = spread_to(len(cts), live, values[n:])
            return pulled(function_of(graph), values[:n], given, active)

        return of

    values = [*operands, *[cts[k] for k in live]]
    found = _chosen(pred, [rule(g) for g in branches], values, branches[0].cls)
    return spread(found, [i + 1 for i in active], node)


def _chosen(
    pred: Any, functions: Sequence[Function], values: Sequence[Any], cls: type[Variable]
) -> Sequence[Any]:
    """One of two functions of the same values, as a predicate says, traced or not."""
    if not is_traced(pred):
        return functions[0 if raw(pred) else 1](*values)
    specs = specs_of_values(values)
    graphs = tuple(as_graph(f, specs, cls) for f in functions)
    return cond_row([pred, *values], branches=graphs)  # type: ignore[arg-type]


def _push_cond(tangents: Any, _y: Any, pred: Any, *operands: Any, branches: Any) -> Any:
    moving = [i for i, t in enumerate(tangents[1:]) if t is not None]
    branches = tuple(map(pure, branches))
    n, specs = len(operands), specs_of(branches[0])

    def rule(graph: Graph) -> Function:
        def of(*values: Any) -> Sequence[Any]:
            given = spread_to(n, moving, values[n:])
            return in_full(pushed(function_of(graph), values[:n], given), specs)

        return of

    values = [*operands, *[tangents[1 + i] for i in moving]]
    return tuple(_chosen(pred, [rule(g) for g in branches], values, branches[0].cls))


# --- call ----------------------------------------------------------------------------------------


def _pull_call(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    body, operands = pure(node.params["body"]), saved[1:]
    active = [i for i, x in enumerate(operands) if node.inputs[i] is not None and is_float(x)]
    cts = cotangents_of(ct, saved[0])
    live = [k for k, c in enumerate(cts) if c is not None]
    n = len(operands)

    def rule(*values: Any) -> Sequence[Any]:
        given = spread_to(len(cts), live, values[n:])
        return pulled(function_of(body), values[:n], given, active)

    values = [*operands, *[cts[k] for k in live]]
    return spread(_by_itself(rule, values, body.cls), active, node)


def _push_call(tangents: Any, _y: Any, *operands: Any, body: Graph) -> Any:
    body = pure(body)
    moving = [i for i, t in enumerate(tangents) if t is not None]
    n, specs = len(operands), specs_of(body)

    def rule(*values: Any) -> Sequence[Any]:
        given = spread_to(n, moving, values[n:])
        return in_full(pushed(function_of(body), values[:n], given), specs)

    return tuple(_by_itself(rule, [*operands, *[tangents[i] for i in moving]], body.cls))


def _by_itself(rule: Function, values: Sequence[Any], cls: type[Variable]) -> Sequence[Any]:
    """What a rule gives, in a traced graph as a call again: it computes the body once more."""
    if not any(map(is_traced, values)):
        return rule(*values)
    return call_row(values, body=as_graph(rule, specs_of_values(values), cls))


# --- scan ----------------------------------------------------------------------------------------


def _push_scan(
    tangents: Any,
    y: Any,
    *operands: Any,
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool,
    memory: int | None,
) -> Any:
    m, n = counts[0], counts[0] + counts[1]
    body = pure(body)
    moving = [k for k in range(m, n) if is_float(operands[k])]  # any carry may come to depend
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
        given = spread_to(total, [*constants, *moving, *slices], [*dc, *dcarry, *dx])
        inputs = [*c, *carry, *x]
        results = replay(body, inputs)
        moved = in_full(pushed(function_of(body), inputs, given), outs)
        return [
            *results[: n - m],
            *[moved[k - m] for k in moving],
            *results[n - m :],
            *[moved[k] for k in range(n - m, len(outs)) if is_float(outs[k])],
        ]

    first = [zeros_like(operands[k]) if tangents[k] is None else tangents[k] for k in moving]
    values = [
        *[tangents[k] for k in constants], *operands[:m],
        *operands[m:n], *first,
        *operands[n:], *[tangents[k] for k in slices],
    ]  # fmt: skip
    inner = len(constants) + n + len(moving)
    specs = [*specs_of_values(values[:inner]), *[slice_spec(v) for v in values[inner:]]]
    found = scan_row(
        values,
        body=as_graph(both, specs, body.cls),
        counts=(len(constants) + m, n - m + len(moving)),
        length=length,
        reverse=reverse,
        memory=memory,
    )
    moved = iter(found[n - m : n - m + len(moving)])
    out = [next(moved) if is_float(r) else zeros_like(r) for r in y[: n - m]]
    stacked = iter(found[n - m + len(moving) + len(outs) - (n - m) :])
    return (*out, *[next(stacked) if is_float(r) else zeros_like(r) for r in y[n - m :]])


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
    values, params = pushed_loop(operands, tangents, cond, body, counts, limit)
    found = while_row(values, **params)
    moved = iter(found[len(y) :])
    return tuple(next(moved) if is_float(r) else zeros_like(r) for r in y)


def pushed_loop(
    operands: Sequence[Any],
    tangents: Sequence[Any],
    cond: Graph,
    body: Graph,
    counts: tuple[int, int],
    limit: int | None,
) -> tuple[list[Any], dict[str, Any]]:
    """A `while_loop` together with its tangents: operands and parameters of another.

    Constants of the body have their tangents, those that are not None, before them; after the carry
    comes the tangent of each float in it.
    """
    cond, body = pure(cond), pure(body)
    m, n = counts[0], counts[0] + counts[1]
    constants = [k for k in range(m, n) if tangents[k] is not None]
    moving = [k for k in range(n, len(operands)) if is_float(operands[k])]
    count = len(operands) - n

    def both(*values: Any) -> list[Any]:
        v = list(values)
        dc, v = v[: len(constants)], v[len(constants) :]
        c, v = v[: n - m], v[n - m :]
        carry, dcarry = v[:count], v[count:]
        places = [*[k - m for k in constants], *[k - m for k in moving]]
        given = spread_to(n - m + count, places, [*dc, *dcarry])
        inputs = [*c, *carry]
        moved = in_full(pushed(function_of(body), inputs, given), specs_of(body))
        return [*replay(body, inputs), *[moved[k - n] for k in moving]]

    first = [zeros_like(operands[k]) if tangents[k] is None else tangents[k] for k in moving]
    values = [*[tangents[k] for k in constants], *operands[m:], *first]

    def test(*inputs: Any) -> list[Any]:
        return replay(cond, inputs[: m + count])

    return [*operands[:m], *values], {
        "cond": as_graph(test, specs_of_values([*operands[:m], *operands[n:], *first]), body.cls),
        "body": as_graph(both, specs_of_values(values), body.cls),
        "counts": (m, len(constants) + n - m),
        "limit": limit,
    }


TABLE["call"].pull = _pull_call
TABLE["call"].forward = _push_call
TABLE["cond"].pull = _pull_cond
TABLE["cond"].forward = _push_cond
TABLE["scan"].forward = _push_scan
TABLE["while_loop"].forward = _push_while
