"""A chain of linear differential equations by a Runge-Kutta method; gradient of its end."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import lists, measured, numbers


def slope(x: Any, y: Any) -> Any:
    """y_0' = x_0, and y_i' = x_i y_(i-1)."""
    return np.concatenate([x[:1], x[1:] * y[:-1]])


def solution(x: Any, steps: int) -> Any:
    """y at time 2, from 0 at time 0."""
    h = 2.0 / steps

    def step(_: Any, y: Any) -> Any:
        k1 = slope(x, y)
        k2 = slope(x, y + h / 2 * k1)
        k3 = slope(x, y + h / 2 * k2)
        k4 = slope(x, y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return cr.fori_loop(0, steps, step, np.zeros(len(x)))


def last(x: Any, steps: int) -> Any:
    """The last component."""
    return solution(x, steps)[-1]


def arguments(message: Any) -> Any:
    """Rates, and the number of steps."""
    return numbers(message["x"]), message["s"]


primal = measured(arguments, lists)(cr.jit(solution, static=1))
gradient = measured(arguments, lists)(cr.jit(cr.grad(last), static=1))
