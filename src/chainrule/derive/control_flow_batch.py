"""Loops and branches on a batch: their bodies run on all examples at once.

- `cond` with one predicate for all stays a choice; with one for each, both branches run and
  `where` picks.
- `scan` turns with every example; `while_loop` until the last one is done, and an example whose
  own condition has ended keeps its carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.derive.batch import batch, carried
from chainrule.derive.subgraphs import as_graph
from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.graph import Graph
from chainrule.graph.node import Spec
from chainrule.ops.comparison import logical_not
from chainrule.ops.control_flow import call_row, cond_row, scan_row, while_row
from chainrule.ops.deferred import spec_of
from chainrule.ops.effects import guarded
from chainrule.ops.elementwise import where
from chainrule.ops.joining import concat
from chainrule.ops.movement import broadcast_to, moveaxis, reshape
from chainrule.ops.recording import is_traced
from chainrule.ops.reduction import any as any_of
from chainrule.ops.table import TABLE

TOGETHER: Final = 256
"""Examples whose turns are taken together, where there are many."""


def _spread(x: Any, size: int) -> Any:
    """A value that is the same for all examples, once for each."""
    return broadcast_to(x, (size, *x.shape))


def batched_graph(
    graph: Graph, specs: Sequence[Spec], moved: Sequence[bool], size: int, wanted: Sequence[bool]
) -> Graph:
    """A graph that does what another does to one example, to a batch; `specs` are those of its
    inputs, and `wanted` says which outputs are to have the batch.
    """

    def function(*inputs: Any) -> list[Any]:
        found, have = batch(graph, inputs, moved, size)
        return [
            y if has or not want else _spread(y, size)
            for y, has, want in zip(found, have, wanted, strict=True)
        ]

    return as_graph(function, specs, graph.cls)


def _choose(pred: Any, new: Any, old: Any) -> Any:
    """By example: the predicate has the batch only."""
    extra = len(new.shape) - 1
    return where(reshape(pred, (*pred.shape, *(1,) * extra)) if extra else pred, new, old)


def _where(
    graph: Graph, when: Any, inputs: Sequence[Any], moved: Sequence[bool], size: int
) -> tuple[list[Any], list[bool]]:
    """A graph on a batch, its effects done for the examples for which `when` holds."""
    if not graph.effects:
        return batch(graph, inputs, moved, size)
    specs = [n.spec for n in graph.inputs]
    whole = as_graph(guarded(graph), [Spec(np.True_), *specs], graph.cls)
    return batch(whole, [when, *inputs], [True, *moved], size)


def _cond(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    pred, values = operands[0], operands[1:]
    branches = params["branches"]
    every = [True] * len(branches[0].outputs)
    if not moved[0]:
        specs = [spec_of(v) for v in values]
        graphs = tuple(batched_graph(g, specs, moved[1:], size, every) for g in branches)
        return cond_row([pred, *values], branches=graphs)  # type: ignore[arg-type]
    both = []
    for graph, holds in zip(branches, (pred, None), strict=True):
        when = logical_not(pred) if holds is None and graph.effects else holds
        found, have = _where(graph, when, values, moved[1:], size)
        both.append([y if h else _spread(y, size) for y, h in zip(found, have, strict=True)])
    return tuple(_choose(pred, a, b) for a, b in zip(*both, strict=True))


def _call(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    body = params["body"]
    specs, every = [spec_of(v) for v in operands], [True] * len(body.outputs)
    return call_row(operands, body=batched_graph(body, specs, moved, size, every))


def _carries(body: Graph, moved: list[bool], m: int, n: int) -> list[bool]:
    """Which operands of a body come to have the batch, some of the carry after some turns."""
    moved = list(moved)
    while True:
        after = carried(body, moved)
        grown = [a or b for a, b in zip(moved[m:n], after, strict=False)]
        if grown == moved[m:n]:
            return moved
        moved[m:n] = grown


def _scan(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    m, n = params["counts"][0], sum(params["counts"])
    moves = _carries(params["body"], moved, m, n)
    values = [
        _spread(x, size) if now and not before else x
        for x, before, now in zip(operands, moved, moves, strict=True)
    ]
    for k in range(n, len(values)):
        if moves[k]:
            values[k] = moveaxis(values[k], 0, 1)  # turns first
    specs = [spec_of(v) for v in values]
    for spec in specs[n:]:
        spec.shape = spec.shape[1:]
    stacks = len(params["body"].outputs) - (n - m)
    body = batched_graph(params["body"], specs, moves, size, [*moves[m:n], *[True] * stacks])
    found = scan_row(values, **{**params, "body": body})
    return (
        *[y if has else _spread(y, size) for y, has in zip(found, moves[m:n], strict=False)],
        *[moveaxis(y, 0, 1) for y in found[n - m :]],
    )


def batched_while(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    """The batch of a loop of unknown length; every example ends when its own condition does."""
    m, n = params["counts"][0], sum(params["counts"])
    cond, body = params["cond"], params["body"]
    of_body = _carries(body, moved[m:], n - m, len(operands) - m)
    by_example = carried(cond, [*moved[:m], *of_body[n - m :]])[0]
    if by_example:  # then a carry that is the same for all may still end sooner for some
        of_body = [*of_body[: n - m], *[True] * (len(operands) - n)]
    moves = [*moved[:m], *of_body]
    values = [
        _spread(x, size) if now and not before else x
        for x, before, now in zip(operands, moved, moves, strict=True)
    ]
    if by_example and size > 2 * TOGETHER and any(map(is_traced, values)):
        return _in_chunks(values, moves, size, params)
    if by_example:
        return _until_all_are_done(values, moves, size, params)
    specs = [spec_of(v) for v in values]
    of_cond = [*moves[:m], *moves[n:]]
    found = while_row(
        values,
        cond=batched_graph(cond, [*specs[:m], *specs[n:]], of_cond, size, [False]),
        body=batched_graph(body, specs[m:], of_body, size, of_body[n - m :]),
        counts=params["counts"],
        limit=params["limit"],
    )
    return tuple(
        y if has else _spread(y, size) for y, has in zip(found, of_body[n - m :], strict=True)
    )


def _until_all_are_done(
    values: list[Any], moves: Sequence[bool], size: int, params: dict[str, Any]
) -> Any:
    """A loop for all examples: one that is done keeps its carry."""
    m, n = params["counts"][0], sum(params["counts"])
    cond, body = params["cond"], params["body"]
    if cond.effects:
        raise SyntaxUnsupported(
            "print or assert in the condition of a `while` that each example of a batch takes "
            "differently: it cannot be told for which examples it is done" + at(user_line())
        )
    first, second, carry = values[:m], values[m:n], values[n:]
    of_cond, of_body = [*moves[:m], *moves[n:]], moves[m:]

    def holds(*inputs: Any) -> Any:
        found, have = batch(cond, inputs, of_cond, size)
        return found[0] if have[0] else _spread(found[0], size)

    def some(*inputs: Any) -> list[Any]:
        return [any_of(holds(*inputs))]

    def turn(*inputs: Any) -> list[Any]:
        before = inputs[n:]
        pred = holds(*inputs[:m], *before)
        found, have = _where(body, pred, inputs[m:], of_body, size)
        found = [y if h else _spread(y, size) for y, h in zip(found, have, strict=True)]
        return [_choose(pred, y, x) for y, x in zip(found, before, strict=True)]

    specs = [spec_of(v) for v in values]
    return while_row(
        [*first, *first, *second, *carry],
        cond=as_graph(some, [*specs[:m], *specs[n:]], cond.cls),
        body=as_graph(turn, specs, cond.cls),
        counts=(m, n),
        limit=params["limit"],
    )


def _in_chunks(
    values: list[Any], moves: Sequence[bool], size: int, params: dict[str, Any]
) -> list[Any]:
    """A loop for some examples after another: they stay in the cache from turn to turn, wait only
    for each other, and what a derivative keeps of their turns is gone before the next ones begin.
    """
    count, rest = divmod(size, TOGETHER)
    whole = size - rest
    still = [x for x, moving in zip(values, moves, strict=True) if not moving]
    moving = [x for x, has in zip(values, moves, strict=True) if has]

    def together(inputs: Sequence[Any], number: int) -> list[Any]:
        of_all, of_each = iter(inputs[: len(still)]), iter(inputs[len(still) :])
        given = [next(of_each) if has else next(of_all) for has in moves]
        return list(_until_all_are_done(given, moves, number, params))

    chunks = [reshape(x[:whole], (count, TOGETHER, *x.shape[1:])) for x in moving]
    specs = [spec_of(x) for x in (*still, *chunks)]
    for spec in specs[len(still) :]:
        spec.shape = spec.shape[1:]
    found = scan_row(
        [*still, *chunks],
        body=as_graph(lambda *xs: together(xs, TOGETHER), specs, params["cond"].cls),
        counts=(len(still), 0),
        length=count,
    )
    out = [reshape(y, (whole, *y.shape[2:])) for y in found]
    if rest:
        ends = together([*still, *[x[whole:] for x in moving]], rest)
        out = [concat([y, end]) for y, end in zip(out, ends, strict=True)]
    return out


for _name, _rule in (
    ("call", _call),
    ("cond", _cond),
    ("scan", _scan),
    ("while_loop", batched_while),
):
    TABLE[_name].batch = _rule
