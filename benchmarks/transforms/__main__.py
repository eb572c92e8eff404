"""Functional transforms, eagerly, beside torch.func and autograd; vmap beside NumPy by hand.

`python -m benchmarks.transforms` prints microseconds a call and ratios to chainrule's. The
contestants take short turns, so that a busy moment of the machine hits all of them; the figure of
each is the median of its turns. Each is called for a second before, as in a solver that has begun:
by then chainrule has compiled the walks that are repeated. One thread.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded

import gc
import platform
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np
import torch

import chainrule as cr

torch.set_num_threads(1)

TURNS = 9
SECONDS = 0.02
"""How long one contestant's turn lasts, at least one call."""
WARM = 1.0
"""Seconds that each contestant is called before."""
SIZES = (10, 100, 1000)
AIMS = 5, 3
"""Ratios that are aimed at, to torch.func and to autograd."""

Function = Callable[..., Any]


# --- functions, written for any namespace ---------------------------------------------------------


def residuals(t: Any, n: int, array: Function) -> Function:
    """The terms of the Rosenbrock function, by slices."""
    return lambda x: 100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2


def rosenbrock(t: Any, n: int, array: Function) -> Function:
    """The Rosenbrock function."""
    terms = residuals(t, n, array)
    return lambda x: terms(x).sum()


def perceptron(t: Any, n: int, array: Function) -> Function:
    """Three layers, n-32-32-10."""
    rng = np.random.default_rng(0)
    weights = [
        array(rng.standard_normal((k, m)) / m**0.5) for k, m in ((32, n), (32, 32), (10, 32))
    ]

    def f(x: Any) -> Any:
        for w in weights[:-1]:
            x = t.tanh(w @ x)
        return weights[-1] @ x

    return f


def loss(t: Any, n: int, array: Function) -> Function:
    """The sum of squares of the same."""
    f = perceptron(t, n, array)
    return lambda x: (f(x) ** 2).sum()


def logsumexp(t: Any, n: int, array: Function) -> Function:
    """log of the sum of exp(a x) for a matrix a of 50 rows."""
    a = array(np.random.default_rng(1).standard_normal((50, n)) / n**0.5)
    return lambda x: t.log(t.exp(a @ x).sum())


PROGRAMS: Sequence[tuple[str, Function]] = (
    ("gradient", rosenbrock),
    ("gradient", loss),
    ("gradient", logsumexp),
    ("jacobian", residuals),
    ("jacobian", perceptron),
    ("hessian", rosenbrock),
    ("hessian", loss),
    ("hessian", logsumexp),
)

OURS = {"gradient": cr.grad, "jacobian": cr.jacobian, "hessian": cr.hessian}
AUTOGRAD = {
    "gradient": autograd.grad, "jacobian": autograd.jacobian, "hessian": autograd.hessian,
}  # fmt: skip
TORCH = {
    "gradient": torch.func.grad, "jacobian": torch.func.jacrev, "hessian": torch.func.hessian,
}  # fmt: skip


# --- a function of one example -------------------------------------------------------------------


def one(x: Any, t: Any) -> Any:
    """Twenty operations on a vector of three."""
    a = t.sin(x) * t.cos(x) + x
    b = t.exp(-a * a) + 1
    c = t.sqrt(b) / (1 + a * a) - x
    d = (c * b).sum() * x + t.tanh(a)
    return (d * d + c).sum()


def by_hand(x: Any) -> Any:
    """The same for a batch, in NumPy."""
    a = np.sin(x) * np.cos(x) + x
    b = np.exp(-a * a) + 1
    c = np.sqrt(b) / (1 + a * a) - x
    d = (c * b).sum(1, keepdims=True) * x + np.tanh(a)
    return (d * d + c).sum(1)


# --- measuring -----------------------------------------------------------------------------------


def microseconds(call: Function, seconds: float = SECONDS) -> float:
    """Time of one call, averaged over a turn."""
    calls, start = 0, perf_counter()
    while (passed := perf_counter() - start) < seconds:
        call()
        calls += 1
    return 1e6 * passed / calls


def compared(calls: Sequence[Function]) -> list[float]:
    """The median time of each, in turns."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        microseconds(call, WARM)
    gc.collect()
    for _ in range(TURNS):
        for call, record in zip(calls, times, strict=True):
            record.append(microseconds(call))
    return [median(t) for t in times]


def compare(kind: str, program: Function, n: int) -> None:
    """Print the line of one program."""
    x = np.random.default_rng(n).uniform(0.5, 1.5, n)
    tensor = torch.tensor(x)
    ours = OURS[kind](program(np, n, np.asarray))
    theirs = TORCH[kind](program(torch, n, torch.tensor))
    others = AUTOGRAD[kind](program(anp, n, np.asarray))
    np.testing.assert_allclose(ours(x), theirs(tensor).numpy(), rtol=1e-6, atol=1e-6)
    mine, torchs, autograds = compared([lambda: ours(x), lambda: theirs(tensor), lambda: others(x)])
    print(
        f"{f'{kind}, {program.__name__}, n = {n}':<32}{mine:>10.0f}"
        f"{torchs:>12.0f}{torchs / mine:>8.1f}{AIMS[0]:>6}"
        f"{autograds:>12.0f}{autograds / mine:>8.1f}{AIMS[1]:>6}"
    )


def compare_batch(size: int) -> None:
    """Print the line of vmap for a batch of this size."""
    batch = np.random.default_rng(0).standard_normal((size, 3))
    tensor = torch.tensor(batch)
    ours, theirs = cr.vmap(lambda x: one(x, np)), torch.func.vmap(lambda x: one(x, torch))
    np.testing.assert_allclose(ours(batch), by_hand(batch))
    mine, hands, torchs = compared(
        [lambda: ours(batch), lambda: by_hand(batch), lambda: theirs(tensor)]
    )
    title = f"vmap of 20 operations, {size}"
    print(f"{title:<32}{mine:>10.0f}{hands:>12.0f}{hands / mine:>8.2f}{torchs:>12.0f}")


def main() -> None:
    """Print the tables."""
    print(
        f"chainrule {cr.__version__}, PyTorch {torch.__version__}, NumPy {np.__version__}, "
        f"Python {platform.python_version()}"
    )
    print(
        f"{'us a call':<32}{'chainrule':>10}{'torch.func':>12}{'ratio':>8}{'aim':>6}"
        f"{'autograd':>12}{'ratio':>8}{'aim':>6}"
    )
    for kind, program in PROGRAMS:
        for n in SIZES:
            compare(kind, program, n)
    print(f"\n{'us a call':<32}{'chainrule':>10}{'by hand':>12}{'ratio':>8}{'torch.func':>12}")
    for size in (1000, 100_000):
        compare_batch(size)


if __name__ == "__main__":
    main()
