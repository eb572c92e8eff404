"""What an eval's module is made of: functions that are timed on arguments read from JSON."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Measured:
    """A function of an eval: `before` makes its arguments of the message's input, untimed, and
    `after` the answer of its result.
    """

    function: Callable[..., Any]
    before: Callable[[Any], tuple[Any, ...]]
    after: Callable[[Any], Any]
    once: bool

    def __call__(self, message: Any) -> Any:
        """The output, without times."""
        return self.after(self.function(*self.before(message)))

    def evaluate(self, message: Any) -> dict[str, Any]:
        """The output, and the time of each call: as many as the message asks for."""
        args = self.before(message)
        runs, seconds = (1, 0.0) if self.once else (message["min_runs"], message["min_seconds"])
        del message
        times: list[int] = []
        result = None
        while len(times) < runs or sum(times) < seconds * 1e9:
            start = time.perf_counter_ns()
            result = self.function(*args)
            times.append(time.perf_counter_ns() - start)
        timings = [{"name": "evaluate", "nanoseconds": t} for t in times]
        return {"output": self.after(result), "timings": timings}


def measured(
    before: Callable[[Any], tuple[Any, ...]],
    after: Callable[[Any], Any] = float,
    *,
    once: bool = False,
) -> Callable[[Callable[..., Any]], Measured]:
    """Decorate a function of an eval (see `Measured`); one that is called `once` has no counts."""
    return lambda function: Measured(function, before, after, once)


def numbers(x: Any) -> Any:
    """Nested lists as an array."""
    return np.asarray(x, np.float64)


def lists(x: Any) -> Any:
    """An array as nested lists."""
    return x.tolist()
