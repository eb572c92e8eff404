"""Composite functions against JAX (in float64) and HIPS autograd: values, gradients, Hessians.

Each function is written once, in terms of a namespace `xp`: NumPy itself, given chainrule's
Tensors, `jax.numpy` or `autograd.numpy`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.transforms.backward import gradients

jax = pytest.importorskip("jax")
autograd = pytest.importorskip("autograd")

pytestmark = [
    pytest.mark.peers,
    # HIPS autograd asks NumPy for names that are about to go
    pytest.mark.filterwarnings("ignore::DeprecationWarning:autograd"),
]
rng = np.random.default_rng(7)

# --- the functions --------------------------------------------------------------------------------


def rosenbrock(xp: Any, x: Any) -> Any:
    """The valley in five dimensions."""
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def mlp(xp: Any, w: Any) -> Any:
    """Squared loss of a network with two hidden layers."""
    inputs, targets = INPUTS, TARGETS
    a = xp.reshape(w[:12], (3, 4))
    b = xp.reshape(w[12:28], (4, 4))
    hidden = xp.tanh(xp.tanh(inputs @ a) @ b + w[28:32])
    return xp.mean((hidden @ w[32:36] - targets) ** 2)


def logistic(xp: Any, w: Any) -> Any:
    """Negative log-likelihood of logistic regression, with a penalty."""
    return xp.sum(xp.logaddexp(0.0, -SIGNS * (INPUTS @ w))) + 0.1 * xp.dot(w, w)


def softmax_regression(xp: Any, w: Any) -> Any:
    """Cross-entropy of three classes."""
    scores = INPUTS @ xp.reshape(w, (3, 3))
    shifted = scores - xp.max(scores, axis=1, keepdims=True)
    logs = shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
    return -xp.mean(logs[np.arange(6), CLASSES])


def gaussian_process(xp: Any, theta: Any) -> Any:
    """Log-likelihood by Cholesky factorization: amplitude, length and noise, as logarithms."""
    gaps = POINTS[:, None] - POINTS[None, :]
    k = xp.exp(theta[0]) * xp.exp(-0.5 * gaps**2 * xp.exp(-2 * theta[1])) + xp.exp(
        theta[2]
    ) * np.eye(6)
    factor = xp.linalg.cholesky(k)
    z = xp.linalg.solve(factor, TARGETS)
    return -0.5 * xp.dot(z, z) - xp.sum(xp.log(xp.diagonal(factor, 0, -1, -2)))


def spectrum(xp: Any, x: Any) -> Any:
    """Distance of a power spectrum from a target."""
    return xp.sum((xp.abs(xp.fft.fft(x)) ** 2 - POWERS) ** 2)


def lennard_jones(xp: Any, x: Any) -> Any:
    """Energy of four particles in space."""
    p = xp.reshape(x, (4, 3))
    first, second = np.triu_indices(4, 1)
    r = xp.sum((p[first] - p[second]) ** 2, axis=1)
    return xp.sum(r**-6 - 2 * r**-3)


def recurrent(xp: Any, w: Any) -> Any:
    """The last state of a recurrent cell."""
    h = np.zeros(2)
    for x in INPUTS[:, 0]:
        h = xp.tanh(xp.reshape(w[:4], (2, 2)) @ h + w[4:] * x)
    return xp.sum(h)


def log_determinant(xp: Any, x: Any) -> Any:
    """Log-determinant and inverse of a shifted Gram matrix."""
    a = xp.reshape(x, (3, 3))
    gram = a @ xp.transpose(a) + np.eye(3)
    return xp.linalg.slogdet(gram)[1] + xp.trace(xp.linalg.inv(gram))


def eigenvalues(xp: Any, x: Any) -> Any:
    """A sum of functions of the eigenvalues of a symmetric matrix."""
    a = xp.reshape(x, (3, 3))
    return xp.sum(xp.exp(xp.linalg.eigh(a + xp.transpose(a))[0]))


def einsum_energy(xp: Any, x: Any) -> Any:
    """A cubic form."""
    return xp.einsum("i,j,k,ijk->", x, x, x, CUBE)


def cumulative(xp: Any, x: Any) -> Any:
    """Products, running sums and sorted values."""
    return xp.prod(1 + x**2) + xp.sum(xp.cumsum(x) ** 2) + xp.dot(xp.sort(x), np.arange(4.0))


INPUTS, TARGETS = rng.normal(size=(6, 3)), rng.normal(size=6)
SIGNS, CLASSES = np.sign(rng.normal(size=6)), rng.integers(0, 3, 6)
POINTS, POWERS, CUBE = (
    np.sort(rng.uniform(0, 3, 6)),
    rng.uniform(1, 5, 8),
    rng.normal(size=(3, 3, 3)),
)

FUNCTIONS: list[tuple[Callable[[Any, Any], Any], Any]] = [
    (rosenbrock, rng.normal(size=5)),
    (mlp, 0.5 * rng.normal(size=36)),
    (logistic, rng.normal(size=3)),
    (softmax_regression, rng.normal(size=9)),
    (gaussian_process, np.array([0.1, -0.3, -1.0])),
    (spectrum, rng.normal(size=8)),
    (lennard_jones, rng.normal(size=12) * 2),
    (recurrent, rng.normal(size=6)),
    (log_determinant, rng.normal(size=9)),
    (eigenvalues, 0.5 * rng.normal(size=9)),
    (einsum_energy, rng.normal(size=3)),
    (cumulative, rng.normal(size=4)),
]

# --- the comparison -------------------------------------------------------------------------------


def by_chainrule(f: Callable[[Any, Any], Any], at: Any) -> tuple[Any, Any, Any]:
    """Value, gradient, and the Hessian row by row from the recorded gradient."""
    x = cr.tensor(at, requires_grad=True)
    y = f(np, x)
    (g,) = gradients([y], [x], create_graph=True)
    rows = [gradients([g[i]], [x], retain_graph=True)[0].numpy() for i in range(x.size)]
    return float(y), g.detach().numpy(), np.stack(rows)


@pytest.fixture
def double() -> Any:
    """JAX in float64."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def agree(ours: tuple[Any, Any, Any], theirs: tuple[Any, Any, Any]) -> None:
    """Values, gradients and Hessians, up to rounding."""
    for a, b, digits in zip(ours, theirs, (1e-12, 1e-10, 1e-8), strict=True):
        scale = max(1.0, float(np.abs(b).max()))
        np.testing.assert_allclose(a, np.asarray(b), rtol=digits, atol=digits * scale)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("f", "at"), FUNCTIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_jax(f: Callable[[Any, Any], Any], at: Any) -> None:
    """Value, gradient and Hessian."""

    def one(x: Any) -> Any:
        return f(jax.numpy, x)

    agree(by_chainrule(f, at), (one(at), jax.grad(one)(at), jax.hessian(one)(at)))


@pytest.mark.parametrize(("f", "at"), FUNCTIONS, ids=lambda v: getattr(v, "__name__", ""))
def test_autograd(f: Callable[[Any, Any], Any], at: Any) -> None:
    """Value, gradient and Hessian."""

    def one(x: Any) -> Any:
        return f(autograd.numpy, x)

    agree(by_chainrule(f, at), (one(at), autograd.grad(one)(at), autograd.hessian(one)(at)))
