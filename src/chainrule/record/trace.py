"""Tracing: running a function on Tensors without numbers, to have its graph.

What the function computes is recorded and not evaluated. Whatever it takes from elsewhere (arrays,
Tensors of an enclosing recording or trace) is kept in the graph as given. Next: the walks in
`chainrule.derive`, or `chainrule.ops.replay`, which runs the graph.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.errors import TracedValueError, at, user_line
from chainrule.graph.graph import Effects, Graph, has_variable, operands
from chainrule.graph.node import (
    Abstract,
    Leaf,
    Node,
    Parameter,
    Scope,
    Spec,
    Variable,
    fresh,
    next_order,
)
from chainrule.ops.deferred import spec_of
from chainrule.ops.recording import renew, wrapped
from chainrule.ops.replay import again, given, replay
from chainrule.ops.sharing import layer


def trace(
    function: Callable[..., Sequence[Any]],
    specs: Sequence[Spec],
    cls: type[Variable],
    name: str = "",
) -> Graph:
    """The graph of `function(*tensors) -> list of Tensors`, on traced Tensors of these specs.

    Outputs that are no Tensors become constants. Raises TracedValueError where the function asks a
    traced Tensor for numbers, and where it uses one that an earlier trace left behind.
    """
    scope = Scope(name)
    inputs = [Parameter(spec, scope) for spec in specs]
    arguments = [wrapped(cls, fresh(s), n) for s, n in zip(specs, inputs, strict=True)]
    ident = get_ident()
    _open[ident] = _open.get(ident, 0) + 1
    try:
        with layer(), Effects() as effects:
            results = function(*arguments)
            for r in results:
                renew(r)
    finally:
        scope.open = False
        _open[ident] -= 1
        if not _open[ident]:
            del _open[ident]
    outputs = [r if isinstance(r, Variable) else wrapped(cls, r, None) for r in results]
    graph = Graph(inputs, outputs, cls, effects)
    check_given(graph)
    return graph


_open: dict[int, int] = {}
"""How many traces are open in a thread; threads without any are absent."""


def is_tracing() -> bool:
    """Whether a trace is open in this thread."""
    return bool(_open) and get_ident() in _open


def closed(
    function: Callable[..., Sequence[Any]],
    specs: Sequence[Spec],
    cls: type[Variable],
    name: str = "",
    entire: bool = False,
) -> tuple[Graph, list[Any]]:
    """The graph of a function with what it takes from outside as further inputs, before the others,
    and those values: Tensors of enclosing traces and recordings.

    What the function computes of these alone is outside as well, computed once for all turns of a
    loop; or, of a function that may not be run at all, inside: `entire`.
    """
    first = next_order()
    graph = trace(function, specs, cls, name)
    outside = {n: v for n, v in graph.given() if n is not None and has_variable(n)}
    between = _between(outside, first) if entire else []
    for node in between:
        outside.pop(node, None)
        outside.update((n, v) for n, v in operands(node) if n is not None and has_variable(n))
    for node in between:
        outside.pop(node, None)
    values = [wrapped(cls, v, n) for n, v in outside.items()]

    def whole(*inputs: Any) -> list[Any]:
        k = len(values)
        known = dict(zip(outside, inputs[:k], strict=True))
        for node in between:
            known[node] = again(node, [given(cls, n, v, known) for n, v in operands(node)])
        return replay(graph, inputs[k:], known=known)

    return trace(whole, [*map(spec_of, values), *specs], cls, name), values


def _between(nodes: Iterable[Node], first: int) -> list[Node]:
    """Traced operations that some nodes are or depend on, recorded after a moment, in order."""
    found: set[Node] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node.order < first or node.op is None or node.saved is None or node in found:
            continue
        if _is_traced(node.saved[0]):
            found.add(node)
            stack.extend(n for n in node.inputs if n is not None)
    return sorted(found, key=lambda n: n.order)


def _is_traced(value: Any) -> bool:
    return type(value) is Abstract or (type(value) is tuple and any(map(_is_traced, value)))


def check_given(graph: Graph) -> None:
    """Raise where a graph uses a traced value of a trace that has ended."""
    check_open([n for n, v in graph.given() if n is not None and type(v) is Abstract])


def check_open(nodes: Sequence[Node]) -> None:
    """Raise where one of some traced values is computed from one of a trace that has ended."""
    seen: set[Node] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, Parameter) and not node.scope.open:
            raise escaped(node)
        if not isinstance(node, Leaf):
            stack.extend(n for n in node.inputs if n is not None)


def escaped(node: Parameter) -> TracedValueError:
    """The error of using a traced value after its trace has ended."""
    where = f" of {node.scope.name}" if node.scope.name else ""
    return TracedValueError(
        f"a traced tensor ({node.spec!r}, or computed from one) was kept beyond the trace{where} "
        "that made it, and has no numbers; return it from the function instead of storing it in "
        "a variable, list or attribute outside" + at(user_line())
    )
