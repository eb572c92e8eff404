"""A charged particle meets the x axis: where a charge must stand for that to be near 0.

Force is the derivative of a potential, and the descent asks for the derivative of a flight by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .descent import MODES, argmin
from .measured import measured

STEP = 0.1


def potential(x: Any, charges: Any) -> Any:
    """The potential at x."""
    return sum(1 / np.sqrt(np.sum((x - c) ** 2)) for c in charges)


def landing(w: Any, inner: str) -> Any:
    """Square of the place at which the particle meets the axis, by Euler's method."""
    charges = (np.array([10.0, 10.0 - w]), np.array([10.0, 0.0]))
    force = MODES[inner](lambda x: -potential(x, charges))

    def above(state: Any) -> Any:
        return state[0][1] > 0

    def fly(state: Any) -> Any:
        x, v, _ = state
        return x + STEP * v, v + STEP * force(x), v

    start = np.array([0.75, 0.0])
    x, _, v = cr.while_loop(above, fly, (np.array([0.0, 8.0]), start, start))
    time = -x[1] / v[1]
    return (x[0] + time * v[0]) ** 2


def place(outer: str, inner: str) -> Any:
    """The descent from w, with derivatives in two modes."""

    def found(w: Any) -> Any:
        def f(w: Any) -> Any:
            return landing(w[0], inner)

        return argmin(f, MODES[outer](f), w)[0]

    return found


def arguments(message: Any) -> Any:
    """Where to start."""
    return (np.array([message["w"]]),)


rr, rf, fr, ff = [measured(arguments)(cr.jit(place(m[0], m[1]))) for m in ("rr", "rf", "fr", "ff")]
