"""A saddle point, by descent through the result of an ascent."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .descent import MODES, argmax, argmin
from .measured import lists, measured, numbers


def height(x: Any, y: Any) -> Any:
    """Rises with x, falls with y."""
    return np.sum(x**2) - np.sum(y**2)


def saddle(outer: str, inner: str) -> Any:
    """The lowest of the highest points, from a start, with derivatives in two modes."""

    def highest(x: Any, start: Any) -> Any:
        def f(y: Any) -> Any:
            return height(x, y)

        return argmax(f, MODES[inner](f), start)

    def found(start: Any) -> Any:
        def f(x: Any) -> Any:
            return height(x, highest(x, start))

        x = argmin(f, MODES[outer](f), start)
        return np.concatenate([x, highest(x, start)])

    return found


def arguments(message: Any) -> Any:
    """Where to start."""
    return (numbers(message["start"]),)


rr, rf, fr, ff = [
    measured(arguments, lists)(cr.jit(saddle(m[0], m[1]))) for m in ("rr", "rf", "fr", "ff")
]
