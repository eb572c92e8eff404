"""Loops that run as Python does, within a budget: turns are forgotten, and taken again.

Which turns begin from a carry that is kept is the binomial plan of Griewank and Walther (Algorithm
799: revolve, ACM Transactions on Mathematical Software 26, 2000): with c carries kept, the first
among them, and every turn taken at most r times more, (c + r)! / (c! r!) turns can be gone over.
"""

from __future__ import annotations

import math
from _thread import get_ident
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.graph.budget import Limited, budget, too_little
from chainrule.graph.node import Variable, next_order, paused
from chainrule.graph.writes import owner
from chainrule.record.recompute import forgotten, recorded_since
from chainrule.record.trace import is_tracing
from chainrule.record.trees import flatten

FEWEST: Final = 3
"""Carries that there must be room for: with fewer, calls are nested too deep for Python."""

Turn = Callable[[int, Any], tuple[Any, Any]]
"""Of its number and the carry: the next carry, and what the turn gives besides."""


def is_bounded() -> bool:
    """Whether what is recorded now must stay within a budget."""
    return budget() is not None and get_ident() not in paused and not is_tracing()


def in_turns(turn: Turn, count: int, carry: Any) -> tuple[Any, list[Any]]:
    """The carry after so many turns, and what each gave besides."""
    memory = budget()
    if memory is None or not is_bounded() or count < 2:
        return _run(turn, 0, count, carry)

    def within(k: int, carry: Any) -> tuple[Any, Any]:
        with Limited(max(memory // 4, 1)):  # for the loops inside, also when it is run again
            return turn(k, carry)

    first = next_order()
    after, y = within(0, carry)
    kept, state = _kept(first, (after, y), carry), _size(after)
    if kept * count <= memory:
        carry, ys = _run(within, 1, count, after)
        return carry, [y, *ys]
    least = 2 * (kept + FEWEST * state)
    if least > memory:
        what = f"a loop of {count} turns that keep {kept} bytes each, with a carry of {state}"
        raise too_little(what, memory, least)
    del after, y
    half = memory // 2  # what the graph itself keeps stays until the walk has ended
    together = max(half // 2 // kept, 1)
    slots = (half - together * kept) // max(state, 1)
    carry, ys = forgotten(_run, (within, 0, 1, carry), {})
    carry, more = _plan(within, 1, count, together, slots, carry)
    return carry, [*ys, *more]


def _run(turn: Turn, start: int, stop: int, carry: Any) -> tuple[Any, list[Any]]:
    ys = []
    for k in range(start, stop):
        carry, y = turn(k, carry)
        ys.append(y)
    return carry, ys


def _plan(
    turn: Turn, start: int, stop: int, together: int, slots: int, carry: Any
) -> tuple[Any, list[Any]]:
    """The turns: all but the last few keep nothing, and at most `slots` carries are kept."""
    ys: list[Any] = []
    while stop - start > together:
        steps = -(-(stop - start) // together)
        middle = start + together * first_part(steps, slots)
        carry, some = forgotten(_plan, (turn, start, middle, together, slots, carry), {})
        ys += some
        start, slots = middle, max(slots - 1, 0)
    carry, some = _run(turn, start, stop, carry)
    return carry, [*ys, *some]


def first_part(steps: int, slots: int) -> int:
    """How many of some steps come before the next carry that is kept, with room for so many.

    >>> first_part(10, 2)
    4
    """
    repeats = 1
    while _reach(slots, repeats) < steps:
        repeats += 1
    most = min(_reach(slots, repeats - 1), steps - _reach(slots - 1, repeats - 1))
    least = max(_reach(slots, repeats - 2), steps - _reach(slots - 1, repeats))
    return min(max(most, least, 1), steps - 1)


def _reach(slots: int, repeats: int) -> int:
    """Steps that can be done with some carries kept besides the first, each so often again."""
    return math.comb(slots + 1 + repeats, slots + 1) if repeats >= 0 else 0


def _kept(first: int, results: Any, before: Any) -> int:
    """Bytes that the operations recorded since some moment keep, besides what was there before."""
    arrays: dict[int, int] = {}
    there = {id(owner(v)) for v in _values(before) if type(v) is np.ndarray}
    for node in recorded_since(first, results):
        for value in node.saved or ():
            if isinstance(value, Variable):
                value = value._value
            if type(value) is np.ndarray:
                memory: Any = owner(value)
                arrays[id(memory)] = int(getattr(memory, "nbytes", value.nbytes))
            elif hasattr(value, "nbytes"):
                arrays[id(value)] = int(value.nbytes)
    return max(sum(n for k, n in arrays.items() if k not in there), 1)


def _size(carry: Any) -> int:
    return sum(int(getattr(v, "nbytes", 8)) for v in _values(carry))


def _values(tree: Any) -> list[Any]:
    return [x._value if isinstance(x, Variable) else x for x in flatten(tree)[0]]
