"""The gradient descent that the evals with nested derivatives prescribe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

CLOSE = 1e-5


def argmin(f: Callable[[Any], Any], gradient: Callable[[Any], Any], x: Any) -> Any:
    """Where the steps come to rest: their size doubles after ten that went down, and halves after
    one that did not.
    """

    def moving(state: Any) -> Any:
        *_, slope, _, _, stopped = state
        return (np.sqrt(np.sum(slope**2)) > CLOSE) & ~stopped

    def turn(state: Any) -> Any:
        return cr.cond(state[4] == 10, larger, step, state)

    def larger(state: Any) -> Any:
        x, fx, slope, size, _, stopped = state
        return x, fx, slope, size * 2, 0, stopped

    def step(state: Any) -> Any:
        x, _, slope, size, *_ = state
        ahead = x - size * slope
        near = np.sqrt(np.sum((x - ahead) ** 2)) <= CLOSE
        return cr.cond(near, stop, compare, state, ahead)

    def stop(state: Any, _: Any) -> Any:
        return *state[:5], True

    def compare(state: Any, ahead: Any) -> Any:
        there = f(ahead)
        return cr.cond(there < state[1], down, back, state, ahead, there)

    def down(state: Any, ahead: Any, there: Any) -> Any:
        return ahead, there, gradient(ahead), state[3], state[4] + 1, False

    def back(state: Any, *_: Any) -> Any:
        x, fx, slope, size, *_ = state
        return x, fx, slope, size / 2, 0, False

    return cr.while_loop(moving, turn, (x, f(x), gradient(x), 1e-5, 0, False))[0]


def argmax(f: Callable[[Any], Any], gradient: Callable[[Any], Any], x: Any) -> Any:
    """The same, upwards."""
    return argmin(lambda x: -f(x), lambda x: -gradient(x), x)


def reverse(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The gradient backwards."""
    return cr.grad(f)


def forward(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The gradient forwards."""
    return cr.jacobian(f, mode="forward")


MODES = {"r": reverse, "f": forward}
