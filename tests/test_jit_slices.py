"""Random programs on slices of long vectors: compiled Jacobians and Hessians, which are batches of
arrays put together of parts row by row, agree with eager ones.

`CHAINRULE_PROGRAMS` in the environment says how many are run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

COUNT = int(os.environ.get("CHAINRULE_PROGRAMS", "60")) // 6

STEPS: list[Callable[[Any, Any, int, int, int], Any]] = [
    lambda u, v, n, a, b: u[a:n] * v[a:n],
    lambda u, v, n, a, b: u[1 + a :] - u[: -1 - a] ** 2,
    lambda u, v, n, a, b: np.concatenate([u[a:], v[: n - b]])[:n],
    lambda u, v, n, a, b: np.sin(u[::-1][:n]) * v[:n],
    lambda u, v, n, a, b: np.pad(u[a:], (b, 1))[: len(u)],
    lambda u, v, n, a, b: np.exp(-u * u)[:n] / (1 + v[:n] ** 2),
    lambda u, v, n, a, b: u[:n] + np.sum(v[b:] ** 2) * 0.01,
]
"""From two vectors, the length of the shorter one, and two small integers."""


def program(rng: np.random.Generator) -> Callable[[Any], Any]:
    """A function of a vector that gives a number, and a vector."""
    plan = [
        (STEPS[rng.integers(len(STEPS))], *map(int, rng.integers(0, (4, 3, 100, 100))))
        for _ in range(rng.integers(2, 6))
    ]

    def f(x: Any) -> Any:
        pool = [x, x * x + 1]
        for step, a, b, i, j in plan:
            u, v = pool[i % len(pool)], pool[j % len(pool)]
            pool.append(step(u, v, min(len(u), len(v)), a, b))
        y = 0.0
        for p in pool[1:]:
            y = y + np.sum(p * p * p[::-1])
        return y, pool[-1]

    return f


@pytest.mark.parametrize("seed", range(COUNT))
def test_derivatives_of_programs_on_slices(seed: int) -> None:
    """Of the number twice, and of the vector either way."""
    rng = np.random.default_rng(seed)
    f = program(rng)
    x = rng.random(rng.integers(34, 60)) - 0.3
    for derivative in (
        cr.hessian(lambda x: f(x)[0]),
        cr.jacobian(lambda x: f(x)[1], mode="reverse"),
        cr.jacobian(lambda x: f(x)[1], mode="forward"),
    ):
        expected = derivative(x)
        scale = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(cr.jit(derivative)(x), expected, rtol=1e-9, atol=1e-9 * scale)
