"""Elementary functions of arrays in the cache, beside NumPy's and SciPy's. One thread.

`python -m benchmarks.vectormath [name ...]` prints nanoseconds for each of 10,000 elements, in
vectors of 256 and of 512 bits and as scalars, the ratio of NumPy's time to the best vectors', and
the milliseconds that LLVM takes for the function more than for a square root. The contestants take
short turns; the figure of each is the quickest of its turns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from scipy import special

from chainrule.codegen.engine import host
from chainrule.codegen.vectormath import FORMULAS
from chainrule.codegen.vectormath.kernel import Kernel, compiled

N = 10_000
TURNS = 60
NUMPY: dict[str, Callable[..., Any]] = {
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "log_sigmoid": special.log_expit,
    "sincos": lambda x: (np.sin(x), np.cos(x)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "erf": special.erf,
    "erfc": special.erfc,
}
"""What computes the function where NumPy has none of that name."""
RANGE = {"asin": (-1, 1), "acos": (-1, 1), "atanh": (-1, 1), "acosh": (1, 20)}
POSITIVE = {"log", "log2", "log10", "sqrt", "rsqrt", "power"}


def operands(name: str, dtype: Any) -> list[Any]:
    """Everyday numbers."""
    rng = np.random.default_rng(0)
    low, high = RANGE.get(name, (0.1, 20) if name in POSITIVE else (-10, 10))
    arity = 2 if name in {"power", "atan2", "hypot"} else 1
    return [rng.uniform(low, high, N).astype(dtype) for _ in range(arity)]


def quickest(contestants: list[Callable[[], Any]]) -> list[float]:
    """Nanoseconds for an element, of each."""
    best = [np.inf] * len(contestants)
    for _ in range(TURNS):
        for i, run in enumerate(contestants):
            start = perf_counter()
            run()
            run()
            best[i] = min(best[i], (perf_counter() - start) / 2)
    return [1e9 * b / N for b in best]


def bound(kernel: Kernel, arguments: list[Any]) -> Callable[[], None]:
    """A call of the kernel, the result's memory at hand."""
    out = np.empty((kernel.results, N), kernel.dtype)
    addresses = [x.ctypes.data for x in (out, *arguments)]
    addresses += [0] * (3 - len(addresses))
    return lambda: kernel.entry(*addresses, N) and out  # keeps the memory


def milliseconds(name: str, bits: int) -> float:
    """What the function adds to compiling a module."""
    return 1e3 * min(compiled([name], bits, 256 // bits, width=256)[1] for _ in range(5))


def main() -> None:
    """Print a table for each precision."""
    names = sys.argv[1:] or list(FORMULAS)
    for bits in (64, 32):
        widths = [
            compiled(names, bits, w // bits, width=w, avx512=host().avx512)[0] for w in (256, 512)
        ]
        scalars, _ = compiled(names, bits, 1)
        least = milliseconds("sqrt", bits)
        columns = "".join(f"{c:>8}" for c in ("256", "512", "scalar", "NumPy", "ratio", "ms"))
        print(f"\n{bits} bits, ns{'':<4}{columns}")
        for name in names:
            arguments = operands(name, f"f{bits // 8}")
            theirs = partial(NUMPY.get(name) or getattr(np, name), *arguments)
            kernels = [*(w[name] for w in widths), scalars[name]]
            with np.errstate(all="ignore"):
                *ours, peer = quickest([*(bound(k, arguments) for k in kernels), theirs])
            cost = milliseconds(name, bits) - least
            print(
                f"{name:<16}{ours[0]:>8.2f}{ours[1]:>8.2f}{ours[2]:>8.2f}{peer:>8.2f}"
                f"{peer / min(ours[:2]):>8.1f}{cost:>8.1f}"
            )


if __name__ == "__main__":
    main()
