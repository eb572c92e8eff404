"""A branch or a loop whose condition is traced: its parts run on traced values, as one operation.

A part changes the user's variables while it runs. So it is run between setting them to what the
operation gives and reading what has become of them; before the next part they are set back. What is
learned on the way (a variable that only one branch binds, an argument that a called function
changes) makes the attempt begin again.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np

from chainrule.errors import PACKAGE, SyntaxUnsupported, at, user_line
from chainrule.graph.node import Variable
from chainrule.ops.complaints import NUMBERS
from chainrule.record.syntax.canonical import RESULT
from chainrule.record.syntax.registry import control_flow
from chainrule.record.syntax.rows import Rows, Stacked, Steps
from chainrule.record.syntax.snapshot import Snapshot
from chainrule.record.syntax.source import SYNTHETIC
from chainrule.record.syntax.state import (
    KEEP,
    Shape,
    Undefined,
    as_dtype,
    cast,
    check_same,
    common_dtype,
    dtype_of,
    refuse_unknown,
    shape_of,
    values_of,
    write_back,
)

Part = Callable[..., None]
Paths = tuple[str, ...]
Spec = tuple[Paths, Paths, Paths, Paths, Paths]
"""The groups of a `State` of `scopes`."""

_BRANCHES = ("in one branch", "in the other")
_LOOP = ("before the loop", "after a pass of it")


class _Again(Exception):
    """The attempt must begin again, as more is known."""


class _Active(threading.local):
    def __init__(self) -> None:
        self.codes: list[CodeType] = []


active = _Active()
"""Codes of the parts that are being traced in this thread."""


class Construct:
    """One branch or loop while it is traced."""

    def __init__(self, access: Any, spec: Spec, line: int) -> None:
        rebound, changed, lent, restored, refused = spec
        if refused:
            raise SyntaxUnsupported(
                f"{refused[0]!r} is assigned to where that depends on a traced value, and such a "
                "change cannot be followed; assign to a local variable, and store its value after"
                + at(user_line())
            )
        self.names = tuple(dict.fromkeys((*rebound, *changed, *lent, *restored)))
        self.changed = frozenset(changed)
        self.line = line
        self._access = access
        self.start = self.get()
        for name, value in zip(self.names, self.start, strict=True):
            if name in self.changed and name not in rebound:
                refuse_unknown(name, value)
        self.chosen = [n in self.changed or n in rebound for n in self.names]
        self._bound = [n not in lent for n in self.names]
        self.dropped: set[int] = set()
        self.filling: dict[int, Shape] = {}
        self.casts: dict[int, list[tuple[Any, tuple[int, ...]]]] = {}
        self._snapshots = [Snapshot(v) for v in self.start]

    # --- the user's variables -----------------------------------------------------------------

    def get(self) -> list[Any]:
        """What the variables are."""
        if self._access is None:
            return []
        return values_of(self._access(), self.names)

    def bind(self, values: Sequence[Any]) -> None:
        """Bind those that belong to the state."""
        if self._access is not None:
            groups = zip(values, self.chosen, self._bound, strict=True)
            self._access(*[v if chosen or bound else KEEP for v, chosen, bound in groups])

    def indices(self) -> list[int]:
        """Which of them go through the operation."""
        return [i for i, chosen in enumerate(self.chosen) if chosen and i not in self.dropped]

    def cast(self, i: int, leaves: list[Any]) -> list[Any]:
        """The arrays and numbers of a variable in the dtypes and shapes found for them."""
        if i not in self.casts:
            return leaves
        return [cast(v, *to) for v, to in zip(leaves, self.casts[i], strict=True)]

    def promote(self, i: int, one: list[Any], other: list[Any]) -> None:
        """Begin again, with a variable in dtypes that hold both; numbers in the other's shapes."""
        both = zip(one, other, strict=True)
        self.casts[i] = [(common_dtype(a, b), shape_of(a) or shape_of(b)) for a, b in both]
        raise _Again

    def attempt(self, run: Callable[[], Any]) -> Any:
        """Run until nothing new is learned, and leave the variables as they were."""
        while True:
            try:
                return run()
            except _Again:
                continue
            finally:
                for snapshot in self._snapshots:
                    snapshot.undo()
                self.bind(self.start)

    def run(self, part: Part, *args: Any) -> list[Any]:
        """What the variables are after a part has run."""
        inner: Any = part.func if isinstance(part, functools.partial) else part
        active.codes.append(inner.__code__)
        try:
            part(*args)
        finally:
            active.codes.pop()
        for i, snapshot in enumerate(self._snapshots):
            # one that is in the state was replaced by another, which the part was free to change
            if not self.chosen[i] and snapshot.changed():
                if isinstance(snapshot.value, Variable | np.ndarray | list | dict):
                    self.chosen[i] = True
                    self.changed |= {self.names[i]}
                    raise _Again
                raise SyntaxUnsupported(
                    f"{self.names[i]!r}, a {type(snapshot.value).__name__}, is changed in place "
                    "where that depends on a traced value; change an array, a list or a dict, or "
                    "return the new value" + at(user_line())
                )
        return self.get()

    def finish(self, finals: dict[int, Any], kept: set[int], reason: str) -> None:
        """Bind what came out; what was changed in place is written into the object it was."""
        values = list(self.start)
        for i, name in enumerate(self.names):
            if not self.chosen[i]:
                continue
            if i not in finals:
                old = self.start[i]
                if isinstance(old, Undefined) or i in self.dropped:
                    values[i] = Undefined(name, f"{reason} (line {self.line})")
            elif i not in kept:
                values[i] = finals[i]
            elif name in self.changed:
                values[i] = write_back(self.start[i], finals[i])
        self.bind(values)


