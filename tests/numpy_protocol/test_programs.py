"""Programs that know of NumPy only, differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import chainrule as cr

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 3)), RNG.random(8) < 0.5


def logistic(w: Any) -> Any:
    """Negative log-likelihood, with everything NumPy has against overflow."""
    z = np.dot(X, w)
    return np.mean(np.logaddexp(0, z)) - np.average(z * Y) + 0.1 * np.linalg.norm(w) ** 2


def gaussian_process(p: Any) -> Any:
    """Log marginal likelihood by Cholesky factorization."""
    d = np.sum((X[:, None] - X[None]) ** 2, axis=-1)
    k = np.exp(p[0]) * np.exp(-d / np.exp(2 * p[1])) + np.exp(p[2]) * np.eye(8)
    c = np.linalg.cholesky(k)
    a = np.linalg.solve(c, np.asarray(Y, float))
    return 0.5 * np.vdot(a, a) + np.log(np.diagonal(c)).sum()


def filtered(x: Any) -> Any:
    """A spectral filter, built in an array that is filled in place."""
    f = np.fft.rfft(x)
    damped = np.zeros_like(f)
    damped[:3] = f[:3]
    np.multiply.at(damped, [0, 0], 0.5)
    y = np.fft.irfft(damped, n=len(x))
    return np.trapezoid(y**2, dx=0.1) + np.ptp(y)


def integrated(p: Any) -> Any:
    """Euler steps, collected in a list."""
    state, states = np.stack([p[0], p[1]]), []
    for _ in range(10):
        state = state + 0.1 * np.array([0.0, 1.0]) * np.sin(state[::-1]) - 0.1 * p[2] * state
        states.append(state)
    path = np.stack(states)
    return np.max(np.abs(path)) + np.interp(0.35, np.linspace(0, 1, 10), path[:, 0])


def written(x: Any) -> Any:
    """Buffers given by `out=`, masks by `where=`, values by np.copyto."""
    out = np.zeros_like(x)
    np.log(x, out=out, where=x > 0.5)
    np.copyto(out, x * 2, where=np.arange(x.size) % 3 == 0)
    np.add(out, np.roll(x, 1), out=out)
    out[-1] += np.clip(x[0], 0.2, 0.9)
    return np.sum(out**2, initial=1.0) + np.einsum("i,i", out, special.erf(x))


PROGRAMS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "logistic": (logistic, RNG.normal(size=3)),
    "gaussian process": (gaussian_process, RNG.normal(size=3)),
    "filtered": (filtered, RNG.normal(size=10)),
    "integrated": (integrated, np.array([1.1, 0.3, 0.2])),
    "written": (written, RNG.uniform(0.2, 1.0, 7)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    """Value, gradient and Hessian agree with plain NumPy and with differences."""
    f, x = PROGRAMS[name]
    value, gradient = cr.value_and_grad(f)(x)
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    h = 1e-6
    steps = h * np.eye(x.size)
    differences = [(f(x + e) - f(x - e)) / (2 * h) for e in steps]
    np.testing.assert_allclose(gradient, differences, rtol=1e-5, atol=1e-7)
    g = cr.grad(f)
    second = [(g(x + e) - g(x - e)) / (2 * h) for e in steps]
    np.testing.assert_allclose(cr.hessian(f)(x), second, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.filterwarnings("ignore")
def test_program_on_a_batch(name: str) -> None:
    """The same traced once and run on a batch, writes, masks and `out=` included."""
    f, x = PROGRAMS[name]
    batch = np.stack([x, 1.05 * x])
    for g in (f, cr.grad(f)):
        expected = np.stack([g(row) for row in batch])
        np.testing.assert_allclose(cr.vmap(g)(batch), expected, rtol=1e-12, atol=1e-13)
