"""Gradients and Hessians of the same programs by PyTorch, JAX and autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
autograd = pytest.importorskip("autograd")

import autograd.numpy as anp  # noqa: E402 - after it is known to be there
import jax.numpy as jnp  # noqa: E402

pytestmark = pytest.mark.peers

jax.config.update("jax_enable_x64", True)

MATRIX = np.array(
    [[1.5, -0.4, 0.2, 0.1], [-0.4, 2.0, 0.3, 0.0], [0.2, 0.3, 1.2, -0.5], [0.1, 0.0, -0.5, 1.8]]
)
POINT = np.array([0.7, -1.2, 0.4, 1.9])

Program = Callable[[Any, Any, Any], Any]

PROGRAMS: dict[str, Program] = {
    "two variables": lambda m, _a, x: 3 * x[0] ** 2 + x[1] + m.exp(x[0] * x[1]),
    "norm squared": lambda m, _a, x: m.sum(x**2),
    "norm": lambda m, _a, x: m.sqrt(m.sum(x**2)),
    "quadratic form": lambda _m, a, x: x @ (a @ x),
    "rational": lambda m, _a, x: m.sum(x / (1 + x**2)) / (2 + x[0] * x[3]),
    "trigonometric": lambda m, _a, x: m.sum(m.sin(x) * m.cos(2 * x) + m.tanh(x)),
    "entropy of softmax": lambda m, _a, x: entropy(m, m.exp(x) / m.sum(m.exp(x))),
    "two layers": lambda m, a, x: m.sum(m.tanh(a @ m.tanh(a @ x)) ** 2),
    "powers": lambda m, _a, x: m.sum((x**2) ** 1.5),
    "product of matrices": lambda m, a, x: m.sum(m.exp(0.1 * a * x) @ (a * x)),
}


def entropy(m: Any, p: Any) -> Any:
    """Entropy of a vector of probabilities."""
    return -m.sum(p * m.log(p))


def ours(program: Program) -> tuple[Any, Any]:
    """Gradient, and Hessian row by row from the recorded gradient."""
    x = cr.tensor(POINT, requires_grad=True)
    program(cr, MATRIX, x).backward(create_graph=True)
    gradient, rows = x.grad, []
    for i in range(len(POINT)):
        x.grad = None
        gradient[i].backward(retain_graph=True)
        rows.append(x.grad.numpy().copy())
    return gradient.numpy(force=True), np.array(rows)


def by_torch(program: Program) -> tuple[Any, Any]:
    """The same by PyTorch."""
    a, x = torch.tensor(MATRIX), torch.tensor(POINT)
    derivatives = torch.autograd.functional.jacobian, torch.autograd.functional.hessian
    return tuple(d(lambda v: program(torch, a, v), x).numpy() for d in derivatives)


def by_jax(program: Program) -> tuple[Any, Any]:
    """The same by JAX."""
    a, x = jnp.asarray(MATRIX), jnp.asarray(POINT)
    return tuple(d(lambda v: program(jnp, a, v))(x) for d in (jax.grad, jax.hessian))


def by_autograd(program: Program) -> tuple[Any, Any]:
    """The same by HIPS autograd."""
    return tuple(
        d(lambda v: program(anp, MATRIX, v))(POINT) for d in (autograd.grad, autograd.hessian)
    )


@pytest.mark.parametrize("peer", [by_torch, by_jax, by_autograd])
@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_agree(name: str, peer: Callable[[Program], tuple[Any, Any]]) -> None:
    """First and second derivatives are the peer's, to rounding."""
    gradient, hessian = ours(PROGRAMS[name])
    expected_gradient, expected_hessian = peer(PROGRAMS[name])

    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(hessian, expected_hessian, rtol=1e-11, atol=1e-12)
