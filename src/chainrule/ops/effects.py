"""What is done while a program runs, and gives nothing: printing, checking.

An `effect` stays in the graph it is recorded in, in its place among others, and in the body of a
loop is done in every turn (`graph.graph`). Derivatives are taken of graphs without effects
(`pure`), so that each is done once, with the primal values.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.graph import EFFECT, Graph, has_effect
from chainrule.graph.node import Node, fresh
from chainrule.ops.comparison import logical_and
from chainrule.ops.recording import general, raw, wrapped
from chainrule.ops.replay import again, replay
from chainrule.ops.table import operation


def _each(row: Any, size: int, operands: Any, moved: Any, params: dict[str, Any]) -> tuple[()]:
    """One example after the other."""
    function = functools.partial(_one_by_one, params["function"], size, tuple(moved))
    effect([True, *operands], function=function, name=params["name"])
    return ()


def _one_by_one(
    function: Callable[..., None], size: int, moved: Sequence[bool], *values: Any
) -> None:
    for k in range(size):
        when, *one = [x[k] if m else x for x, m in zip(values, moved, strict=True)]
        if when:
            function(*one)


@operation(
    arity=None,
    results=0,
    name=EFFECT,
    differentiable=False,
    shape=lambda *_operands, **_: (),
    batch=_each,
    untested="its parameter is a function; tests/test_effects.py",
)
def effect(operands: Sequence[Any], function: Callable[..., None], name: str) -> tuple[()]:
    """`function(*operands[1:])` where operands[0] holds. `name` is for reports and errors."""
    if raw(operands[0]):
        if _done.skipped:
            _done.skipped -= 1
        else:
            function(*map(raw, operands[1:]))
            _done.count += 1
    return ()


class _Done(threading.local):
    count = 0
    """How many were done since `begin`."""
    skipped = 0
    """How many are still not to be done again."""


_done = _Done()


def begin() -> None:
    """At the beginning of a program with effects: none of them was done."""
    _done.count = 0


class Resumed:
    """Context manager: a program is run from its beginning, and what was done is not done again."""

    def __enter__(self) -> None:
        _done.skipped = _done.count

    def __exit__(self, *_: object) -> None:
        _done.skipped = 0


def pure(graph: Graph) -> Graph:
    """The same function without its effects."""
    if not graph.effects:
        return graph

    def apply(node: Node, values: list[Any]) -> Any:
        if node.op.name == EFFECT:
            return ()
        if not has_effect(node.op, node.params):
            return again(node, values)
        return general(node.op, values, {k: _pure(p) for k, p in node.params.items()})

    arguments = [wrapped(graph.cls, fresh(n.spec), n) for n in graph.inputs]
    outputs = replay(graph, arguments, apply)
    return Graph(graph.inputs, outputs, graph.cls)


def _pure(p: Any) -> Any:
    if isinstance(p, Graph):
        return pure(p)
    return tuple(map(_pure, p)) if type(p) is tuple and p and isinstance(p[0], Graph) else p


def guarded(graph: Graph) -> Callable[..., list[Any]]:
    """A graph as a function with one more argument before the others: whether its effects are
    done. Raises SyntaxUnsupported where they are in a loop or branch inside.
    """

    def function(when: Any, *inputs: Any) -> list[Any]:
        def apply(node: Node, values: list[Any]) -> Any:
            if node.op.name == EFFECT:
                return general(node.op, [logical_and(values[0], when), *values[1:]], node.params)
            if has_effect(node.op, node.params):
                raise SyntaxUnsupported(
                    "print or assert in a loop or branch, inside of another one that each example "
                    "of a batch takes differently: it cannot be told for which examples it is "
                    "done; move it out of one of them" + at(user_line())
                )
            return again(node, values)

        return replay(graph, inputs, apply)

    return function
