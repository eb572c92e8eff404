"""The way back through a loop of unknown length: `while_back`, and the derivatives of that.

The turns are taken again, every turn's carry is remembered, and the walk goes over them from the
last to the first. The tangent of such a way is another, with tangents there and back. Its
reverse, which is asked for by reverse over reverse only, is deferred: the turns are recorded when
they are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.derive.batch import batch
from chainrule.derive.control_flow import (
    _full,
    _function,
    _given,
    _is_float,
    _specs,
    _spread,
    _spread_to,
    as_graph,
)
from chainrule.derive.control_flow_batch import _choose
from chainrule.derive.deferred import defer, pulled, pushed
from chainrule.graph.graph import Graph
from chainrule.graph.node import Node
from chainrule.ops.control_flow import specs_of, too_long, while_back_row
from chainrule.ops.deferred import spec_of
from chainrule.ops.effects import pure
from chainrule.ops.movement import broadcast_to
from chainrule.ops.recording import raw, zeros_like
from chainrule.ops.reduction import any as any_of
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE


def _pull_while(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    results, operands = saved[0], saved[1:]
    params = node.params
    body = pure(params["body"])
    m, k = params["counts"]
    n = m + k
    constants = [i for i in range(m, n) if node.inputs[i] is not None and _is_float(operands[i])]
    carried = [i for i in range(n, len(operands)) if _is_float(operands[i])]
    cts = _given(ct, results)
    count, a = len(results), len(constants)

    def back(*values: Any) -> list[Any]:
        inputs, going = values[: k + count], values[k + count :]
        given = _spread_to(count, [i - n for i in carried], going[a:])
        active = [i - m for i in (*constants, *carried)]
        found = pulled(_function(body), inputs, given, active)
        return [*[s + g for s, g in zip(going[:a], found[:a], strict=True)], *found[a:]]

    going = [*[zeros_like(operands[i]) for i in constants], *[cts[i - n] for i in carried]]
    of_back = [*operands[m:n], *operands[n:], *going]
    found = while_back_row(
        [*operands[:n], *operands[m:n], *operands[n:], *going],
        cond=pure(params["cond"]),
        body=body,
        back=as_graph(back, _specs(of_back), body.cls),
        counts=(m, k, k, count),
        limit=params["limit"],
    )
    out = _spread(found, [*constants, *carried], node)
    for i in range(m):  # what only the condition looks at
        if node.inputs[i] is not None and _is_float(operands[i]):
            out[i] = zeros_like(operands[i])
    return out


def _parts(operands: Sequence[Any], counts: tuple[int, int, int, int]) -> list[list[Any]]:
    """Constants of condition, body, and way back; first carry; what the way back begins with."""
    found, rest = [], list(operands)
    for count in counts:
        found.append(rest[:count])
        rest = rest[count:]
    return [*found, rest]


def _push_back(
    tangents: Any, y: Any, *operands: Any,
    cond: Graph, body: Graph, back: Graph, counts: tuple[int, int, int, int], limit: int | None,
) -> Any:  # fmt: skip
    first, second, third, carry, going = _parts(operands, counts)
    _, dsecond, dthird, dcarry, dgoing = _parts(tangents, counts)
    moving = [i for i, x in enumerate(carry) if _is_float(x)]
    with_second = [i for i, t in enumerate(dsecond) if t is not None]
    with_third = [i for i, t in enumerate(dthird) if t is not None]
    with_going = [i for i, x in enumerate(going) if _is_float(x)]
    n, k, q, r = len(carry), len(second), len(third), len(going)

    def full(ts: Sequence[Any], xs: Sequence[Any], which: Sequence[int]) -> list[Any]:
        return [zeros_like(xs[i]) if ts[i] is None else ts[i] for i in which]

    def test(*values: Any) -> list[Any]:
        return replay(cond, values[: len(first) + n])

    def there(*values: Any) -> list[Any]:
        dc, c, x, dx = _split(values, len(with_second), k, n)
        given = _spread_to(k + n, [*with_second, *[k + i for i in moving]], [*dc, *dx])
        inputs = [*c, *x]
        moved = _full(pushed(_function(body), inputs, given), specs_of(body))
        return [*replay(body, inputs), *[moved[i] for i in moving]]

    def again(*values: Any) -> list[Any]:
        dc, c, x, dx, g, dg = _split(values, len(with_third), q, n, len(moving), r)
        places = [*with_third, *[q + i for i in moving], *[q + n + i for i in with_going]]
        inputs = [*c, *x, *g]
        moved = _full(
            pushed(_function(back), inputs, _spread_to(q + n + r, places, [*dc, *dx, *dg])),
            specs_of(back),
        )
        return [*replay(back, inputs), *[moved[i] for i in with_going]]

    state = [*carry, *full(dcarry, carry, moving)]
    end = [*going, *full(dgoing, going, with_going)]
    of_there = [*[dsecond[i] for i in with_second], *second]
    of_back = [*[dthird[i] for i in with_third], *third]
    found = while_back_row(
        [*first, *of_there, *of_back, *state, *end],
        cond=as_graph(test, _specs([*first, *state]), body.cls),
        body=as_graph(there, _specs([*of_there, *state]), body.cls),
        back=as_graph(again, _specs([*of_back, *state, *end]), body.cls),
        counts=(len(first), len(of_there), len(of_back), len(state)),
        limit=limit,
    )
    moved = iter(found[r:])
    return tuple(next(moved) if _is_float(x) else zeros_like(x) for x in y)


def _split(values: Sequence[Any], *counts: int) -> list[Sequence[Any]]:
    found = []
    for count in counts:
        found.append(values[:count])
        values = values[count:]
    return [*found, values]


def _pull_back(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    operands = saved[1:]
    p = node.params
    active = [i for i, x in enumerate(operands) if node.inputs[i] is not None and _is_float(x)]
    cts = _given(ct, saved[0])
    live = [i for i, c in enumerate(cts) if c is not None]
    total = len(operands)

    def turns(*values: Any) -> Sequence[Any]:
        first, second, third, carry, going = _parts(values, p["counts"])
        began: list[list[Any]] = []
        while raw(replay(p["cond"], [*first, *carry])[0]):
            if len(began) == p["limit"]:
                raise too_long(len(began))
            began.append(carry)
            carry = replay(p["body"], [*second, *carry])
        while began:
            going = replay(p["back"], [*third, *began.pop(), *going])
        return going

    def rule(*values: Any) -> Sequence[Any]:
        given = _spread_to(len(cts), live, values[total:])
        return pulled(turns, values[:total], given, active)

    found = defer(
        rule, [*operands, *[cts[i] for i in live]], [spec_of(operands[i]) for i in active]
    )
    return _spread(found, active, node)


def _batch_back(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    """All examples take the turns of the longest; one that is done keeps what it has."""
    counts = params["counts"]
    m, k, q, n = counts
    start = m + k + q
    values = [
        x if has or i < start else broadcast_to(x, (size, *x.shape))
        for i, (x, has) in enumerate(zip(operands, moved, strict=True))
    ]
    first, second, third, carry, going = _parts(values, counts)
    of_first, of_second, of_third, _, _ = _parts(moved, counts)
    every, ends = [True] * n, [True] * len(going)

    def on_batch(graph: Graph, inputs: Sequence[Any], moves: Sequence[bool]) -> list[Any]:
        found, have = batch(graph, inputs, moves, size)
        return [
            y if h else broadcast_to(y, (size, *y.shape)) for y, h in zip(found, have, strict=True)
        ]

    def holds(*inputs: Any) -> Any:
        return on_batch(params["cond"], inputs, [*of_first, *every])[0]

    def some(*inputs: Any) -> list[Any]:
        return [any_of(holds(*inputs))]

    def there(*inputs: Any) -> list[Any]:
        before = inputs[m + k :]
        pred = holds(*inputs[:m], *before)
        found = on_batch(params["body"], inputs[m:], [*of_second, *every])
        return [_choose(pred, y, x) for y, x in zip(found, before, strict=True)]

    def again(*inputs: Any) -> list[Any]:
        pred = holds(*inputs[:m], *inputs[m + q : m + q + n])
        found = on_batch(params["back"], inputs[m:], [*of_third, *every, *ends])
        return [_choose(pred, y, x) for y, x in zip(found, inputs[m + q + n :], strict=True)]

    cls = params["cond"].cls
    return while_back_row(
        [*first, *first, *second, *first, *third, *carry, *going],
        cond=as_graph(some, _specs([*first, *carry]), cls),
        body=as_graph(there, _specs([*first, *second, *carry]), cls),
        back=as_graph(again, _specs([*first, *third, *carry, *going]), cls),
        counts=(m, m + k, m + q, n),
        limit=params["limit"],
    )


TABLE["while_loop"].pull = _pull_while
TABLE["while_back"].pull = _pull_back
TABLE["while_back"].forward = _push_back
TABLE["while_back"].batch = _batch_back
