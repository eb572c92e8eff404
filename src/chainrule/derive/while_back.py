"""The way back through a loop of unknown length: `while_back`, and the derivatives of that.

The turns are taken again, every turn's carry is remembered, and the walk goes over them from the
last to the first. That is J^T c, for the Jacobian J of the loop and a cotangent c. Its derivatives
are ways back through another loop, the one that carries tangents as well (x, dx) -> (y, J dx):

- the tangent of J^T c is what a cotangent (dc, c) of that loop gives for x;
- as g . J^T c = (J g) . c, the cotangents for a cotangent g are J g for c, and for x what a
  cotangent (0, c) gives where that loop began with dx = g.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.derive.control_flow import pushed_loop
from chainrule.derive.control_flow_batch import batched_while
from chainrule.derive.deferred import pulled
from chainrule.derive.subgraphs import (
    as_graph,
    cotangents_of,
    function_of,
    is_float,
    shares,
    specs_of_values,
    spread,
    spread_to,
)
from chainrule.graph.budget import Limited
from chainrule.graph.node import Node
from chainrule.ops.control_flow import while_back_row, while_row
from chainrule.ops.effects import pure
from chainrule.ops.movement import broadcast_to
from chainrule.ops.recording import zeros_like
from chainrule.ops.replay import replay
from chainrule.ops.table import TABLE


def _pull_while(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    results, operands = saved[0], saved[1:]
    m, k = node.params["counts"]
    wanted = [i for i, x in enumerate(operands) if node.inputs[i] is not None and is_float(x)]
    constants = [i for i in wanted if m <= i < m + k]
    carried = [i for i in range(m + k, len(operands)) if is_float(operands[i])]
    cts = [c for c in cotangents_of(ct, results) if c is not None]
    out = spread(_transposed(operands, node.params, constants, cts), [*constants, *carried], node)
    for i in wanted:
        if i < m:  # only the condition looks at it
            out[i] = zeros_like(operands[i])
    return out


def _transposed(
    operands: Sequence[Any], params: dict[str, Any], constants: Sequence[int], cts: Sequence[Any]
) -> Sequence[Any]:
    """Cotangents of some constants of a loop's body and of the floats in its first carry, given
    those of the floats in the last.
    """
    body = pure(params["body"])
    m, k = params["counts"]
    n, count = m + k, len(operands) - m - k
    carried = [i for i in range(n, len(operands)) if is_float(operands[i])]
    a = len(constants)

    def back(*values: Any) -> list[Any]:
        inputs, going = values[: k + count], values[k + count :]
        given = spread_to(count, [i - n for i in carried], going[a:])
        active = [i - m for i in (*constants, *carried)]
        found = pulled(function_of(body), inputs, given, active)
        return [*[s + g for s, g in zip(going[:a], found[:a], strict=True)], *found[a:]]

    going = [*[zeros_like(operands[i]) for i in constants], *cts]
    memory, inner = shares(body)
    with Limited(inner):
        graph = as_graph(back, specs_of_values([*operands[m:], *going]), body.cls)
    return while_back_row(
        [*operands[:n], *operands[m:], *going],
        cond=pure(params["cond"]),
        body=body,
        back=graph,
        counts=(m, k, k, count),
        constants=tuple([i - m for i in constants]),
        limit=params["limit"],
        memory=memory,
    )


class _Back:
    """The operands of a way back: those of its loop, first sums of constants, cotangents."""

    def __init__(self, operands: Sequence[Any], params: dict[str, Any]) -> None:
        self.m, self.k, _, self.count = params["counts"]
        self.n = self.m + self.k
        self.constants = [self.m + i for i in params["constants"]]
        self.loop = {
            "cond": params["cond"],
            "body": params["body"],
            "counts": (self.m, self.k),
            "limit": params["limit"],
        }
        self.start = self.n + self.k + self.count
        """Where the sums begin among the operands of the way back."""
        self.operands = self.of_loop(operands)
        self.carried = [i for i in range(self.n, self.n + self.count) if is_float(self.operands[i])]
        self.cts = operands[self.start + len(self.constants) :]

    def of_loop(self, values: Sequence[Any]) -> list[Any]:
        """Of something for each operand, that for each operand of the loop."""
        return [*values[: self.n], *values[self.n + self.k : self.start]]

    def place(self, i: int) -> int:
        """Which operand of the way back an operand of the loop is."""
        return i if i < self.n else i + self.k


def _push_back(tangents: Any, y: Any, *operands: Any, **params: Any) -> Any:
    way = _Back(operands, params)
    moving = way.of_loop(tangents)
    a = len(way.constants)
    for i in way.constants:
        if moving[i] is None:
            moving[i] = zeros_like(way.operands[i])
    sums, dcts = tangents[way.start : way.start + a], tangents[way.start + a :]
    values, loop = pushed_loop(way.operands, moving, **way.loop)
    extra = loop["counts"][1] - way.k
    cts = [zeros_like(c) if d is None else d for d, c in zip(dcts, way.cts, strict=True)]
    found = _transposed(values, loop, [i + extra for i in way.constants], [*cts, *way.cts])
    first = [g if d is None else d + g for d, g in zip(sums, found[:a], strict=True)]
    return (*first, *found[a : a + len(way.carried)])


def _pull_back(ct: Any, saved: tuple[Any, ...], node: Node) -> Sequence[Any]:
    way = _Back(saved[1:], node.params)
    given = cotangents_of(ct, saved[0])
    a = len(way.constants)
    moving: list[Any] = [None] * len(way.operands)
    for i, g in zip((*way.constants, *way.carried), given, strict=True):
        moving[i] = g
    values, loop = pushed_loop(way.operands, moving, **way.loop)
    ends = while_row(values, **loop)
    extra = loop["counts"][1] - way.k
    constants = [
        i for i in range(way.m, way.n) if node.inputs[i] is not None and is_float(way.operands[i])
    ]
    still = [zeros_like(c) for c in way.cts]
    found = _transposed(values, loop, [i + extra for i in constants], [*still, *way.cts])
    out: list[Any] = [None] * len(node.inputs)
    for i, g in zip((*constants, *way.carried), found, strict=False):
        out[way.place(i)] = g
    out[way.start : way.start + a] = given[:a]
    out[way.start + a :] = ends[way.count :]
    for i, x in enumerate(saved[1:]):  # of the condition, and those that stand there twice
        if out[i] is None and node.inputs[i] is not None and is_float(x):
            out[i] = zeros_like(x)
    return out


def _batch_back(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> Any:
    """The way back through the loop of a batch, in which each example has constants of its own."""

    def whole(x: Any, has: bool) -> Any:
        return x if has else broadcast_to(x, (size, *x.shape))

    way = _Back(operands, params)
    values, moves = way.operands, way.of_loop(moved)
    active = [*way.constants, *way.carried]
    for i in (*way.constants, *range(way.n, len(values))):
        values[i], moves[i] = whole(values[i], moves[i]), True
    a = len(way.constants)
    sums = zip(operands[way.start : way.start + a], moved[way.start :], strict=False)
    cts = [whole(c, has) for c, has in zip(way.cts, moved[way.start + a :], strict=True)]
    floats = [i - way.n for i in way.carried]

    def loop(*inputs: Any) -> Any:
        return batched_while(None, size, inputs, moves, way.loop)

    def back(*inputs: Any) -> Any:
        given = spread_to(way.count, floats, inputs[len(values) :])
        return pulled(loop, inputs[: len(values)], given, active)

    inputs = [*values, *cts]
    found = replay(as_graph(back, specs_of_values(inputs), params["body"].cls), inputs)
    first = [whole(s, has) + g for (s, has), g in zip(sums, found[:a], strict=True)]
    return (*first, *found[a:])


TABLE["while_loop"].pull = _pull_while
TABLE["while_back"].pull = _pull_back
TABLE["while_back"].forward = _push_back
TABLE["while_back"].batch = _batch_back
