"""Loops whose condition or length is traced: one pass is run, on what the operation carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.errors import SyntaxUnsupported, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.complaints import NUMBERS
from chainrule.ops.recording import is_traced
from chainrule.record.syntax.canonical import RESULT
from chainrule.record.syntax.construct import Construct
from chainrule.record.syntax.registry import control_flow
from chainrule.record.syntax.rows import Rows, Stacked, Steps
from chainrule.record.syntax.snapshot import Snapshot
from chainrule.record.syntax.state import (
    Shape,
    as_dtype,
    check_same,
    common_dtype,
    detached,
    dtype_of,
    shape_of,
)
from chainrule.record.syntax.tracing import Part, truth
from chainrule.record.syntax.variables import Again
from chainrule.record.trees import flatten

_LOOP = ("before the loop", "after a pass of it")


class Carried:
    """The state of a loop: how it is taken apart for the operation, and bound for a pass."""

    def __init__(self, construct: Construct, runs: bool) -> None:
        self.construct = construct
        self.runs = runs  # at least once: then what it binds is bound after it
        self.shapes: list[Shape] = []
        self.kept: set[int] = set()

    def take(self) -> tuple[Any, ...]:
        """The arrays and numbers before the loop."""
        construct = self.construct
        self.shapes = [construct.filling.get(i) or Shape(v) for i, v in enumerate(construct.start)]
        self.kept = set(range(len(self.shapes)))
        leaves: list[Any] = []
        for i in construct.indices():
            if not self.shapes[i].undefined:
                filled = i in construct.filling
                dynamic = self.shapes[i].zeros() if filled else self.shapes[i].dynamic
                leaves += [detached(v) for v in construct.cast(i, dynamic)]
        return tuple(leaves)

    def bind(self, leaves: Sequence[Any]) -> list[Any]:
        """Bind the variables for a pass; returns what they are."""
        self.construct.begin()
        given = iter(leaves)
        fresh = list(self.construct.start)
        for i in self.construct.indices():
            shape = self.shapes[i]
            if not shape.undefined:
                fresh[i] = self.construct.pour(i, shape, [next(given) for _ in shape.dynamic])
        self.construct.enter(fresh)
        return fresh

    def after(self, part: Part, leaves: Sequence[Any], *args: Any) -> tuple[Any, ...]:
        """The arrays and numbers after a pass."""
        construct = self.construct
        fresh = self.bind(leaves)
        nodes = self.construct.nodes(fresh)
        items = [v for v in flatten(list(args))[0] if isinstance(v, Variable)]
        rows = [Snapshot(v) for v in items if shape_of(v)]
        traced = [v for v in (*items, *leaves) if is_traced(v)]
        values = construct.run(part, *args, witness=traced[0] if traced else None)
        if any(row.changed() for row in rows):
            raise SyntaxUnsupported(
                "a row of the array that the loop goes over is changed in place, and the array "
                "would not be changed with it; loop over `range(len(a))` and assign to `a[i]`"
                + at(user_line())
            )
        finals = [Shape(v) for v in values]
        construct.follow(fresh, finals, loop=True)
        self.kept &= construct.kept(fresh, nodes, values)
        finals = [shape.detached() for shape in finals]
        construct.restart()
        out: list[Any] = []
        for i in construct.indices():
            name, before, now = construct.names[i], self.shapes[i], finals[i]
            if before.undefined:
                if not now.undefined and (self.runs or name == RESULT):
                    construct.filling[i] = now
                    raise Again
                continue
            before = before.holding(construct.cast(i, before.dynamic))
            self._widen(i, before, now)
            check_same(name, before, now, _LOOP)
            out += self._in_dtype(i, before.dynamic, now.dynamic)
        return tuple(out)

    def _widen(self, i: int, before: Shape, now: Shape) -> None:
        """Carry an array where one number is there before: `s = 0.0`, then `s = s + vector`."""
        if before.structure == now.structure and len(before.dynamic) == len(now.dynamic):
            pairs = zip(before.dynamic, now.dynamic, strict=True)
            if any(shape_of(a) == () != shape_of(b) for a, b in pairs):
                self.construct.promote(i, before.dynamic, now.dynamic)

    def _in_dtype(self, i: int, before: list[Any], now: list[Any]) -> list[Any]:
        """A variable after a pass in the dtypes it had before; wider ones are carried from then on.

        The operation itself finds the dtype of a number of Python's.
        """
        out = []
        for a, b in zip(before, now, strict=True):
            if type(a) not in NUMBERS and dtype_of(a) != dtype_of(b):
                if common_dtype(a, b) != dtype_of(a):
                    self.construct.promote(i, before, now)
                b = as_dtype(b, dtype_of(a))
            out.append(b)
        return out

    def finish(self, leaves: Sequence[Any]) -> None:
        """Bind what came out of the loop."""
        given = iter(leaves)
        finals = {}
        for i in self.construct.indices():
            shape = self.shapes[i]
            if not shape.undefined:
                finals[i] = shape.filled([next(given) for _ in shape.dynamic])
        reason = "it is only assigned in a loop, which may not run at all"
        self.construct.finish(finals, self.kept, reason)


def while_traced(
    test: Callable[[], Any], body: Part, construct: Construct, runs: bool = False
) -> None:
    """`while test(): body()` where the test is traced."""
    carried = Carried(construct, runs)

    def going_on(state: Any) -> Any:
        carried.bind(state)
        asked = test()
        construct.restart()
        return truth(asked) if isinstance(asked, Variable) else bool(asked)

    def attempt() -> Any:
        init = carried.take()
        return control_flow.while_loop(going_on, lambda s: carried.after(body, s), init)

    carried.finish(construct.attempt(attempt))


def for_traced(
    rows: Rows, body: Part, going_on: Callable[[], Any] | None, construct: Construct
) -> None:
    """`for item in rows: body(item)`, until `going_on()` is false if that is given."""
    length = rows.length
    if isinstance(length, int) and length <= 0:
        return
    carried = Carried(construct, runs=isinstance(length, int))

    def step(k: Any, state: Any) -> tuple[Any, ...]:
        return carried.after(body, state, rows.at(k))

    def attempt() -> Any:
        init = carried.take()
        if going_on is not None:
            return _counted_while(length, going_on, step, carried, init)
        if isinstance(rows, Stacked):
            return control_flow.scan(
                lambda state, x: (carried.after(body, state, rows.element(x)), ()),
                init,
                rows.arrays,
            )[0]
        if isinstance(rows, Steps) and type(rows.step) is int and rows.step == 1:
            return control_flow.fori_loop(
                rows.start, rows.stop, lambda i, state: carried.after(body, state, i), init
            )
        return control_flow.fori_loop(0, length, step, init)

    carried.finish(construct.attempt(attempt))


def _counted_while(
    length: Any,
    going_on: Callable[[], Any],
    step: Callable[[Any, Any], tuple[Any, ...]],
    carried: Carried,
    init: tuple[Any, ...],
) -> Any:
    """A loop over rows that may end before, as a `while` that counts."""

    def test(state: Any) -> Any:
        carried.bind(state[1:])
        asked = going_on()
        carried.construct.restart()
        more = state[0] < length
        return np.logical_and(more, truth(asked)) if isinstance(asked, Variable) else more

    def body(state: Any) -> tuple[Any, ...]:
        return (state[0] + 1, *step(state[0], state[1:]))

    return control_flow.while_loop(test, body, (0, *init))[1:]
