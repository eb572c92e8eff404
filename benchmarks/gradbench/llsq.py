"""Least squares: a polynomial that follows the sign function; gradient in its coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import lists, measured, numbers


def loss(x: Any, n: int) -> Any:
    """Half the sum of squared residuals at n points from -1 to 1."""
    t = np.linspace(-1.0, 1.0, n)
    residual, power = np.sign(t), np.ones(n)
    for j in range(len(x)):
        residual = residual - x[j] * power
        power = power * t
    return np.sum(residual**2) / 2


def arguments(message: Any) -> Any:
    """Coefficients, and the number of points."""
    return numbers(message["x"]), message["n"]


primal = measured(arguments)(cr.jit(loss, static=1))
gradient = measured(arguments, lists)(cr.jit(cr.grad(loss), static=1))
