"""The walk that carries a batch: a graph of one example, run on many at once.

What depends on a batched argument has the batch as its first axis; what does not is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.derive.entries import Entries, on_entries, whole
from chainrule.derive.floating import INVALID_RAISES, enter, leave, quiet
from chainrule.graph.graph import Graph, operands
from chainrule.graph.node import Node, Variable
from chainrule.ops.batching import run_batched
from chainrule.ops.recording import SELECT, is_traced
from chainrule.ops.replay import again, as_traced, given
from chainrule.ops.table import TABLE, Operation

Outputs = tuple[list[Any], list[bool]]
"""Outputs, and which of them have the batch as their first axis."""

STRONG: Final = TABLE["strong_multiply"], TABLE["strong_contraction"]
"""Products of a derivative, in which zero times infinity is zero."""


def batch(graph: Graph, arguments: Sequence[Any], moved: Sequence[bool], size: int) -> Outputs:
    """Outputs for arguments, those marked in `moved` having the batch as their first axis, and
    which of the outputs have it. An argument may be `Entries`.
    """
    results, carried = batch_of_entries(graph, arguments, moved, size)
    return list(map(whole, results)), carried


def batch_of_entries(
    graph: Graph, arguments: Sequence[Any], moved: Sequence[bool], size: int
) -> Outputs:
    """The same, where an output may be `Entries`.

    The strong products of a derivative are plain ones at first, as in `derive.reverse`: only if
    zero meets infinity there, or a NaN comes out, the graph is run with strong ones.
    """
    if not any(node.op in STRONG for node in graph.nodes):
        return _walk(graph, arguments, moved, size, strong=True)
    if not any(map(is_traced, arguments)):
        token = enter(INVALID_RAISES)
        try:
            results, carried = _walk(graph, arguments, moved, size, strong=False)
            if not any(map(_unknown_or_nan, results)):
                return results, carried
        except FloatingPointError:
            pass
        finally:
            leave(token)
    with quiet():
        return _walk(graph, arguments, moved, size, strong=True)


def _unknown_or_nan(x: Any) -> bool:
    if type(x) is Entries:
        x = x.values
    if is_traced(x):
        return True
    value = x._value if isinstance(x, Variable) else x
    if value.dtype.kind not in "fc":
        return False
    total = np.vdot(value, value)  # of squares, which do not cancel: NaN if some element is
    return bool(total != total)


def _walk(
    graph: Graph, arguments: Sequence[Any], moved: Sequence[bool], size: int, strong: bool
) -> Outputs:
    known: dict[Node, Any] = dict(zip(graph.inputs, arguments, strict=True))
    carrying: set[Node] = {n for n, m in zip(graph.inputs, moved, strict=True) if m}
    cls = graph.cls
    few = any(type(x) is Entries for x in arguments)
    uses = _uses(graph)
    for node in graph.nodes:
        values, carried, any_carried = [], [], False
        for n, v in operands(node):
            values.append(given(cls, n, v, known))
            m = n in carrying
            carried.append(m)
            any_carried = any_carried or m
            if n is not None:
                uses[n] -= 1
                if not uses[n] and n in known:
                    del known[n]  # its memory is free for results to come
        known[node] = (
            as_traced(node, _run(node, size, values, carried, few, strong))
            if any_carried
            else again(node, values)
        )
        if any_carried:
            carrying.add(node)
    results, whether = [], []
    for out in graph.outputs:
        n = out._node
        results.append(known[n] if n is not None and n in known else out)
        whether.append(n in carrying)
    return results, whether


def _uses(graph: Graph) -> dict[Node | None, int]:
    """How often the value of a node is read, as an operand or an output."""
    uses: dict[Node | None, int] = {}
    for node in graph.nodes:
        for n in node.inputs:
            uses[n] = uses.get(n, 0) + 1
    for out in graph.outputs:
        uses[out._node] = uses.get(out._node, 0) + 1
    return uses


def _run(
    node: Node, size: int, values: list[Any], carried: list[bool], few: bool, strong: bool
) -> Any:
    """The result of a node that has an operand with a batch."""
    row, params = node.op, node.params
    if not strong and row in STRONG:
        row, params = _plain(row, params)
    if few and any(type(v) is Entries for v in values):
        found = on_entries(row, values, params)
        if found is not NotImplemented:
            return found
        values = list(map(whole, values))
    if row in SELECT:  # which know no axes
        return again(node, values)
    assert node.saved is not None
    spec = node.saved[0]
    y = run_batched(row, size, values, carried, params, spec)
    if isinstance(spec, tuple):
        return y
    if y.dtype is not spec.dtype and _is_other(y.dtype, spec):
        y = y.astype(spec.dtype)  # promotion may depend on the number of dimensions
    return y


def carried(graph: Graph, moved: Sequence[bool]) -> list[bool]:
    """Which outputs of a graph have the batch if the inputs marked in `moved` do."""
    carrying: set[Node] = {n for n, m in zip(graph.inputs, moved, strict=True) if m}
    for node in graph.nodes:
        if any(n in carrying for n in node.inputs):
            carrying.add(node)
    return [out._node in carrying for out in graph.outputs]


def _is_other(dtype: Any, spec: Any) -> bool:
    return bool(dtype != spec.dtype and dtype.kind == spec.dtype.kind)


def _plain(row: Operation, params: Any) -> tuple[Operation, Any]:
    """The plain product in place of a strong one."""
    if row is STRONG[0]:
        return TABLE["multiply"], {}
    return params["row"], params["params"]
