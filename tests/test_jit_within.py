"""While loops within others: one loop gives the results of both, where they take the same turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.codegen.loops import Loop


def loops(compiled: Any, *args: Any) -> int:
    """How many while loops the whole program has."""
    programs = compiled.lower(*args).program.programs()
    return sum(isinstance(s, Loop) and s.kind == "while_loop" for p in programs for s in p.steps)


def agree(f: Any, *args: Any) -> Any:
    """Compare compiled and eager results; the compiled function."""
    compiled = cr.jit(f)
    for got, want in zip(compiled(*args), f(*args), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)
    return compiled


def root(a: Any) -> Any:
    """The square root by Newton's method, from where both parts of the carry begin."""

    def turn(state: Any) -> Any:
        x, _ = state
        return (x + a / x) / 2, x

    return cr.while_loop(lambda s: (s[0] - s[1]) ** 2 > 1e-20, turn, (a, a + 1))[0]


def fall(height: Any, drag: Any) -> Any:
    """Place and speed, which begin alike, of what falls until it lands."""

    def turn(state: Any) -> Any:
        y, v, before = state
        v = v + 0.01 * (9.8 - drag * v * v)
        return y - 0.01 * v, v, v - before

    y, v, before = cr.while_loop(lambda s: s[0] > 0, turn, (height, 0.0 * drag, 0.0 * drag))
    return y / v + before


def forward(f: Any) -> Any:
    """The value, the derivative forwards, and something of both."""

    def both(*args: Any) -> Any:
        y = f(*args)
        slope = cr.jvp(f, args, tuple(np.ones_like(a) for a in args))[1]
        return y, slope, y * slope

    return both


@pytest.mark.parametrize(("f", "args"), [(root, (2.0,)), (fall, (3.0, 0.2))])
def test_a_derivative_forwards_is_one_loop(f: Any, args: Any) -> None:
    compiled = agree(forward(f), *map(np.float64, args))
    assert loops(compiled, *map(np.float64, args)) == 1


def test_equal_loops_are_one() -> None:
    assert loops(agree(lambda a: (root(a), root(a) + 1), np.float64(2.0)), np.float64(2.0)) == 1


def until(limit: Any, factor: Any, x: Any, more: Any = None) -> Any:
    """Grow until a limit, and something more beside it."""
    if more is None:
        return cr.while_loop(lambda x: x < limit, lambda x: x * factor, x)
    return cr.while_loop(lambda s: s[0] < limit, lambda s: (s[0] * factor, s[1] + s[0]), (x, more))


DIFFERENT: dict[str, Any] = {
    "another condition": lambda a, b: (until(a, 1.5, b), *until(a + 1, 1.5, b, 0.0)),
    "another body": lambda a, b: (until(a, 1.5, b), *until(a, 1.25, b, 0.0)),
    "another beginning": lambda a, b: (until(a, 1.5, b), *until(a, 1.5, b / 2, 0.0)),
    "the second needs the first": lambda a, b: until(a, 1.5, b, until(a, 1.5, b)),
    "the first needs the second": lambda a, b: (
        until(a + 0 * until(a, 1.5, b, 0.0)[1], 1.5, b),
        *until(a, 1.5, b, 0.0),
    ),
}


@pytest.mark.parametrize("f", DIFFERENT.values(), ids=DIFFERENT)
def test_other_loops_stay(f: Any) -> None:
    args = np.float64(50.0), np.float64(0.5)
    assert loops(agree(f, *args), *args) == 2


def test_what_comes_between_waits() -> None:
    """What needs the smaller loop, and what the larger one needs, in any order."""

    def f(a: Any, b: Any) -> Any:
        y = until(a, 1.5, b)
        z = np.sin(y) + a
        more = np.cos(a) * b
        x, total = until(a, 1.5, b, more)
        return z * more, x - y, total

    args = np.float64(50.0), np.float64(0.5)
    assert loops(agree(f, *args), *args) == 1
