"""Time gradients of small and middling programs, beside PyTorch, autograd and JAX in the same run.

Run by `make bench`. The contestants take turns, so that a busy moment of the machine hits all of
them; the figure is the least of the turns, on one thread. Each program is written once, in the
contestant's own names.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

from collections.abc import Callable
from time import perf_counter
from typing import Any

import autograd
import autograd.numpy as anp
import jax
import jax.numpy as jnp
import numpy as np
import torch

import chainrule as cr

torch.set_num_threads(1)
jax.config.update("jax_enable_x64", True)

TURNS = 7
SECONDS = 0.15
"""How long one contestant's turn lasts."""

rng = np.random.default_rng(0)
FEATURES = rng.standard_normal((569, 31))
SIGNS = np.sign(rng.standard_normal(569))


def two_variables(m: Any, x: Any) -> Any:
    """The text's first function."""
    return 3 * x[0] ** 2 + x[1] + m.exp(x[0] * x[1])


def norm_of_vector(m: Any, x: Any) -> Any:
    """The text's second function, on a longer vector."""
    return m.sum(x**2)


def logistic(m: Any, w: Any) -> Any:
    """Loss of a logistic regression of the size of the demonstration's."""
    features, signs = constants(m)
    return m.logaddexp(m.zeros_like(signs), -signs * (features @ w)).mean()


def chain(m: Any, x: Any) -> Any:
    """A thousand operations in a row on one number."""
    for _ in range(500):
        x = m.sin(x) * 1.01
    return x


def constants(m: Any) -> tuple[Any, Any]:
    """The data of the logistic regression as the contestant's arrays."""
    if m not in _made:
        make = torch.tensor if m is torch else jnp.asarray if m is jnp else np.asarray
        _made[m] = make(FEATURES), make(SIGNS)
    return _made[m]


_made: dict[Any, tuple[Any, Any]] = {}

PROGRAMS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "two variables": (two_variables, (1.0, 2.0)),
    "norm, 1000": (norm_of_vector, rng.standard_normal(1000)),
    "logistic, 569 x 31": (logistic, np.zeros(31)),
    "chain of 1000": (chain, 0.5),
}


def tape(module: Any, tensor: Callable[..., Any]) -> Callable[..., Callable[[], Any]]:
    """Forward and backward() where leaves collect gradients."""

    def prepare(f: Callable[[Any, Any], Any], at: Any) -> Callable[[], Any]:
        several = isinstance(at, tuple)
        leaves = [tensor(v, requires_grad=True) for v in (at if several else (at,))]

        def run() -> Any:
            f(module, leaves if several else leaves[0]).backward()
            gradients = [leaf.grad for leaf in leaves]
            for leaf in leaves:
                leaf.grad = None
            return gradients

        return run

    return prepare


def functional(module: Any, grad: Callable[..., Any], array: Callable[[Any], Any]) -> Any:
    """Gradients where a function is transformed."""

    def prepare(f: Callable[[Any, Any], Any], at: Any) -> Callable[[], Any]:
        x = tuple(map(array, at)) if isinstance(at, tuple) else array(at)
        gradient = grad(lambda v: f(module, v))
        return lambda: jax.block_until_ready(gradient(x))

    return prepare


def torch_tensor(v: Any, requires_grad: bool) -> Any:
    """A tensor in double precision."""
    return torch.tensor(v, dtype=torch.float64, requires_grad=requires_grad)


CONTESTANTS = {
    "chainrule": tape(cr, cr.tensor),
    "PyTorch": tape(torch, torch_tensor),
    "autograd": functional(anp, autograd.grad, lambda v: v),
    "JAX, jitted": functional(jnp, lambda f: jax.jit(jax.grad(f)), jnp.asarray),
}


def microseconds(run: Callable[[], Any]) -> float:
    """Time of one call, averaged over a turn."""
    calls, start = 0, perf_counter()
    while (passed := perf_counter() - start) < SECONDS:
        run()
        calls += 1
    return 1e6 * passed / calls


def check(runs: dict[str, Callable[[], Any]]) -> None:
    """All contestants must find the same gradient."""
    found = {name: _flat(run()) for name, run in runs.items()}
    for gradient in found.values():
        np.testing.assert_allclose(gradient, found["chainrule"], rtol=1e-9, atol=1e-12)


def _flat(gradients: Any) -> Any:
    several = isinstance(gradients, (list, tuple))
    return np.concatenate([np.ravel(g) for g in (gradients if several else [gradients])])


def main() -> None:
    """Print a table of times, and of ratios to chainrule's."""
    print("microseconds for value and gradient (and how many times chainrule's)")
    print(f"{'':<20}" + "".join(f"{name:>20}" for name in CONTESTANTS))
    for title, (f, at) in PROGRAMS.items():
        runs = {name: prepare(f, at) for name, prepare in CONTESTANTS.items()}
        check(runs)
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(TURNS):
            for name, run in runs.items():
                best[name] = min(best[name], microseconds(run))
        base = best["chainrule"]
        print(f"{title:<20}" + "".join(f"{t:>12.1f} ({t / base:4.1f})" for t in best.values()))


if __name__ == "__main__":
    main()
