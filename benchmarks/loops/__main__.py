"""Loops beside C compiled by `gcc -O3 -march=native`: `python -m benchmarks.loops [name ...]`.

Each line: time of the value and what it is to C's, time of the gradient and what it is to the
value's, seconds of the first calls. Functions take turns; the figure is the least of their turns.
Last, gradients within a memory budget ("budget" alone asks for these).
One thread. JAX's `fori_loop` runs beside gradient descent where JAX is installed.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy is loaded
os.environ["JAX_ENABLE_X64"] = "1"

import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks.loops.cases import STEPS, Case, as_c, cases

TURNS = 5


def library(folder: str) -> ctypes.CDLL:
    """The C functions, compiled."""
    source, out = Path(__file__).with_name("reference.c"), Path(folder) / "reference.so"
    flags = ["-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(out), "-lm"], check=True)
    return ctypes.CDLL(str(out))


def timed(step: Callable[[], Any]) -> float:
    """Seconds of a call."""
    start = perf_counter()
    step()
    return perf_counter() - start


def least(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The least time of each, of calls in turns."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(TURNS):
        for name, step in steps.items():
            count = 1
            if times[name] and times[name][0] < 1e-3:
                count = max(int(5e-3 / times[name][0]), 1)
            times[name].append(timed(lambda s=step, n=count: [s() for _ in range(n)]) / count)
    return {name: min(t) for name, t in times.items()}


def show(seconds: float) -> str:
    """A time with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def run(case: Case, functions: ctypes.CDLL) -> None:
    """One line."""
    c = getattr(functions, case.function.__name__)
    c.restype = ctypes.c_double
    given = [as_c(x) for x in case.c]
    value = cr.jit(case.function)
    first = timed(lambda: value(*case.arguments))
    np.testing.assert_allclose(value(*case.arguments), c(*given), rtol=1e-6)
    steps = {"C": lambda: c(*given), "value": lambda: value(*case.arguments)}
    gradient = cr.jit(cr.grad(case.function, argnums=case.argnums))
    compiled = timed(lambda: gradient(*case.arguments))
    steps["gradient"] = lambda: gradient(*case.arguments)
    for name in case.beside:
        steps[name] = other(getattr(functions, name), given)
    if case.function.__name__ == "descend":
        steps.update(jax_loop())
    t = least(steps)
    per = f", {show(t['value'] / case.steps)} a step" if case.steps > 1 else ""
    print(
        f"{case.name:26} C {show(t['C']):>8}  value {show(t['value']):>8} "
        f"({t['value'] / t['C']:.2f} of C{per})  gradient {show(t['gradient']):>8} "
        f"({t['gradient'] / t['value']:.2f} of value)  first calls {first:.2f} s, {compiled:.2f} s"
    )
    for name in case.beside:
        print(f"{'':26} C {name} {show(t[name])}, value {t['value'] / t[name]:.3f} of it")
    if "jax" in t:
        print(f"{'':26} JAX fori_loop {show(t['jax'] / STEPS)} a step")


def other(c: Any, given: list[Any]) -> Callable[[], Any]:
    """Another C function, called."""
    c.restype = ctypes.c_double
    return lambda: c(*given)


def jax_loop() -> dict[str, Callable[[], Any]]:
    """The same loop in JAX, where it is installed."""
    try:
        import jax
    except ImportError:
        return {}
    loop = jax.jit(
        lambda x: jax.lax.fori_loop(
            0, STEPS, lambda i, x: x - 1e-7 * jax.grad(lambda y: y**3)(x), x
        )
    )
    return {"jax": lambda: loop(1.0).block_until_ready()}


def budgets() -> None:
    """The gradient through many turns, with all that it keeps and within a thousandth of that."""
    for case in cases():
        if case.name not in ("gradient descent on x**3", "escape time"):
            continue
        times, peaks = {}, {}
        for name, memory in (("all", None), ("thousandth", "16kB")):
            gradient = cr.jit(cr.grad(case.function, argnums=case.argnums, memory=memory))
            gradient(*case.arguments)
            peaks[name] = gradient.lower(*case.arguments).loops.arena
            times[name] = lambda g=gradient, c=case: g(*c.arguments)
        t = least(times)
        print(
            f"{case.name:26} gradient within 16 kB {show(t['thousandth'])}, with all kept "
            f"{show(t['all'])} ({t['thousandth'] / t['all']:.2f}); arenas {peaks['thousandth']:,} "
            f"and {peaks['all']:,} bytes"
        )


def main() -> None:
    """All cases, or those named."""
    with tempfile.TemporaryDirectory() as folder:
        functions = library(folder)
        for case in cases():
            if not sys.argv[1:] or any(word in case.name for word in sys.argv[1:]):
                try:
                    run(case, functions)
                except Exception as error:
                    print(f"{case.name:26} {type(error).__name__}: {str(error)[:300]}")
    if not sys.argv[1:] or "budget" in sys.argv[1:]:
        budgets()


if __name__ == "__main__":
    main()
