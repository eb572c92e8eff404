"""`if` on a traced condition: both branches run, and give the same variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.graph.node import Variable
from chainrule.record.syntax.canonical import RESULT
from chainrule.record.syntax.construct import Construct
from chainrule.record.syntax.registry import control_flow
from chainrule.record.syntax.state import (
    Shape,
    check_same,
    detached,
    dtype_of,
)
from chainrule.record.syntax.tracing import Part, truth
from chainrule.record.syntax.variables import Again

_BRANCHES = ("in one branch", "in the other")


def branch(test: Any, body: Part, orelse: Part | None, construct: Construct) -> None:
    """`if test: body() else: orelse()` for a traced test."""
    outcomes: dict[bool, list[Shape]] = {}
    kept: dict[bool, set[int]] = {}

    def attempt() -> Any:
        outcomes.clear()
        inside = [Shape(v) for v in construct.start]
        # numbers of Python's stay what they are: only arrays can be changed in place
        arrays = [v for i in construct.indices() for v in inside[i].dynamic if _is_array(v)]
        operands = [detached(v) for v in arrays]

        def traced(which: bool) -> Callable[..., Any]:
            part = body if which else orelse

            def run(*given: Any) -> tuple[Any, ...]:
                construct.begin()
                fresh = list(construct.start)
                leaves = iter(given)
                for i in construct.indices():
                    taken = [next(leaves) if _is_array(v) else v for v in inside[i].dynamic]
                    fresh[i] = construct.pour(i, inside[i], taken)
                construct.enter(fresh)
                nodes = construct.nodes(fresh)
                values = construct.run(part or _nothing, witness=test)
                outcomes[which] = [Shape(v) for v in values]
                construct.follow(fresh, outcomes[which], loop=False)
                kept[which] = construct.kept(fresh, nodes, values)
                outcomes[which] = [shape.detached() for shape in outcomes[which]]
                construct.restart()
                return tuple(_results(construct, outcomes, which))

            return run

        return control_flow.cond(truth(test), traced(True), traced(False), *operands)

    results = iter(construct.attempt(attempt))
    known = next(iter(outcomes.values()))
    finals = {}
    for i in construct.indices():
        shape = construct.filling.get(i, known[i])
        if not shape.undefined:
            finals[i] = shape.filled([next(results) for _ in shape.dynamic])
    both = set.intersection(*kept.values())
    construct.finish(finals, both, "it is only assigned in one branch of an `if`")


def _results(construct: Construct, outcomes: dict[bool, list[Shape]], which: bool) -> list[Any]:
    """The arrays and numbers that a branch gives, compared with the other branch's."""
    mine, other = outcomes[which], outcomes.get(not which)
    out: list[Any] = []
    for i in construct.indices():
        filling = construct.filling.get(i)
        if filling is not None and mine[i].undefined:
            out += filling.zeros()
            continue
        if other is not None and other[i].undefined != mine[i].undefined and filling is None:
            if construct.names[i] == RESULT:  # a flag says that it is not looked at
                construct.filling[i] = other[i] if mine[i].undefined else mine[i]
            else:
                construct.dropped.add(i)
            raise Again
        if other is not None and not other[i].undefined:
            check_same(construct.names[i], outcomes[True][i], outcomes[False][i], _BRANCHES)
            pairs = zip(mine[i].dynamic, other[i].dynamic, strict=True)
            if i not in construct.casts and any(dtype_of(a) != dtype_of(b) for a, b in pairs):
                construct.promote(i, mine[i].dynamic, other[i].dynamic)
        out += construct.cast(i, mine[i].dynamic)
    return out


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Variable | np.ndarray)


def _nothing() -> None:
    return None
