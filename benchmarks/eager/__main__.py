"""Eager code beside PyTorch and autograd: the text's programs, its gradient descent, a perceptron.

`python -m benchmarks.eager` prints microseconds per iteration (forward, backward, and the update
where there is one) and ratios to chainrule's. The contestants take short turns, so that a busy
moment of the machine hits all of them; the figure of each is the median of its turns. Each runs
for a second before, as a descent that has begun: by then chainrule has compiled the walks that are
repeated. One thread.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import gc
import platform
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Any

import autograd.numpy as anp
import numpy as np
import torch
from autograd import value_and_grad

import chainrule
import chainrule.torch as ours

torch.set_num_threads(1)

TURNS = 41
SECONDS = 0.02
"""How long one contestant's turn lasts."""

WARM = 1.0
"""Seconds that each contestant runs before."""

Step = Callable[[], Any]


def two_variables(t: Any) -> Step:
    """f = 3 x1^2 + x2 + exp(x1 x2), forward and backward."""
    x1 = t.tensor(1.0, requires_grad=True)
    x2 = t.tensor(2.0, requires_grad=True)

    def step() -> Any:
        f = 3 * (x1**2) + x2 + t.exp(x1 * x2)
        f.backward()
        return x1.grad

    return step


def sum_of_squares(t: Any) -> Step:
    """g = sum(z^2) of a vector of three."""
    z = t.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def step() -> Any:
        g = t.sum(z**2)
        g.backward()
        return z.grad

    return step


def classifier(t: Any) -> Step:
    """Squared loss of a linear classifier with two parameters on three points."""
    X = t.tensor([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
    y = t.tensor([[1.0, 0.0, 1.0]])
    theta = t.ones(2, 1, requires_grad=True)

    def step() -> Any:
        predict = X @ theta
        loss = t.sum((predict - y) ** 2)
        loss.backward()
        return theta.grad

    return step


def gradient_descent(t: Any) -> Step:
    """One step of the text's gradient descent on x^3."""
    xk = t.tensor(2.0, requires_grad=True, dtype=t.float)

    def step() -> Any:
        nonlocal xk
        value = xk**3
        value.backward()
        with t.no_grad():
            xk -= 1e-3 * xk.grad
        xk.grad.zero_()
        return xk

    return step


def perceptron(t: Any) -> Step:
    """One step of three layers (64-256-256-10) on a batch of 128, with its update."""
    rng = np.random.default_rng(0)
    sizes = [64, 256, 256, 10]
    weights = [
        t.tensor((rng.standard_normal((m, n)) / m**0.5).astype(np.float32), requires_grad=True)
        for m, n in pairwise(sizes)
    ]
    biases = [t.zeros(n, requires_grad=True) for n in sizes[1:]]
    x = t.tensor(rng.standard_normal((128, 64)).astype(np.float32))
    labels = t.tensor(rng.integers(0, 10, 128))

    def step() -> Any:
        h = x
        for w, b in zip(weights[:-1], biases[:-1], strict=True):
            h = t.relu(h @ w + b)
        loss = t.nn.functional.cross_entropy(h @ weights[-1] + biases[-1], labels)
        loss.backward()
        with t.no_grad():
            for p in (*weights, *biases):
                p -= 0.01 * p.grad
                p.grad.zero_()
        return weights[0]

    return step


def autograd_two_variables() -> Step:
    """The same in autograd."""
    f = value_and_grad(lambda x: 3 * x[0] ** 2 + x[1] + anp.exp(x[0] * x[1]))
    return lambda: f((np.float32(1.0), np.float32(2.0)))


def autograd_sum_of_squares() -> Step:
    """The same in autograd."""
    f, z = value_and_grad(lambda z: anp.sum(z**2)), np.array([1, 2, 3], np.float32)
    return lambda: f(z)


def autograd_classifier() -> Step:
    """The same in autograd."""
    X = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]], np.float32)
    y, theta = np.array([[1, 0, 1]], np.float32), np.ones((2, 1), np.float32)
    f = value_and_grad(lambda theta: anp.sum((X @ theta - y) ** 2))
    return lambda: f(theta)


def autograd_gradient_descent() -> Step:
    """The same in autograd."""
    f, x = value_and_grad(lambda x: x**3), 2.0

    def step() -> Any:
        nonlocal x
        x = x - 1e-3 * f(x)[1]

    return step


def autograd_perceptron() -> Step:
    """The same in autograd."""
    rng = np.random.default_rng(0)
    sizes = [64, 256, 256, 10]
    params = [
        (rng.standard_normal((m, n)) / m**0.5).astype(np.float32) for m, n in pairwise(sizes)
    ] + [np.zeros(n, np.float32) for n in sizes[1:]]
    x = rng.standard_normal((128, 64)).astype(np.float32)
    labels = np.eye(10, dtype=np.float32)[rng.integers(0, 10, 128)]

    def loss(p: Any) -> Any:
        h = x
        for w, b in zip(p[:2], p[3:5], strict=True):
            h = anp.maximum(h @ w + b, 0)
        z = h @ p[2] + p[5]
        top = anp.max(z, axis=1, keepdims=True)
        z = z - top
        return -anp.mean(anp.sum(labels * z, axis=1) - anp.log(anp.sum(anp.exp(z), axis=1)))

    f = value_and_grad(loss)

    def step() -> Any:
        for p, g in zip(params, f(params)[1], strict=True):
            p -= 0.01 * g

    return step


PROGRAMS: dict[str, tuple[Callable[[Any], Step], Callable[[], Step], float]] = {
    "two variables": (two_variables, autograd_two_variables, 10.0),
    "sum of squares": (sum_of_squares, autograd_sum_of_squares, 10.0),
    "classifier": (classifier, autograd_classifier, 10.0),
    "gradient descent": (gradient_descent, autograd_gradient_descent, 10.0),
    "perceptron": (perceptron, autograd_perceptron, 1.0),
}
"""Program for PyTorch's names, the same for autograd, and the ratio to PyTorch that is aimed at."""


def microseconds(step: Step, seconds: float = SECONDS) -> float:
    """Time of one iteration, averaged over a turn."""
    calls, start = 0, perf_counter()
    while (passed := perf_counter() - start) < seconds:
        for _ in range(10):
            step()
        calls += 10
    return 1e6 * passed / calls


def main() -> None:
    """Print the table."""
    compiled = not chainrule.ops.hot.__file__.endswith(".py")
    print(
        f"chainrule {chainrule.__version__} ({'compiled' if compiled else 'pure Python'}), "
        f"PyTorch {torch.__version__}, NumPy {np.__version__}, Python {platform.python_version()}"
    )
    print(
        f"{'us an iteration':<20}{'chainrule':>10}"
        f"{'PyTorch':>10}{'ratio':>8}{'aim':>6}{'autograd':>10}{'ratio':>8}{'aim':>6}"
    )
    for title, (program, peer, aim) in PROGRAMS.items():
        a, b = program(ours)(), program(torch)()
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=2e-4, atol=1e-6
        )  # the contestants compute the same
        steps = [program(ours), program(torch), peer()]
        times: list[list[float]] = [[], [], []]
        for step in steps:
            microseconds(step, WARM)
        gc.collect()
        for _ in range(TURNS):
            for step, record in zip(steps, times, strict=True):
                record.append(microseconds(step))
        mine, torchs, autograds = map(median, times)
        print(
            f"{title:<20}{mine:>10.2f}{torchs:>10.2f}{torchs / mine:>8.1f}{aim:>6.0f}"
            f"{autograds:>10.2f}{autograds / mine:>8.1f}{3:>6.0f}"
        )


if __name__ == "__main__":
    main()
