"""Loops and branches as operations: rows whose parameters hold graphs.

A loop's graph takes what stays the same (its constants), what one turn hands to the next (its
carry), and for `scan` a slice of each array it walks along. Bodies are closed: what they take from
outside is among the constants, so derivatives reach it. Values are computed here by running the
graphs turn by turn; derivatives and batches are graphs made of these (`derive.control_flow`,
`derive.loop_batches`). The public functions are in `chainrule.record.control_flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import LoopError, at, user_line
from chainrule.graph.graph import Effects, Graph
from chainrule.graph.node import Abstract, Parameter, Scope, Spec, Variable
from chainrule.ops.recording import raw, wrapped
from chainrule.ops.replay import replay
from chainrule.ops.table import operation

Function = Callable[..., Sequence[Any]]


def _later(*_: Any, **__: Any) -> Any:
    raise AssertionError("chainrule.derive.control_flow sets the rules of this row")


def as_graph(function: Function, specs: Sequence[Spec], cls: type[Variable]) -> Graph:
    """The graph of a function whose operations are those of other graphs: it takes nothing from
    outside, and asks for no numbers.
    """
    scope = Scope("a loop's derivative")
    inputs = [Parameter(spec, scope) for spec in specs]
    arguments = [
        wrapped(cls, Abstract(s.shape, s.dtype), n) for s, n in zip(specs, inputs, strict=True)
    ]
    with Effects() as effects:
        results = function(*arguments)
    scope.open = False
    outputs = [r if isinstance(r, Variable) else wrapped(cls, r, None) for r in results]
    return Graph(inputs, outputs, cls, effects)


def specs_of(graph: Graph) -> tuple[Spec, ...]:
    """Shapes and dtypes of a graph's outputs."""
    return tuple(Spec(out._value) for out in graph.outputs)


def run(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """A graph's outputs on plain arrays."""
    return [np.asarray(raw(y))[()] for y in replay(graph, values)]


def has_loop(graph: Graph) -> bool:
    """Whether a graph, or one that its operations hold, goes round a loop."""
    for node in graph.nodes:
        if node.op is not None and node.op.name in ("scan", "while_loop", "while_back"):
            return True
        if node.op is not None and node.op.name in ("call", "cond"):
            inner = node.params.get("branches") or (node.params["body"],)
            if any(map(has_loop, inner)):
                return True
    return False


# --- a choice ------------------------------------------------------------------------------------


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    name="cond",
    shape=lambda *_operands, branches: specs_of(branches[0]),
    untested="its parameters are graphs; tests/test_control_flow.py",
)
def cond_row(operands: Sequence[Any], branches: tuple[Graph, Graph]) -> tuple[Any, ...]:
    """What the first graph gives on operands[1:] where operands[0] holds, else the second."""
    return tuple(run(branches[0 if operands[0] else 1], operands[1:]))


# --- a part by itself ----------------------------------------------------------------------------


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    name="call",
    shape=lambda *_operands, body: specs_of(body),
    untested="its parameter is a graph; tests/test_checkpoint.py",
)
def call_row(operands: Sequence[Any], body: Graph) -> tuple[Any, ...]:
    """What a graph gives. Nothing inside of it is known outside: it is not kept for a derivative,
    and not one with equal operations elsewhere.
    """
    return tuple(run(body, operands))


# --- a loop of unknown length --------------------------------------------------------------------


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    name="while_loop",
    shape=lambda *_operands, body, **_: specs_of(body),
    untested="its parameters are graphs; tests/test_control_flow.py",
)
def while_row(
    operands: Sequence[Any],
    cond: Graph,
    body: Graph,
    counts: tuple[int, int],
    limit: int | None = None,
) -> tuple[Any, ...]:
    """The carry after the body was run on it for as long as the condition held.

    Operands are the constants of the condition, those of the body (`counts` says how many), and the
    first carry. Raises LoopError after `limit` turns.
    """
    m, n = counts[0], counts[0] + counts[1]
    first, second, carry = list(operands[:m]), list(operands[m:n]), list(operands[n:])
    turns = 0
    while run(cond, [*first, *carry])[0]:
        if turns == limit:
            raise too_long(turns)
        carry = run(body, [*second, *carry])
        turns += 1
    return tuple(carry)


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    name="while_back",
    shape=lambda *_operands, back, **_: specs_of(back),
    untested="its parameters are graphs; tests/test_control_flow.py",
)
def while_back_row(
    operands: Sequence[Any],
    cond: Graph,
    body: Graph,
    back: Graph,
    counts: tuple[int, int, int, int],
    constants: tuple[int, ...] = (),
    limit: int | None = None,
    memory: int | None = None,
) -> tuple[Any, ...]:
    """There and back: a loop's turns are taken, and then gone over from the last to the first.

    Operands are the constants of `cond`, of `body` and of `back`, the first carry (`counts` says
    how many of each), and what the way back begins with. `back` takes its constants, the carry that
    a turn began with, and what the later turn gave: sums of the cotangents of those of the body's
    constants that `constants` names, and cotangents of the floats in the carry. Raises LoopError
    after `limit` turns. What is remembered shall take at most `memory` bytes
    (`rewrite.bounded`).
    """
    m, k, q, n = counts
    parts = list(operands)
    first, second, third = parts[:m], parts[m : m + k], parts[m + k : m + k + q]
    carry, going = parts[m + k + q : m + k + q + n], parts[m + k + q + n :]
    began: list[list[Any]] = []
    while run(cond, [*first, *carry])[0]:
        if len(began) == limit:
            raise too_long(len(began))
        began.append(carry)
        carry = run(body, [*second, *carry])
    while began:
        going = run(back, [*third, *began.pop(), *going])
    return tuple(going)


def too_long(turns: int) -> LoopError:
    """The error of a loop that was to end sooner."""
    return LoopError(
        f"while_loop: the condition still holds after max_iterations={turns} turns; raise the "
        "limit, or look at what the condition waits for" + at(user_line())
    )


# --- a loop of known length ----------------------------------------------------------------------


def _scan_shape(
    *operands: Any, body: Graph, counts: tuple[int, int], length: int, **_: Any
) -> tuple[Spec, ...]:
    specs = specs_of(body)
    carry = counts[1]
    for spec in specs[carry:]:
        spec.shape = (length, *spec.shape)
    return specs


@operation(
    reverse=_later,
    forward=_later,
    arity=None,
    results=0,
    name="scan",
    shape=_scan_shape,
    untested="its parameters are graphs; tests/test_control_flow.py",
)
def scan_row(
    operands: Sequence[Any],
    body: Graph,
    counts: tuple[int, int],
    length: int,
    reverse: bool = False,
    memory: int | None = None,
) -> tuple[Any, ...]:
    """The last carry, and what the body gave in each turn, stacked.

    Operands are the constants, the first carry (`counts` says how many of each), and arrays whose
    slices along the first axis the turns receive, backwards if `reverse`. What is stacked for a
    derivative shall take at most `memory` bytes (`rewrite.segments`).
    """
    m, n = counts[0], counts[0] + counts[1]
    constants, carry, xs = list(operands[:m]), list(operands[m:n]), operands[n:]
    specs = specs_of(body)[counts[1] :]
    stacked = [np.empty((length, *s.shape), s.dtype) for s in specs]
    for k in reversed(range(length)) if reverse else range(length):
        found = run(body, [*constants, *carry, *(x[k] for x in xs)])
        carry = found[: counts[1]]
        for array, value in zip(stacked, found[counts[1] :], strict=True):
            array[k] = value
    return (*carry, *stacked)
