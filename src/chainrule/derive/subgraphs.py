"""Functions as graphs, and lists of values of which some have derivatives: what the rules of loops
and branches have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.graph.budget import budget
from chainrule.graph.graph import Graph
from chainrule.graph.node import Node, Spec
from chainrule.ops.control_flow import as_graph as as_graph
from chainrule.ops.deferred import spec_of
from chainrule.ops.recording import zeros_like
from chainrule.ops.replay import replay

Function = Callable[..., Sequence[Any]]


def function_of(graph: Graph) -> Function:
    """A graph as a function."""
    return lambda *xs: replay(graph, xs)


def is_float(spec: Any) -> bool:
    """Whether values of a dtype have derivatives."""
    return spec.dtype.kind in "fc"


def specs_of_values(values: Sequence[Any]) -> list[Spec]:
    """Shape and dtype of each value."""
    return [spec_of(v) for v in values]


def in_full(derivatives: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
    """Derivatives, with zeros for those that are None."""
    return [zeros_like(s) if d is None else d for d, s in zip(derivatives, specs, strict=True)]


def cotangents_of(ct: Sequence[Any], results: Sequence[Any]) -> list[Any]:
    """Cotangents of results: zeros for those that nothing used, None for integers."""
    return [
        None if not is_float(r) else zeros_like(r) if c is None else _whole(c, r)
        for c, r in zip(ct, results, strict=True)
    ]


def _whole(c: Any, r: Any) -> Any:
    """A cotangent in full: a scalar may stand for a constant array."""
    return c if c.shape == r.shape else np.broadcast_to(c, r.shape)


def spread(found: Sequence[Any], active: Sequence[int], node: Node) -> list[Any]:
    """Cotangents of some operands of a node, None for the others."""
    out: list[Any] = [None] * len(node.inputs)
    for i, g in zip(active, found, strict=True):
        out[i] = g
    return out


def spread_to(count: int, places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """Values at some of so many places, None at the others."""
    out: list[Any] = [None] * count
    for k, v in zip(places, values, strict=True):
        out[k] = v
    return out


def slice_spec(x: Any) -> Spec:
    """Shape and dtype of what a turn receives of an array."""
    spec = spec_of(x)
    spec.shape = spec.shape[1:]
    return spec


def shares(body: Graph) -> tuple[int | None, int | None]:
    """What a loop may keep, and what the loops in it may: halves, where there are any."""
    memory = budget()
    if memory is None:
        return None, None
    inside = any(
        n.op.name in ("scan", "while_loop", "while_back", "cond", "call") for n in body.nodes
    )
    return (memory // 2, memory // 2) if inside else (memory, memory)
