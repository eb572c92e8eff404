"""Programs with loops, written as one would write them, and how C is called for the same."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr

STEPS = 1_000_000

EDGE = (-0.04466251305766822, 0.6438493372398228)
"""A point whose orbit neither grows nor shrinks: its derivatives are ordinary numbers."""


def cube(x: Any) -> Any:
    """Its derivative is taken in the body of a loop."""
    return x**3


def descend(x: Any) -> Any:
    """Gradient descent, as a beginner writes it."""
    for _ in range(STEPS):
        x = x - 1e-7 * cr.grad(cube)(x)
    return x


def field(s: Any, k: Any) -> Any:
    """Two coupled oscillators."""
    return np.stack([s[2], s[3], -k * s[0] + 0.1 * s[1], -s[1] + 0.1 * s[0] * s[1]])


def rk4(s: Any, k: Any) -> Any:
    """The classical Runge-Kutta method."""
    h = 1e-4
    for _ in range(100_000):
        a = field(s, k)
        b = field(s + 0.5 * h * a, k)
        c = field(s + 0.5 * h * b, k)
        d = field(s + h * c, k)
        s = s + h / 6 * (a + 2 * b + 2 * c + d)
    return s[0] + s[1]


def cell(w: Any, x: Any, h: Any, c: Any) -> Any:
    """One step of a long short-term memory."""
    m = c.shape[0]
    z = w @ np.concatenate([x, h])
    c = sigmoid(z[:m]) * c + sigmoid(z[m : 2 * m]) * np.tanh(z[2 * m : 3 * m])
    return sigmoid(z[3 * m :]) * np.tanh(c), c


def sigmoid(x: Any) -> Any:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def lstm(w1: Any, w2: Any, xs: Any) -> Any:
    """Two layers of it, along a sequence."""
    m = xs.shape[1]
    h1, c1, h2, c2 = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(m)
    for x in xs:
        h1, c1 = cell(w1, x, h1, c1)
        h2, c2 = cell(w2, h1, h2, c2)
    return np.sum(h2 * h2)


def heat(u: Any, k: Any) -> Any:
    """The heat equation on a rod, explicitly."""
    for _ in range(10_000):
        inside = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
        u = np.concatenate([u[:1], inside, u[-1:]])
    return np.sum(u * u)


def anomaly(mean: Any, e: Any) -> Any:
    """Kepler's equation for one body."""
    x, step = mean, 1.0
    while abs(step) > 1e-10:
        step = (x - e * np.sin(x) - mean) / (1 - e * np.cos(x))
        x = x - step
    return x


def kepler(means: Any, e: Any) -> Any:
    """The same for many bodies."""
    return np.sum(cr.vmap(anomaly, in_axes=(0, None))(means, e))


def newton(ps: Any, a: Any) -> Any:
    """The root of y**3 + p y = a for each p, by Newton's method from the root before."""
    y, total = 1.0, 0.0
    for p in ps:
        step = 1.0
        while abs(step) > 1e-10:
            step = (y * y * y + p * y - a) / (3 * y * y + p)
            y = y - step
        total = total + y
    return total


def escape(a: Any, b: Any) -> Any:
    """Iterations until a point escapes."""
    x, y, k = 0.0, 0.0, 0
    while k < STEPS and x * x + y * y < 4:
        x, y = x * x - y * y + a, 2 * x * y + b
        k += 1
    return x + y + k


def call_price(s0: Any, sigma: Any, rate: Any, normals: Any) -> Any:
    """A European call under Black and Scholes, by Monte Carlo: paths step by step in time."""
    dt = 1.0 / normals.shape[0]
    x = s0 * np.ones(normals.shape[1])
    for z in normals:
        x = x * np.exp((rate - 0.5 * sigma**2) * dt + sigma * np.sqrt(dt) * z)
    return np.exp(-rate) * np.mean(np.maximum(x - 100.0, 0.0))


def determinant(a: Any) -> Any:
    """By expansion along rows, recursively: minors that occur again are written again."""

    def minors(row: int, columns: tuple[int, ...]) -> Any:
        if len(columns) == 1:
            return a[row, columns[0]]
        total: Any = 0.0
        for k, column in enumerate(columns):
            part = a[row, column] * minors(row + 1, columns[:k] + columns[k + 1 :])
            total = total - part if k % 2 else total + part
        return total

    return minors(0, tuple(range(a.shape[0])))


@dataclass
class Case:
    """One program, its arguments, C's name and arguments for it, and what its gradient is by."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    c: tuple[Any, ...]
    argnums: tuple[int, ...] | None = (0,)
    steps: int = 1
    beside: tuple[str, ...] = ()
    """Other C functions of the same arguments, whose times are shown beside."""


def cases() -> list[Case]:
    """All of them."""
    rng = np.random.default_rng(0)
    s = np.array([1.0, 0.5, 0.0, 0.2])
    m = 14
    w1, w2 = rng.standard_normal((2, 4 * m, 2 * m)) * 0.3
    xs = rng.standard_normal((1000, m))
    u = rng.random(1000)
    means = rng.uniform(0.1, 3.0, 1_000_000)
    a = rng.standard_normal((8, 8))
    ps = rng.uniform(0.5, 3.0, 100_000)
    normals = rng.standard_normal((50, 100_000))
    market = (100.0, 0.2, 0.05)
    return [
        Case("gradient descent on x**3", descend, (1.0,), (1.0, STEPS), (0,), STEPS),
        Case("rk4, 4 states", rk4, (s, 2.0), (s, 2.0, 100_000), (0, 1), 100_000),
        Case("lstm, 2 layers of 14", lstm, (w1, w2, xs), (w1, w2, xs, 1000, m), (0, 1), 1000),
        Case("heat, 1000 cells", heat, (u, 0.2), (u, 0.2, 1000, 10_000), (0, 1), 10_000),
        Case("kepler, 1e6 elements", kepler, (means, 0.3), (means, 0.3, 1_000_000), (1,), 1),
        Case("newton, 1e5 parameters", newton, (ps, 2.0), (ps, 2.0, 100_000), (0, 1), 100_000),
        Case("escape time", escape, EDGE, (*EDGE, STEPS), (0, 1), STEPS),
        Case(
            "Monte Carlo, 1e5 paths", call_price, (*market, normals),
            (*market, normals, 50, 100_000), (0, 1, 2), 50,
        ),
        Case(
            "determinant by minors, 8x8", determinant, (a,), (a, 8), (0,), 1,
            beside=("determinant_unshared",),
        ),
    ]  # fmt: skip


def as_c(x: Any) -> Any:
    """An argument as C takes it."""
    if isinstance(x, np.ndarray):
        return ctypes.c_void_p(x.ctypes.data)
    return ctypes.c_long(x) if isinstance(x, int) else ctypes.c_double(x)
