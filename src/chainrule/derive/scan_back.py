"""The way back through a loop of known length: a scan in the other direction.

A scan there gives what each turn keeps for it (`derive.residuals`); rewriting makes it one with the
scan that gives the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.derive.deferred import pulled
from chainrule.derive.inward import inward
from chainrule.derive.residuals import Turn
from chainrule.derive.subgraphs import (
    as_graph,
    cotangents_of,
    function_of,
    is_float,
    shares,
    slice_spec,
    specs_of_values,
    spread,
    spread_to,
)
from chainrule.graph.budget import Limited
from chainrule.graph.node import Node
from chainrule.ops.control_flow import scan_row, specs_of
from chainrule.ops.effects import pure
from chainrule.ops.recording import zeros_like
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE


def _pull_scan(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    body = pure(node.params["body"])
    counts, length, backwards = (node.params[k] for k in ("counts", "length", "reverse"))
    m, n = counts[0], counts[0] + counts[1]
    results, operands = saved[0], saved[1:]
    outs, cls, total = specs_of(body), body.cls, len(body.inputs)
    wanted = [k for k in range(total) if is_float(operands[k])]
    constants = [k for k in wanted if k < m and node.inputs[k] is not None]
    carried = [k for k in wanted if m <= k < n]
    slices = [k for k in wanted if k >= n and node.inputs[k] is not None]
    stacked = [k for k in range(n - m, len(outs)) if is_float(outs[k])]
    cts = cotangents_of(ct, results)
    memory, inner = shares(body)
    alike = inward(body, body.inputs[m:n])

    def both(*values: Any) -> list[Any]:
        inputs, given = values[:total], values[total:]
        places = [*[k - m for k in carried], *stacked]
        found = pulled(
            function_of(alike),
            inputs,
            spread_to(len(outs), places, given),
            [*constants, *carried, *slices],
        )
        return [*replay(body, inputs)[: n - m], *found]

    of_turn = [*specs_of_values(operands[:n]), *[slice_spec(x) for x in operands[n:]]]
    of_cts = [*[outs[k - m] for k in carried], *[outs[k] for k in stacked]]
    with Limited(inner):
        joint = as_graph(both, [*of_turn, *of_cts], cls)
    turn = Turn(joint, (m, n - m, total - n), length if memory is None else None)
    there = scan_row(
        operands,
        body=as_graph(turn.there, of_turn, cls),
        counts=counts,
        length=length,
        reverse=backwards,
        memory=memory,
    )
    stored, sums, ends = there[n - m :], len(constants), len(constants) + len(carried)

    def back(*values: Any) -> list[Any]:
        v = list(values)
        c, v = v[:m], v[m:]
        total_sums, v = v[:sums], v[sums:]
        dcarry, v = v[: len(carried)], v[len(carried) :]
        left, v = v[: len(turn.undone)], v[len(turn.undone) :]
        kept, v = v[: len(stored)], v[len(stored) :]
        x, dy = v[: total - n], v[total - n :]
        found = turn.back(*c, *x, *kept, *left, *dcarry, *dy)
        added = [s + g for s, g in zip(total_sums, found[:sums], strict=True)]
        undone = found[len(found) - len(turn.undone) :]
        return [*added, *found[sums:ends], *undone, *found[ends : len(found) - len(undone)]]

    values = [
        *operands[:m],
        *[zeros_like(operands[k]) for k in constants],
        *[cts[k - m] for k in carried],
        *[there[k] for k in turn.undone],
        *stored,
        *operands[n:],
        *[cts[k] for k in stacked],
    ]
    carries = ends + len(turn.undone)
    specs = [*specs_of_values(values[: m + carries]), *map(slice_spec, values[m + carries :])]
    found = scan_row(
        values,
        body=as_graph(back, specs, cls),
        counts=(m, carries),
        length=length,
        reverse=not backwards,
    )
    return spread([*found[:ends], *found[carries:]], [*constants, *carried, *slices], node)


TABLE["scan"].pull = _pull_scan