# --- branches -----------------------------------------------------------------------------------


def branch(test: Any, body: Part, orelse: Part | None, construct: Construct) -> None:
    """`if test: body() else: orelse()` for a traced test."""
    outcomes: dict[bool, list[Shape]] = {}
    kept: dict[bool, set[int]] = {}

    def attempt() -> Any:
        outcomes.clear()
        inside = [Shape(v) for v in construct.start]
        # numbers of Python's stay what they are: only arrays can be changed in place
        operands = [v for i in construct.indices() for v in inside[i].dynamic if _is_array(v)]

        def traced(which: bool) -> Callable[..., Any]:
            part = body if which else orelse

            def run(*given: Any) -> tuple[Any, ...]:
                fresh = list(construct.start)
                leaves = iter(given)
                for i in construct.indices():
                    taken = [next(leaves) if _is_array(v) else v for v in inside[i].dynamic]
                    fresh[i] = inside[i].filled(taken)
                construct.bind(fresh)
                values = construct.run(part or _nothing)
                outcomes[which] = [Shape(v) for v in values]
                kept[which] = {i for i, v in enumerate(values) if v is fresh[i]}
                return tuple(_results(construct, outcomes, which))

            return run

        return control_flow.cond(_truth(test), traced(True), traced(False), *operands)

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
            raise _Again
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


def _truth(test: Any) -> Any:
    """A traced condition as one boolean."""
    if test.shape != ():
        if test.size != 1:
            raise SyntaxUnsupported(
                f"a condition of shape {list(test.shape)} is not one truth value; use `.any()` or "
                "`.all()`, or `np.where` for a choice by element" + at(user_line())
            )
        test = test.reshape(())
    return test if test.dtype == bool else test != 0


# --- loops ---------------------------------------------------------------------------------------


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
                leaves += construct.cast(i, dynamic)
        return tuple(leaves)

    def bind(self, leaves: Sequence[Any]) -> list[Any]:
        """Bind the variables for a pass; returns what they are."""
        given = iter(leaves)
        fresh = list(self.construct.start)
        for i in self.construct.indices():
            shape = self.shapes[i]
            if not shape.undefined:
                fresh[i] = shape.filled([next(given) for _ in shape.dynamic])
        self.construct.bind(fresh)
        return fresh

    def after(self, part: Part, leaves: Sequence[Any], *args: Any) -> tuple[Any, ...]:
        """The arrays and numbers after a pass."""
        construct = self.construct
        fresh = self.bind(leaves)
        values = construct.run(part, *args)
        self.kept &= {i for i, v in enumerate(values) if v is fresh[i]}
        out: list[Any] = []
        for i in construct.indices():
            name, before, now = construct.names[i], self.shapes[i], Shape(values[i])
            if before.undefined:
                if not now.undefined and (self.runs or name == RESULT):
                    construct.filling[i] = now
                    raise _Again
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
        return _truth(asked) if isinstance(asked, Variable) else bool(asked)

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
        more = state[0] < length
        return np.logical_and(more, _truth(asked)) if isinstance(asked, Variable) else more

    def body(state: Any) -> tuple[Any, ...]:
        return (state[0] + 1, *step(state[0], state[1:]))

    return control_flow.while_loop(test, body, (0, *init))[1:]


# --- what cannot depend on a traced value --------------------------------------------------------


def in_traced_part(frame: FrameType | None) -> bool:
    """Whether a frame runs a part of a function under a traced condition."""
    while frame is not None:
        code = frame.f_code
        if code in active.codes:
            return True
        ours = code.co_filename.startswith(PACKAGE)
        if not ours and SYNTHETIC not in code.co_qualname.rpartition(".")[2]:
            return False
        frame = frame.f_back
    return False
