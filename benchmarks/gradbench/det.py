"""The determinant by expansion along rows, each minor computed anew, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr

from .measured import lists, measured, numbers

WRITTEN_OUT = 3
"""Minors up to this size are written out; above, one loop goes through the columns of each."""


def determinant(a: Any) -> Any:
    """Expansion along the first row."""
    m = len(a)
    if m == 1:
        return a[0, 0]
    first, below = a[0], a[1:]
    others = np.arange(m - 1)

    def term(j: Any) -> Any:
        minor = below[:, others + (others >= j)]
        return (1 - 2 * (j % 2)) * first[j] * determinant(minor)

    if m <= WRITTEN_OUT:
        return sum(term(j) for j in range(m))
    return cr.fori_loop(0, m, lambda j, total: total + term(j), 0.0)


def arguments(message: Any) -> Any:
    """The matrix."""
    return (numbers(message["A"]).reshape(message["ell"], message["ell"]),)


primal = measured(arguments)(cr.jit(determinant))
gradient = measured(arguments, lambda g: lists(g.ravel()))(cr.jit(cr.grad(determinant)))
