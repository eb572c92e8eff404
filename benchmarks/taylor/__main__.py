"""Taylor mode: what ten derivatives cost.

`python -m benchmarks.taylor` prints, for functions of one number and of arrays (element by
element), the time of `cr.jet` to orders 1 and 10, of reverse mode nested to orders that take
seconds at most, and of JAX's `jet` where JAX is installed (run from Python, and compiled by
`jax.jit`), as ratios to the time of the function in NumPy; and the operations that a jet executes.
One thread; each figure is the processor's time of the best of several turns.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy is loaded
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import platform
from collections.abc import Callable
from time import process_time
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.graph.node import next_order

ORDER = 10
SECONDS = 0.3
"""How long a contestant is run; the best of its turns counts."""

FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "exp(sin(x))": lambda n, x: n.exp(n.sin(x)),
    "tanh(sin(x) exp(-x^2)) / (1 + x^2)": lambda n, x: (
        n.tanh(n.sin(x) * n.exp(-x * x)) / (1 + x * x)
    ),
}


def best(run: Callable[[], Any]) -> float:
    """Seconds of the fastest turn."""
    run()
    shortest, end = float("inf"), process_time() + SECONDS
    while process_time() < end:
        start = process_time()
        run()
        shortest = min(shortest, process_time() - start)
    return shortest


def nested(f: Callable[[Any], Any], x: Any, order: int) -> Any:
    """The derivative of this order of an elementwise function by nested reverse mode."""
    leaf = cr.tensor(x, requires_grad=True)
    y = cr.sum(f(leaf))
    for k in range(order):
        leaf.grad = None
        y.backward(create_graph=k + 1 < order)
        y = cr.sum(leaf.grad)
    return y


def operations(f: Callable[[Any], Any], order: int) -> int:
    """Operations that a recorded jet executes, the function's included."""
    x = cr.tensor(0.7, requires_grad=True)
    before = next_order()
    cr.jet(f, x, [cr.tensor(1.0)] + [cr.tensor(0.0)] * (order - 1))
    return next_order() - before


def along(x: Any, order: int) -> list[Any]:
    """The series of x + t."""
    return [np.ones_like(x)] + [np.zeros_like(x)] * (order - 1)


def jax_contestants(f: Any, x: Any) -> dict[str, Callable[[], Any]]:
    """JAX's jet, as it is and compiled; nothing where JAX is not installed."""
    try:
        import jax
        import jax.numpy as jnp
        from jax.experimental.jet import jet
    except ImportError:
        return {}
    jax.config.update("jax_enable_x64", True)
    series = [jnp.asarray(c) for c in along(x, ORDER)]

    def run(x: Any) -> Any:
        return jet(lambda x: f(jnp, x), (x,), (series,))

    compiled, a = jax.jit(run), jnp.asarray(x)
    return {
        f"JAX jet, order {ORDER}": lambda: jax.block_until_ready(run(a)),
        f"JAX jet compiled, order {ORDER}": lambda: jax.block_until_ready(compiled(a)),
    }


def main() -> None:
    """Print the tables."""
    print(f"NumPy {np.__version__}, Python {platform.python_version()}, {platform.machine()}")
    for name, f in FUNCTIONS.items():
        counts = {k: operations(lambda x, f=f: f(np, x), k) for k in (1, ORDER, 2 * ORDER)}
        print(f"\n{name}: operations by order {counts}")
        for x in (np.float64(0.7), np.linspace(0.1, 1, 1000), np.linspace(0.1, 1, 100_000)):
            g = lambda x, f=f: f(np, x)  # noqa: E731 - the function of one argument
            runs: dict[str, Callable[[], Any]] = {
                "jet, order 1": lambda g=g, x=x: cr.jet(g, x, along(x, 1)),
                f"jet, order {ORDER}": lambda g=g, x=x: cr.jet(g, x, along(x, ORDER)),
                "nested reverse, order 4": lambda g=g, x=x: nested(g, x, 4),
            }
            if not np.ndim(x):
                runs["nested reverse, order 6"] = lambda g=g, x=x: nested(g, x, 6)
            runs |= jax_contestants(f, x)
            unit = best(lambda g=g, x=x: g(x))
            print(f"  {np.size(x)} numbers; the function in NumPy: {unit * 1e6:.2f} us")
            for label, run in runs.items():
                print(f"    {label:28s} {best(run) / unit:10.1f}")


if __name__ == "__main__":
    main()
