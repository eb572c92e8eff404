"""Log posterior of a mixture of Gaussians with a Wishart prior, and its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import chainrule as cr

from .measured import lists, measured, numbers

PARAMETERS = ("alpha", "mu", "q", "l")


def factors(diagonal: Any, below: Any) -> Any:
    """Lower triangular matrices, from diagonals and what stands below, column by column."""
    k, d = diagonal.shape
    columns, rows = np.triu_indices(d, 1)
    triangular = cr.zeros((k, d, d))
    triangular[:, rows, columns] = below
    triangular[:, np.arange(d), np.arange(d)] = diagonal
    return triangular


def log_multigamma(a: float, d: int) -> float:
    """The logarithm of the gamma function of d dimensions."""
    return d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma(a - j / 2) for j in range(d))


def posterior(alpha: Any, mu: Any, q: Any, l: Any, x: Any, gamma: float, m: int) -> Any:  # noqa: E741
    """The log posterior of points x under components with log weights alpha and means mu."""
    (n, d), k = x.shape, len(alpha)
    diagonal = np.exp(q)
    log_determinant = np.sum(q, axis=1)
    factor = factors(diagonal, l)
    # the factors times the centered points, with one product for all points
    z = np.einsum("kij,nj->nki", factor, x) - np.einsum("kij,kj->ki", factor, mu)
    terms = alpha + log_determinant - 0.5 * np.sum(z**2, axis=-1)
    likelihood = np.sum(cr.logsumexp(terms, axis=1)) - n * cr.logsumexp(alpha)

    freedom = d + m + 1
    constant = freedom * d * (math.log(gamma) - 0.5 * math.log(2))
    constant -= log_multigamma(0.5 * freedom, d)
    squares = np.sum(diagonal**2) + np.sum(l**2)
    prior = 0.5 * gamma**2 * squares - m * np.sum(log_determinant)
    return likelihood - n * d * 0.5 * math.log(2 * math.pi) - prior + k * constant


def arguments(message: Any) -> Any:
    """Parameters, points, and the prior's two numbers."""
    k, d = message["k"], message["d"]
    parameters = [numbers(message[name]) for name in PARAMETERS]
    parameters[3] = parameters[3].reshape(k, d * (d - 1) // 2)
    return *parameters, numbers(message["x"]), message["gamma"], message["m"]


def named(gradient: Any) -> Any:
    """The gradient in each parameter, by name."""
    return dict(zip(PARAMETERS, map(lists, gradient), strict=True))


FIXED = (5, 6)
objective = measured(arguments)(cr.jit(posterior, static=FIXED))
jacobian = measured(arguments, named)(
    cr.jit(cr.grad(posterior, argnums=(0, 1, 2, 3)), static=FIXED)
)
