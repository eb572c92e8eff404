"""Compiled code beside its peers, in one run: `python -m benchmarks.compiler [name ...]`.

Each case gives functions that do the same; they take turns, so that a busy moment of the machine
hits all of them, and the figure of each is the median of its turns. A turn begins with a call that
is not counted, as it finds in the caches what the others left there. One processor. Ratios are to
chainrule's time (above 1: chainrule is faster). First calls are measured once, in this process.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is loaded
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_ENABLE_X64"] = "1"
if hasattr(os, "sched_setaffinity"):  # JAX's matrix products use every processor all the same
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import gc
import platform
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.compiler.cases import CASES
from benchmarks.compiler.contestants import FUNCTION

TURNS = 15
SECONDS = 0.03
"""How long one contestant's turn lasts, at least."""


def first_call(step: Callable[[], Any]) -> float:
    """Seconds of the first call."""
    start = perf_counter()
    step()
    return perf_counter() - start


def measure(steps: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median seconds per call of each contestant."""
    counts = {}
    for name, step in steps.items():
        start = perf_counter()
        step()
        counts[name] = max(int(SECONDS / max(perf_counter() - start, 1e-7)), 1)
    times: dict[str, list[float]] = {name: [] for name in steps}
    gc.disable()
    for _ in range(TURNS):
        for name, step in steps.items():
            step()
            start = perf_counter()
            for _ in range(counts[name]):
                step()
            times[name].append((perf_counter() - start) / counts[name])
    gc.enable()
    return {name: median(t) for name, t in times.items()}


def show(seconds: float) -> str:
    """A time with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def main() -> None:
    """Run the cases named on the command line, or all."""
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    wanted = sys.argv[1:]
    gradients: dict[str, float] = {}
    for name, case in CASES.items():
        if wanted and not any(w in name for w in wanted):
            continue
        steps = case()
        firsts = {k: first_call(step) for k, step in steps.items()}
        times = measure(steps)
        own = times["chainrule"]
        print(f"\n{name}")
        for k, t in times.items():
            shown = "" if k == "chainrule" else f"  {t / own:6.2f} x"
            print(f"  {k:<20} {show(t):>10}{shown:>12}   first call {show(firsts[k]):>10}")
        if FUNCTION in times:
            gradients[name] = own / times[FUNCTION]
    if gradients:
        print("\nevery gradient by its function's time")
        for name, ratio in gradients.items():
            print(f"  {ratio:5.2f}  {name}")


if __name__ == "__main__":
    main()
