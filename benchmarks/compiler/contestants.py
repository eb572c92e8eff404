"""What a case is made of, and how cases are entered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import chainrule as cr

Steps = dict[str, Callable[[], Any]]
"""Contestants by name. Of a gradient, FUNCTION is its function's value, compiled: no contestant."""

FUNCTION = "its function"
rng = np.random.default_rng(0)

CASES: dict[str, Callable[[], Steps]] = {}


def case(name: str) -> Callable[[Callable[[], Steps]], Callable[[], Steps]]:
    """Enter a case under a name."""

    def enter(function: Callable[[], Steps]) -> Callable[[], Steps]:
        CASES[name] = function
        return function

    return enter


def ready(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """A call of a JAX function that waits for its result."""
    return lambda: jax.block_until_ready(function(*args))


def value_of(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """A call of the function that a gradient is of."""
    compiled = cr.jit(function)
    return lambda: compiled(*args)
