"""logsumexp from its parts, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import lists, measured, numbers


def logsumexp(x: Any) -> Any:
    """log of the sum of exp(x), from the largest up."""
    largest = np.max(x)
    return largest + np.log(np.sum(np.exp(x - largest)))


def arguments(message: Any) -> Any:
    """The vector."""
    return (numbers(message["x"]),)


primal = measured(arguments)(cr.jit(logsumexp))
gradient = measured(arguments, lists)(cr.jit(cr.grad(logsumexp)))
